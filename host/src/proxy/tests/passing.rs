//! What passes, and how.

use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::gateway::{Raw, Wanted, ask, field, filler, mirror, read_until, respond, route, snapshot, start, to};
use crate::config::model::{Redirect, Segment, Timeouts};
use crate::server::Settings;
use crate::snapshot::thread::ThreadDestination;
use crate::upstream::tests::support::{self, endpoint, on_thread};

#[test]
fn connections_are_kept_on_both_sides() {
    on_thread(async {
        let (seen, mut connections) = tokio::sync::mpsc::unbounded_channel();
        let address = endpoint(move |number, stream| {
            seen.send(number).unwrap();
            support::answer_all(stream)
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut raw = Raw::connect(&gateway).await;
        for _ in 0..3 {
            raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
            assert_eq!(raw.answer().await.body, "ok");
        }
        // Pipelined ones come back in order.
        raw.send(&"GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(3)).await;
        for _ in 0..3 {
            assert_eq!(raw.answer().await.status(), 200);
        }
        assert_eq!((connections.recv().await, connections.try_recv().is_err()), (Some(0), true));
    });
}

#[test]
fn a_large_body_streams_both_ways_byte_for_byte() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            let head = String::from_utf8(read_until(&mut stream, b"\r\n\r\n").await).unwrap();
            let length = field(&head, "content-length").unwrap().to_owned();
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await.unwrap();
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let raw = Raw::connect(&gateway).await;
        let (mut from, mut to) = raw.0.into_split();
        let sent = filler(8 << 20);
        let body = sent.clone();
        // Its result keeps the connection whole: half of one counts as a client that left.
        let sending = tokio::task::spawn_local(async move {
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
            to.write_all(head.as_bytes()).await.unwrap();
            to.write_all(&body).await.unwrap();
            to
        });
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(from.read_u8().await.unwrap());
        }
        let mut received = vec![0; sent.len()];
        from.read_exact(&mut received).await.unwrap();
        assert!(received == sent);
        drop(sending.await.unwrap());
    });
}

