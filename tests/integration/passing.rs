//! What passes through: bodies both ways as they come, with back-pressure and trailers, over HTTP/1.1 and HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use crate::harness::client::{Client, Client2, whole};
use crate::harness::frames::frames;
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::{Upstream, read_head, write};

/// Everything goes to that upstream.
async fn in_front_of(upstream: &Upstream) -> Site {
    let text = [route("up", "/*", &[]), cluster("up", &[upstream.address])].concat();
    Files::new().start(&text).await
}

#[tokio::test]
async fn pieces_pass_both_ways_before_the_whole_is_there() {
    // Answers each byte of the request's body as soon as it comes.
    let upstream = Upstream::raw(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for _ in 0..3 {
            // "1", a byte, and line ends.
            let mut chunk = [0; 6];
            stream.read_exact(&mut chunk).await.unwrap();
            write(&mut stream, chunk).await;
        }
        write(&mut stream, "0\r\nx-sum: 3\r\n\r\n").await;
    })
    .await;
    let site = in_front_of(&upstream).await;
    let mut client = site.client().await;
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    for byte in [b'a', b'b', b'c'] {
        client.send([b"1\r\n", [byte].as_slice(), b"\r\n"].concat()).await;
        assert_eq!(client.chunk().await.unwrap(), [byte]);
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, None);
}

#[tokio::test]
async fn trailers_pass_both_ways_but_not_those_that_are_the_gateways() {
    let upstream = Upstream::raw(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        let mut body = Vec::new();
        while !body.ends_with(b"0\r\nx-sum: 7\r\n\r\n") {
            body.push(stream.read_u8().await.expect("the trailer comes, and no other one"));
        }
        let head = "HTTP/1.1 200 OK\r\nTrailer: x-check\r\nTransfer-Encoding: chunked\r\n\r\n";
        write(&mut stream, format!("{head}2\r\nok\r\n0\r\nx-check: 9\r\nconnection: x\r\n\r\n")).await;
    })
    .await;
    let text = ["[identity]\nsubject = \"x-user\"\n", &route("up", "/*", &[]), &cluster("up", &[upstream.address])];
    let site = Files::new().start(&text.concat()).await;
    let mut client = site.client().await;
    let head = "POST / HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{head}1\r\nx\r\n0\r\nx-user: root\r\nX-Sum: 7\r\n\r\n")).await;
    let answer = client.answer("POST").await;
    assert_eq!(answer.text(), "ok");
    assert_eq!(answer.trailers, [("x-check".to_owned(), "9".to_owned())]);
}

