//! Whole gateways whose clusters' endpoints DNS tells.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::tests::{BROKEN, admin, get, start};
use super::*;
use crate::dns::tests::{Record, Server, Way};

/// A server at an address of this machine that hands every connection over, when a request has come.
async fn upstream(address: &str, port: u16) -> (u16, mpsc::UnboundedReceiver<TcpStream>) {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    (port, connections)
}

/// Read a request and answer it with `text`.
async fn answer(stream: &mut TcpStream, text: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// Answer everything with `text`, on connections that are counted.
fn serve(
    mut connections: mpsc::UnboundedReceiver<TcpStream>,
    text: &'static str,
) -> Arc<std::sync::atomic::AtomicUsize> {
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Some(mut stream) = connections.recv().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::spawn(async move {
                // The gateway closes it at some time.
                while stream.peek(&mut [0]).await.is_ok_and(|length| length > 0) {
                    answer(&mut stream, text).await;
                }
            });
        }
    });
    count
}

fn config(server: &Server, port: u16) -> String {
    format!(
        r#"
[admin]
address = "127.0.0.1:0"
[server]
threads = 1
[[listener]]
name = "public"
address = "127.0.0.1:0"
[[route]]
name = "all"
cluster = "shop"
[[cluster]]
name = "shop"
discovery = {{ dns = "shop.x:{port}", servers = ["{}"], min_ttl = "100ms", timeout = "200ms" }}
"#,
        server.address
    )
}

/// Wait until the cluster has exactly the endpoints with these addresses.
async fn until(gateway: &Gateway, wanted: &[&str]) {
    let serve = || {
        let snapshot = gateway.snapshot().unwrap();
        let mut addresses: Vec<String> = snapshot.clusters()[0]
            .members()
            .iter()
            .map(|member| member.endpoint.address().ip().unwrap().to_string())
            .collect();
        addresses.sort();
        addresses == wanted
    };
    let waiting = async {
        while !serve() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(BROKEN, waiting).await.expect("the endpoints never came");
}

/// What the admin API says of the cluster's endpoints, once it says `wanted`.
async fn state(gateway: &Gateway, wanted: &str) -> String {
    let waiting = async {
        loop {
            let told = admin(gateway, "GET /api/v1/clusters HTTP/1.1").await;
            if told.contains(&format!("\"state\": \"{wanted}\"")) {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(BROKEN, waiting).await.expect("the state never came")
}

fn records(addresses: &[&str]) -> Vec<Record> {
    addresses.iter().map(|address| Record::address("shop.x", 0, address)).collect()
}

#[tokio::test]
async fn endpoints_come_and_go_and_the_others_keep_their_connections() {
    let dns = Server::start().await;
    let (port, first) = upstream("127.0.0.1", 0).await;
    let (_, second) = upstream("127.0.0.2", port).await;
    let connections = serve(first, "one");
    serve(second, "two");
    dns.set(&records(&["127.0.0.1"]));
    let (_directory, gateway) = start(&config(&dns, port)).await;
    assert!(get(&gateway, "/").await.ends_with("one"), "the first answer is there before the first request");
    dns.set(&records(&["127.0.0.1", "127.0.0.2"]));
    until(&gateway, &["127.0.0.1", "127.0.0.2"]).await;
    let answers = [get(&gateway, "/").await, get(&gateway, "/").await].concat();
    assert!(answers.contains("one") && answers.contains("two"), "{answers}");
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1, "the connection was used again");
    dns.set(&records(&["127.0.0.2"]));
    until(&gateway, &["127.0.0.2"]).await;
    for _ in 0..4 {
        assert!(get(&gateway, "/").await.ends_with("two"));
    }
    gateway.shutdown().await;
}

#[tokio::test]
async fn an_endpoint_that_leaves_finishes_what_it_has_begun() {
    let dns = Server::start().await;
    let (port, mut first) = upstream("127.0.0.1", 0).await;
    let (_, second) = upstream("127.0.0.2", port).await;
    serve(second, "two");
    dns.set(&records(&["127.0.0.1"]));
    let (_directory, gateway) = start(&config(&dns, port)).await;
    let leaving = async {
        let mut stream = first.recv().await.unwrap();
        dns.set(&records(&["127.0.0.2"]));
        until(&gateway, &["127.0.0.2"]).await;
        assert!(get(&gateway, "/").await.ends_with("two"), "new ones go elsewhere");
        answer(&mut stream, "one").await;
    };
    let (slow, ()) = tokio::join!(get(&gateway, "/slow"), leaving);
    assert!(slow.ends_with("one"), "{slow}");
    gateway.shutdown().await;
}

#[tokio::test]
async fn the_last_endpoints_serve_on_without_dns_and_it_is_said() {
    let dns = Server::start().await;
    let (port, first) = upstream("127.0.0.1", 0).await;
    serve(first, "one");
    dns.set(&records(&["127.0.0.1"]));
    let (_directory, gateway) = start(&config(&dns, port)).await;
    state(&gateway, "current").await;
    dns.be(Way::Fail(2));
    let told = state(&gateway, "stale").await;
    assert!(told.contains("\"dns\": \"shop.x:") && told.contains("\"error\": \"failed\""), "{told}");
    assert!(get(&gateway, "/").await.ends_with("one"));
    let metrics = admin(&gateway, "GET /metrics HTTP/1.1").await;
    assert!(metrics.contains("sluice_cluster_dns_current{cluster=\"shop\"} 0\n"), "{metrics}");
    assert!(metrics.contains("sluice_cluster_dns_lookups_total{cluster=\"shop\",outcome=\"failed\"} "), "{metrics}");
    dns.be(Way::Well);
    state(&gateway, "current").await;
    gateway.shutdown().await;
}

#[tokio::test]
async fn without_any_answer_the_gateway_serves_what_it_can() {
    let dns = Server::start().await;
    dns.be(Way::Fail(3));
    let (port, first) = upstream("127.0.0.1", 0).await;
    serve(first, "one");
    let (_directory, gateway) = start(&config(&dns, port)).await;
    assert!(get(&gateway, "/").await.starts_with("HTTP/1.1 503 "));
    assert!(admin(&gateway, "GET /readyz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
    state(&gateway, "unresolved").await;
    dns.set(&records(&["127.0.0.1"]));
    dns.be(Way::Well);
    until(&gateway, &["127.0.0.1"]).await;
    assert!(get(&gateway, "/").await.ends_with("one"));
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_cluster_that_a_reload_brings_begins_with_its_endpoints() {
    let dns = Server::start().await;
    let (port, first) = upstream("127.0.0.1", 0).await;
    serve(first, "one");
    dns.set(&records(&["127.0.0.1"]));
    let text = config(&dns, port);
    let (listener, _) = text.split_once("cluster = \"shop\"").unwrap();
    let (directory, gateway) = start(&format!("{listener}respond = {{ status = 200 }}\n")).await;
    super::tests::write(directory.path(), &text);
    gateway.reload().await;
    assert!(get(&gateway, "/").await.ends_with("one"));
    gateway.shutdown().await;
}
