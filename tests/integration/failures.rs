//! Upstream servers that misbehave: what the client sees, which is one clear error that leaks nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt as _;

use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::upstream::{Upstream, read_head, write};

const SHORT: &str = "timeouts = { first_byte = \"200ms\", idle = \"200ms\" }\n";

async fn in_front_of(address: std::net::SocketAddr) -> Site {
    Files::new().start(&[&route("up", "/*", &[]), &cluster("up", &[address]), SHORT].concat()).await
}

#[tokio::test]
async fn refused_connections_are_502() {
    in_front_of(Upstream::nobody().await).await.get("/").await.assert_problem(502);
}

#[tokio::test]
async fn resets_and_garbage_are_502() {
    for answer in ["", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 banana\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"] {
        let upstream = Upstream::raw(move |_, mut stream| async move {
            read_head(&mut stream).await;
            write(&mut stream, answer).await;
        })
        .await;
        in_front_of(upstream.address).await.get("/").await.assert_problem(502);
    }
}

#[tokio::test]
async fn silence_is_504() {
    let upstream = Upstream::raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        // Until the gateway gives up.
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    in_front_of(upstream.address).await.get("/").await.assert_problem(504);
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_ends_cleanly() {
    let upstream = Upstream::raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    })
    .await;
    let site = in_front_of(upstream.address).await;
    let mut client = site.client().await;
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    let rest = String::from_utf8(client.rest().await).unwrap();
    assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
}

#[tokio::test]
async fn a_pooled_connection_that_went_stale_costs_nothing() {
    // Closes each connection after one answer without saying so, the second request being read already.
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let upstream = Upstream::raw(move |_, mut stream| {
        let counted = counted.clone();
        async move {
            read_head(&mut stream).await;
            counted.fetch_add(1, Ordering::SeqCst);
            write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            read_head(&mut stream).await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let site = in_front_of(upstream.address).await;
    let mut client = site.client().await;
    assert_eq!(client.ask("GET", "/", &[], b"").await.text(), "ok");
    assert_eq!(client.ask("GET", "/", &[], b"").await.text(), "ok", "it is tried once more on a fresh connection");
    assert_eq!((upstream.connections(), requests.load(Ordering::SeqCst)), (2, 3));
    // What isn't idempotent and may have been done is never sent twice.
    client.ask("POST", "/", &[], b"pay").await.assert_problem(502);
    assert_eq!(requests.load(Ordering::SeqCst), 4);
}