#[tokio::test]
async fn a_slow_reader_slows_the_upstream_down() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    const ALL: usize = 256 << 20;
    let upstream = Upstream::raw(move |_, mut stream| {
        let counted = counted.clone();
        async move {
            read_head(&mut stream).await.unwrap();
            write(&mut stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n")).await;
            let piece = [7; 1 << 16];
            while stream.write_all(&piece).await.is_ok() {
                counted.fetch_add(piece.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    let site = in_front_of(&upstream).await;
    let mut client = site.client().await;
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    // It stops by itself once buffers are full: no more for a while, though nobody reads.
    let mut before = 0;
    soon(async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let now = sent.load(Ordering::SeqCst);
            assert!(now < ALL / 4, "{now} bytes are on their way to a client that reads nothing");
            if now > 0 && now == std::mem::replace(&mut before, now) {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_slow_upstream_slows_the_client_down() {
    let read = Arc::new(Notify::new());
    let go = read.clone();
    let upstream = Upstream::raw(move |_, mut stream| {
        let go = go.clone();
        async move {
            read_head(&mut stream).await.unwrap();
            go.notified().await;
            let mut piece = vec![0; 1 << 20];
            let mut left = 64 << 20;
            while left > 0 {
                left -= stream.read(&mut piece).await.unwrap();
            }
            write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let site = in_front_of(&upstream).await;
    let mut client = site.client().await;
    client.send(format!("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", 64 << 20)).await;
    let piece = vec![1; 1 << 16];
    let mut sent = 0;
    // As far as the buffers of two connections go.
    while let Ok(written) =
        tokio::time::timeout(std::time::Duration::from_millis(300), client.stream().write(&piece)).await
    {
        sent += written.unwrap();
        assert!(sent < 32 << 20, "the gateway takes {sent} bytes that nobody wants");
    }
    read.notify_one();
    while sent < 64 << 20 {
        let length = piece.len().min((64 << 20) - sent);
        sent += soon(client.stream().write(&piece[..length])).await.unwrap();
    }
    assert_eq!(client.answer("PUT").await.text(), "ok");
}

#[tokio::test]
async fn http2_by_prior_knowledge_is_served_many_at_a_time() {
    let upstream = Upstream::mirror().await;
    let site = in_front_of(&upstream).await;
    let client = Client2::connect(site.address()).await;
    let asking = (0..50).map(|number| {
        let mut client = Client2(client.0.clone());
        tokio::spawn(async move { (number, client.get(&format!("/n/{number}")).await) })
    });
    for asked in asking.collect::<Vec<_>>() {
        let (number, (head, body, _)) = asked.await.unwrap();
        assert_eq!(head.status, 200);
        let seen: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(seen["target"], format!("/n/{number}"));
        assert_eq!(seen["fields"]["host"], json!(["test"]));
        assert!(seen["fields"]["via"][0].as_str().unwrap().starts_with("2 "), "{seen}");
    }
}

#[tokio::test]
async fn http2_bodies_and_trailers_pass_both_ways() {
    let upstream = Upstream::mirror().await;
    let site = in_front_of(&upstream).await;
    let mut client = Client2::connect(site.address()).await;
    let (sender, body) = frames();
    for piece in ["one ", "two"] {
        sender.send(Frame::data(Bytes::from_static(piece.as_bytes()))).unwrap();
    }
    let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "7".parse().unwrap())]);
    sender.send(Frame::trailers(trailers)).unwrap();
    drop(sender);
    let (head, body, _) =
        whole(client.send(Request::post("http://test/").header("trailer", "x-sum").body(body).unwrap()).await).await;
    assert_eq!(head.status, 200);
    let seen: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&seen["body"], &seen["trailers"]), (&json!("one two"), &json!({ "x-sum": ["7"] })));
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_call_to_the_upstream() {
    let (asked, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, end) = (asked.clone(), left.clone());
    let upstream = Upstream::raw(move |_, mut stream| {
        let (tell, end) = (tell.clone(), end.clone());
        async move {
            read_head(&mut stream).await.unwrap();
            tell.notify_one();
            // Nothing comes but the end.
            assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
            end.notify_one();
        }
    })
    .await;
    let site = in_front_of(&upstream).await;
    let mut client = site.client().await;
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    soon(asked.notified()).await;
    drop(client);
    soon(left.notified()).await;

    // A stream of HTTP/2 that is reset, on a connection that stays.
    let mut client = Client2::connect(site.address()).await;
    let request = Request::get("http://test/").body(http_body_util::Full::<Bytes>::default().boxed()).unwrap();
    let asking = tokio::spawn(client.0.send_request(request));
    soon(asked.notified()).await;
    asking.abort();
    soon(left.notified()).await;
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::mirror().await;
    let site = in_front_of(&upstream).await;
    let mut client = Client::connect(site.address()).await;
    for number in 0..20 {
        let body = vec![b'x'; number];
        assert_eq!(client.ask("POST", "/", &[], &body).await.json()["body"].as_str().unwrap().len(), number);
    }
    assert_eq!(upstream.connections(), 1);
    // HEAD has no body, whatever its length says, and leaves the connection in order.
    let head = client.ask("HEAD", "/", &[], b"").await;
    assert!(head.field("content-length").is_some_and(|length| length != "0"), "{head:?}");
    assert_eq!(client.ask("GET", "/after", &[], b"").await.json()["target"], "/after");
}

#[tokio::test]
async fn events_come_one_by_one() {
    let (next, told) = tokio::sync::mpsc::unbounded_channel::<()>();
    let told = Arc::new(tokio::sync::Mutex::new(told));
    let upstream = Upstream::raw(move |_, mut stream| {
        let told = Arc::clone(&told);
        async move {
            read_head(&mut stream).await.unwrap();
            // As servers of events end: by closing.
            write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await;
            for number in 0..3 {
                told.lock().await.recv().await.unwrap();
                write(&mut stream, format!("id: {number}\ndata: x\n\n")).await;
            }
        }
    })
    .await;
    let site = in_front_of(&upstream).await;
    let mut client = Client::connect(site.address()).await;
    client.send("GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
    for number in 0..3 {
        // Nothing of the next one is written before this one is here.
        next.send(()).unwrap();
        assert_eq!(client.chunk().await.unwrap(), format!("id: {number}\ndata: x\n\n").into_bytes());
    }
    assert_eq!(client.chunk().await, None);
}

#[tokio::test]
async fn ranges_are_between_client_and_endpoint() {
    const PARTS: &str =
        "--b\r\nContent-Range: bytes 0-1/9\r\n\r\nab\r\n--b\r\nContent-Range: bytes 7-8/9\r\n\r\nhi\r\n--b--\r\n";
    let upstream = Upstream::raw(|_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let head = head.to_ascii_lowercase();
            let changed = head.contains("if-range: \"old\"\r\n");
            let said = if changed {
                "HTTP/1.1 200 OK\r\nETag: \"new\"\r\nContent-Length: 9\r\n\r\nabcdefghi".to_owned()
            } else if head.contains("range: bytes=0-1,7-8\r\n") {
                let fields = "Content-Type: multipart/byteranges; boundary=b";
                format!("HTTP/1.1 206 Partial Content\r\n{fields}\r\nContent-Length: {}\r\n\r\n{PARTS}", PARTS.len())
            } else if head.contains("range: bytes=2-3\r\n") {
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-3/9\r\nContent-Length: 2\r\n\r\ncd".to_owned()
            } else {
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n".to_owned()
            };
            write(&mut stream, said).await;
        }
    })
    .await;
    let site = in_front_of(&upstream).await;
    let mut client = Client::connect(site.address()).await;
    let several = client.ask("GET", "/", &[("Range", "bytes=0-1,7-8"), ("If-Range", "\"now\"")], b"").await;
    assert_eq!((several.status, several.text().as_str()), (206, PARTS));
    assert_eq!(several.field("content-type"), Some("multipart/byteranges; boundary=b"));
    let one = client.ask("GET", "/", &[("Range", "bytes=2-3")], b"").await;
    assert_eq!((one.status, one.field("content-range"), one.text().as_str()), (206, Some("bytes 2-3/9"), "cd"));
    let whole = client.ask("GET", "/", &[("Range", "bytes=2-3"), ("If-Range", "\"old\"")], b"").await;
    assert_eq!((whole.status, whole.text().as_str()), (200, "abcdefghi"));
    let none = client.ask("GET", "/", &[("Range", "bytes=99-")], b"").await;
    assert_eq!((none.status, none.field("content-range")), (416, Some("bytes */9")));
}