#[test]
fn a_slow_reader_holds_the_endpoint_back() {
    on_thread(async {
        let written = Rc::new(std::cell::Cell::new(0_usize));
        let count = Rc::clone(&written);
        let total = 64 << 20;
        let address = endpoint(move |_, mut stream| {
            let count = Rc::clone(&count);
            async move {
                read_until(&mut stream, b"\r\n\r\n").await;
                stream
                    .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {total}\r\n\r\n").as_bytes())
                    .await
                    .unwrap();
                let piece = filler(1 << 16);
                while stream.write_all(&piece).await.is_ok() {
                    count.set(count.get() + piece.len());
                }
            }
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut raw = Raw::connect(&gateway).await;
        raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        raw.head().await;
        // Until nothing moves any more.
        let mut before = usize::MAX;
        while before != written.get() {
            before = written.get();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(before < total / 2, "{before} bytes are in buffers");
        let mut received = vec![0; 16 << 20];
        raw.0.read_exact(&mut received).await.unwrap();
        while written.get() == before {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn trailers_pass_both_ways_over_http1() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            let mut head = read_until(&mut stream, b"\r\n\r\n").await;
            head.extend(read_until(&mut stream, b"x-req: 1\r\n\r\n").await);
            let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, x-user\r\n\r\n\
                2\r\nok\r\n0\r\nx-sum: 7\r\nx-user: root\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            read_until(&mut stream, b"\r\n\r\n").await;
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut raw = Raw::connect(&gateway).await;
        raw.send(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nte: trailers\r\nconnection: te\r\n\
             trailer: x-req\r\n\r\n2\r\nhi\r\n0\r\nx-req: 1\r\n\r\n",
        )
        .await;
        let head = raw.head().await;
        assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
        let body = String::from_utf8(read_until(&mut raw.0, b"0\r\nx-sum: 7\r\n\r\n").await).unwrap();
        assert!(body.starts_with("2\r\nok\r\n"), "{body}");
    });
}

#[test]
fn expect_continue_is_answered_when_the_body_is_wanted() {
    on_thread(async {
        let gateway = start(Wanted::all_to(&[mirror().await], Timeouts::default()));
        let mut raw = Raw::connect(&gateway).await;
        raw.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n").await;
        assert_eq!(raw.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
        raw.send("hi").await;
        assert_eq!(raw.answer().await.status(), 200);
    });
}

#[test]
fn head_has_the_length_and_no_body() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            while !read_until(&mut stream, b"\r\n\r\n").await.is_empty() {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").await.unwrap();
            }
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut raw = Raw::connect(&gateway).await;
        raw.send(&"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2)).await;
        for _ in 0..2 {
            assert_eq!(field(&raw.head().await, "content-length"), Some("5"));
        }
    });
}

#[test]
fn redirects_keep_what_they_do_not_change() {
    on_thread(async {
        let redirect = |scheme: Option<&str>, host: Option<&str>, path: Option<&str>| {
            ThreadDestination::Redirect(Redirect {
                status: StatusCode::PERMANENT_REDIRECT,
                scheme: scheme.map(Into::into),
                host: host.map(Into::into),
                path: path.map(Into::into),
            })
        };
        let mut captured = route("c", Some("c"));
        captured.matcher.path.segments.push(Segment::Capture("id".into()));
        let gateway = start(
            Wanted::default()
                .route(captured, redirect(None, None, Some("/new/{id}")))
                .route(route("s", Some("s")), redirect(Some("https"), None, None))
                .route(route("h", Some("h")), redirect(None, Some("b"), None)),
        );
        for (path, location) in
            [("/c/a%20b?q=1", "/new/a%20b?q=1"), ("/s/x?q", "https://a:80/s/x?q"), ("/h//x", "//b/h/x")]
        {
            let answer = ask(&gateway, &format!("GET {path} HTTP/1.1\r\nhost: a:80\r\n\r\n")).await;
            assert_eq!((answer.status(), answer.field("location")), (308, Some(location)));
        }
    });
}

#[test]
fn a_cluster_may_set_the_host() {
    on_thread(async {
        let cluster = support::cluster_with_host(mirror().await, HeaderValue::from_static("inside"));
        let ThreadDestination::Clusters { choice, .. } = to(&[], Timeouts::default()) else { unreachable!() };
        let destination = ThreadDestination::Clusters { clusters: vec![Rc::new(cluster)], choice };
        let gateway = start(Wanted::default().route(route("all", None), destination));
        let sent = ask(&gateway, "GET / HTTP/1.1\r\nhost: outside\r\n\r\n").await.body;
        assert_eq!(field(&sent, "host"), Some("inside"));
        assert_eq!(field(&sent, "x-forwarded-host"), Some("outside"));
    });
}

#[test]
fn a_published_snapshot_serves_the_next_request_of_a_connection() {
    on_thread(async {
        let gateway = start(Wanted::default().route(route("all", None), respond("old")));
        let mut raw = Raw::connect(&gateway).await;
        raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(raw.answer().await.body, "old");
        let new = Wanted::default().route(route("all", None), respond("new"));
        gateway.proxy.publish(Rc::new(snapshot(2, new)));
        raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(raw.answer().await.body, "new");
    });
}

#[test]
fn draining_ends_idle_connections_and_lets_busy_ones_finish() {
    on_thread(async {
        let (answer_now, wait) = tokio::sync::oneshot::channel::<()>();
        let wait = Rc::new(std::cell::RefCell::new(Some(wait)));
        let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
        let address = endpoint(move |_, mut stream| {
            let (wait, arrived) = (wait.take(), arrived.clone());
            async move {
                read_until(&mut stream, b"\r\n\r\n").await;
                arrived.send(()).unwrap();
                wait.unwrap().await.unwrap();
                stream.write_all(support::OK.as_bytes()).await.unwrap();
            }
        })
        .await;
        let gateway =
            start(Wanted::all_to(&[address], Timeouts::default()).route(route("idle", Some("idle")), respond("x")));
        let mut untouched = Raw::connect(&gateway).await;
        let mut idle = Raw::connect(&gateway).await;
        idle.send("GET /idle HTTP/1.1\r\nhost: a\r\n\r\n").await;
        idle.answer().await;
        let mut busy = Raw::connect(&gateway).await;
        busy.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        arrivals.recv().await.unwrap();
        gateway.connections.drain();
        assert_eq!(idle.rest().await, "");
        assert_eq!(untouched.rest().await, "");
        assert_eq!(gateway.connections.len(), 1);
        answer_now.send(()).unwrap();
        let answer = busy.answer().await;
        assert_eq!((&*answer.body, answer.field("connection")), ("ok", Some("close")));
        gateway.connections.closed().await;
    });
}

#[test]
fn connections_have_time_limits() {
    on_thread(async {
        let moment = Duration::from_millis(50);
        let mut wanted = Wanted::default().route(route("all", None), respond("x"));
        wanted.settings = Settings { head: moment, keep_alive: moment, ..Settings::default() };
        let gateway = start(wanted);
        for beginning in
            ["", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: a\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"]
        {
            let mut raw = Raw::connect(&gateway).await;
            raw.send(beginning).await;
            let rest = raw.rest().await;
            assert_eq!(rest.contains("200 OK"), beginning.ends_with("a\r\n\r\n"), "{beginning}");
        }
        gateway.connections.closed().await;
    });
}
