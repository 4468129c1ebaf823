//! WebSockets over streams of HTTP/2 (RFC 8441), before endpoints that speak HTTP/1.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::client::{Client2, whole};
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::{Upstream, answer, read_head, write};

/// Agrees to each handshake, says `hi`, and repeats what it hears; other requests are answered with their head.
async fn echo() -> Upstream {
    Upstream::raw(|_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let lower = head.to_ascii_lowercase();
            let Some((_, rest)) = lower.split_once("sec-websocket-key: ") else {
                write(&mut stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len())).await;
                continue;
            };
            assert!(lower.contains("connection: upgrade\r\n") && lower.contains("upgrade: websocket\r\n"), "{head}");
            assert!(lower.starts_with("get /chat?room=1 http/1.1\r\n") && lower.contains("host: test\r\n"), "{head}");
            // Its letters are those of the head as it came.
            let start = lower.len() - rest.len();
            let accept = accept(head[start..].split("\r\n").next().unwrap());
            let agreed = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
            );
            write(&mut stream, [agreed.as_bytes(), b"\x81\x02hi"].concat()).await;
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                write(&mut stream, &buffer[..count]).await;
            }
            return;
        }
    })
    .await
}

/// RFC 6455, section 4.2.2.
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

async fn site(upstream: &Upstream, more: &str) -> Site {
    Files::new().start(&[&route("up", "/*", &[]), &*cluster("up", &[upstream.address]), more].concat()).await
}

/// A client that knows that it may ask for it.
async fn client(site: &Site) -> Client2 {
    let mut client = Client2::connect(site.address()).await;
    client.get("/first").await;
    client
}

fn handshake(protocol: &'static str) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(Method::CONNECT).uri("http://test/chat?room=1");
    let request = request.header("sec-websocket-version", "13").header("sec-websocket-protocol", "chat");
    request.extension(Protocol::from_static(protocol)).body(Empty::new()).unwrap()
}

async fn open(client: &mut Client2) -> (HeaderMap, TokioIo<Upgraded>) {
    let answer: Response<Incoming> = client.send(handshake("websocket")).await;
    assert_eq!(answer.status(), 200);
    let headers = answer.headers().clone();
    (headers, TokioIo::new(soon(hyper::upgrade::on(answer)).await.expect("the stream is a tunnel")))
}

async fn hears(stream: &mut TokioIo<Upgraded>, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    soon(stream.read_exact(&mut heard)).await.expect("that much");
    assert!(heard == expected, "{}", heard[..heard.len().min(100)].escape_ascii());
}

#[tokio::test]
async fn bytes_pass_both_ways_beside_other_streams() {
    let upstream = echo().await;
    let site = site(&upstream, "").await;
    let mut client = client(&site).await;
    let (headers, mut stream) = open(&mut client).await;
    assert_eq!(headers["sec-websocket-protocol"], "chat");
    for gone in ["connection", "upgrade", "sec-websocket-accept", "content-length"] {
        assert!(!headers.contains_key(gone), "{headers:?}");
    }
    hears(&mut stream, b"\x81\x02hi").await;
    let (_, mut second) = open(&mut client).await;
    hears(&mut second, b"\x81\x02hi").await;
    for message in [&b"\x81\x82abcd\x09\x0b"[..], b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n"] {
        soon(stream.write_all(message)).await.unwrap();
        hears(&mut stream, message).await;
    }
    let long: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let sent = long.clone();
    let writer = tokio::spawn(async move {
        writing.write_all(&sent).await.unwrap();
        writing
    });
    let mut heard = vec![0; long.len()];
    soon(reading.read_exact(&mut heard)).await.unwrap();
    assert!(heard == long);
    assert_eq!(client.get("/other").await.0.status, 200);
    // The echo ends with the client.
    let mut writing = soon(writer).await.unwrap();
    writing.shutdown().await.unwrap();
    assert_eq!(soon(reading.read_to_end(&mut heard)).await.unwrap(), 0);
    soon(second.write_all(b"still")).await.unwrap();
    hears(&mut second, b"still").await;
}

#[tokio::test]
async fn what_isnt_agreed_to_is_no_tunnel() {
    let upstream = Upstream::serving(|request: Request<_>| async move {
        let is_handshake = request.headers().contains_key("upgrade");
        let status = if request.uri().path() == "/chat" && is_handshake { 403 } else { 200 };
        answer(status, "no")
    })
    .await;
    let site = site(&upstream, "").await;
    let mut client = client(&site).await;
    let refused = client.send(handshake("websocket")).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(whole(refused).await.1, "no");
    // Other protocols, and none.
    assert_eq!(client.send(handshake("connect-udp")).await.status(), 501);
    let plain = Request::builder().method(Method::CONNECT).uri("test:80").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(client.send(plain).await.status(), 501);
    assert_eq!(client.get("/after").await.0.status, 200);
}

#[tokio::test]
async fn an_endpoint_that_doesnt_know_handshakes_makes_no_tunnel() {
    let upstream = Upstream::fixed("what a nice request").await;
    let site = site(&upstream, "").await;
    let mut client = client(&site).await;
    let answer = client.send(handshake("websocket")).await;
    assert_eq!(answer.status(), 502);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(!body.starts_with(b"what"), "{body:?}");
}

#[tokio::test]
async fn a_gateway_that_stops_says_goodbye() {
    let upstream = echo().await;
    let site = site(&upstream, "").await;
    let mut client = client(&site).await;
    let (_, mut stream) = open(&mut client).await;
    hears(&mut stream, b"\x81\x02hi").await;
    let leaving = async {
        // Going away (RFC 6455, section 7.4.1).
        hears(&mut stream, b"\x88\x02\x03\xe9").await;
        drop(stream);
    };
    tokio::join!(leaving, async { soon(site.gateway.shutdown()).await });
}

#[tokio::test]
async fn silence_ends_it_and_a_client_that_leaves_ends_the_endpoints_side() {
    let upstream = echo().await;
    let site = site(&upstream, "timeouts = { idle = \"300ms\" }\n").await;
    let mut client = client(&site).await;
    let (_, mut stream) = open(&mut client).await;
    hears(&mut stream, b"\x81\x02hi").await;
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
    let in_flight = format!("sluice_endpoint_requests_in_flight{{cluster=\"up\",endpoint=\"{}\"}}", upstream.address);
    let (_, stream) = open(&mut client).await;
    drop(stream);
    while site.metric(&in_flight).await > 0.0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.get("/after").await.0.status, 200);
}
