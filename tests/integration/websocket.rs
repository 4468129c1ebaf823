//! Connections that change from HTTP to the WebSocket protocol.

use std::time::Duration;

use http::{Response, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::client::{Answer, Client, request};
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::{Upstream, answer, read_head, write};

/// The handshake of RFC 6455, section 1.3.
const HANDSHAKE: &[(&str, &str)] = &[
    ("Connection", "keep-alive, Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
/// Going away (section 7.4.1).
const GOODBYE: &[u8] = b"\x88\x02\x03\xe9";

/// Says `hi` with its 101, then repeats what it hears; its first word is the head that it saw.
async fn echo() -> Upstream {
    Upstream::raw(|_, mut stream| async move {
        let Some(head) = read_head(&mut stream).await else { return };
        let head = head.to_ascii_lowercase();
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
        write(&mut stream, [AGREED.as_bytes(), b"\x81\x02hi"].concat()).await;
        repeat(&mut stream).await;
    })
    .await
}

async fn repeat(stream: &mut TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        write(stream, &buffer[..count]).await;
    }
}

async fn site(upstream: &Upstream) -> Site {
    Files::new().start(&[route("up", "/*", &[]), cluster("up", &[upstream.address])].concat()).await
}

/// Shake hands.
async fn open(site: &Site) -> (Client, Answer) {
    let mut client = site.client().await;
    client.send(request("GET", "/chat", HANDSHAKE, b"")).await;
    let head = client.head().await;
    (client, head)
}

async fn hears(client: &mut Client, expected: &[u8]) {
    assert_eq!(client.take(expected.len()).await, expected);
}

#[tokio::test]
async fn bytes_pass_both_ways_after_the_handshake() {
    let upstream = echo().await;
    let site = site(&upstream).await;
    let (mut client, head) = open(&site).await;
    assert_eq!(head.status, 101);
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "chat"),
    ] {
        assert_eq!(head.field(name), Some(value));
    }
    assert!(head.field("x-request-id").is_some() && head.field("content-length").is_none());
    hears(&mut client, b"\x81\x02hi").await;
    let long: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for message in [&b"\x81\x82abcd\x09\x0b"[..], b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n", &long] {
        client.send(message).await;
        hears(&mut client, message).await;
    }
    let (_, endpoint) = (site.metric("sluice_listener_connections").await, upstream.address);
    let in_flight = format!("sluice_endpoint_requests_in_flight{{cluster=\"up\",endpoint=\"{endpoint}\"}}");
    assert_eq!(site.metric(&in_flight).await, 1.0);
    client.stream().shutdown().await.unwrap();
    assert_eq!(client.rest().await, b"", "the echo ends with the client");
    while site.metric(&in_flight).await > 0.0 {
        tokio::task::yield_now().await;
    }
}

/// A client's frame: its first byte, and a payload of so many bytes with the mask `abcd`.
fn frame(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..65_536 => bytes.extend([&[0xfe], &(length as u16).to_be_bytes()[..]].concat()),
        _ => bytes.extend([&[0xff], &(length as u64).to_be_bytes()[..]].concat()),
    }
    bytes.extend(b"abcd");
    bytes.extend((0..length).map(|place| (place * 7) as u8));
    bytes
}

/// What is well-formed and what isn't is up to both ends: the gateway neither mends nor judges a byte, however it comes.
#[tokio::test]
async fn frames_of_every_kind_pass_unchanged() {
    let upstream = echo().await;
    let site = site(&upstream).await;
    let mut cases: Vec<Vec<u8>> = [0, 1, 125, 126, 127, 65_535, 65_536].map(|length| frame(0x82, length)).into();
    // Every opcode and reserved bit, final or not, and messages in fragments with a ping among them.
    cases.extend((0..=u8::MAX).step_by(5).map(|first| frame(first, 3)));
    cases.push([frame(0x01, 5), frame(0x89, 2), frame(0x00, 0), frame(0x80, 9)].concat());
    // Not masked; a length that could be written shorter; what is no UTF-8; half a frame.
    cases
        .extend([&b"\x81\x01x"[..], b"\x81\xfe\x00\x01abcdx", b"\x81\x82abcd\x9e\x9d", b"\x81\x85abcd"].map(Vec::from));
    // Closing handshakes: without a code, with half of one, with codes of all kinds, twice, and with words behind it.
    cases.extend([b"\x88\x80abcd".to_vec(), b"\x88\x81abcd\x62".to_vec(), frame(0x88, 126)]);
    for code in [999, 1000, 1005, 1015, 3000, 5000, u16::MAX] {
        let [high, low] = code.to_be_bytes();
        let close = [b"\x88\x82abcd", &[high ^ b'a', low ^ b'b'][..]].concat();
        cases.push([close.clone(), close, frame(0x81, 4)].concat());
    }
    for case in &cases {
        for pieces in [case.len().max(1), 1] {
            let (mut client, _) = open(&site).await;
            hears(&mut client, b"\x81\x02hi").await;
            for piece in case.chunks(pieces.max(case.len() / 64)) {
                client.send(piece).await;
            }
            hears(&mut client, case).await;
            client.stream().shutdown().await.unwrap();
            assert_eq!(client.rest().await, b"", "nothing is added");
        }
    }
}

#[tokio::test]
async fn an_endpoint_may_refuse_and_the_connection_goes_on() {
    let upstream = Upstream::serving(|request: http::Request<_>| async move {
        if request.headers().contains_key(header::UPGRADE) {
            Response::builder().status(403).body(answer(200, "no").into_body()).unwrap()
        } else {
            answer(200, "yes")
        }
    })
    .await;
    let site = site(&upstream).await;
    let mut client = site.client().await;
    let refused = client.ask("GET", "/chat", HANDSHAKE, b"").await;
    assert_eq!((refused.status, &*refused.body), (403, &b"no"[..]));
    assert_eq!(client.ask("GET", "/", &[], b"").await.text(), "yes");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_or_that_is_wrong_is_no_answer() {
    let wrong = [
        AGREED.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        AGREED.replace("Upgrade: websocket", "Upgrade: h2c"),
        AGREED.replace("Connection: Upgrade", "Connection: keep-alive"),
        AGREED.replace("Sec-WebSocket-Accept", "X-Accept"),
    ];
    for said in wrong {
        let upstream = Upstream::raw(move |_, mut stream| {
            let said = said.clone();
            async move {
                while read_head(&mut stream).await.is_some() {
                    write(&mut stream, &said).await;
                }
            }
        })
        .await;
        let site = site(&upstream).await;
        site.ask("GET", "/chat", HANDSHAKE, b"").await.assert_problem(502);
    }
    let upstream = Upstream::raw(|_, mut stream| async move {
        while read_head(&mut stream).await.is_some() {
            write(&mut stream, AGREED).await;
        }
    })
    .await;
    let site = site(&upstream).await;
    site.get("/").await.assert_problem(502);
    let other = [("Connection", "Upgrade"), ("Upgrade", "h2c")];
    site.ask("GET", "/", &other, b"").await.assert_problem(502);
}

/// A client that doesn't wait may be somebody who wants what follows to be read as another request, or not to be read
/// as one.
#[tokio::test]
async fn nothing_that_came_before_the_switch_is_passed_on() {
    for early in [&b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"\x81\x82abcd\x09\x0b", b"GET /secr"] {
        let (seen, sees) = tokio::sync::oneshot::channel();
        let seen = std::sync::Mutex::new(Some(seen));
        let upstream = Upstream::raw(move |_, mut stream| {
            let seen = seen.lock().unwrap().take().expect("one connection");
            async move {
                let _ = read_head(&mut stream).await;
                // By now all of it has come to the gateway, in one piece with the head.
                write(&mut stream, AGREED).await;
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                let _ = seen.send(rest);
            }
        })
        .await;
        let site = site(&upstream).await;
        let mut client = site.client().await;
        client.send([&request("GET", "/chat", HANDSHAKE, b""), early].concat()).await;
        client.rest().await;
        assert_eq!(soon(sees).await.unwrap(), b"", "{}", early.escape_ascii());
    }
}

#[tokio::test]
async fn plugins_see_the_handshake_and_its_answer() {
    let upstream = echo().await;
    let files = Files::with_plugins(&["api-key", "transform"]);
    let text = [
        "[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nconfig = { keys = { \"good\" = \"alice\" } }\n",
        "[[plugin]]\nname = \"mark\"\ncomponent = \"transform.wasm\"\n\
         config = { response = { headers = { set = { x-mark = \"seen\" } } } }\n",
        &route("up", "/*", &["keys", "mark"]),
        &cluster("up", &[upstream.address]),
    ]
    .concat();
    let site = files.start(&text).await;
    site.ask("GET", "/chat", HANDSHAKE, b"").await.assert_problem(401);
    assert_eq!(upstream.connections(), 0);
    let mut client = site.client().await;
    client.send(request("GET", "/chat", &[HANDSHAKE, &[("x-api-key", "good")]].concat(), b"")).await;
    let head = client.head().await;
    assert_eq!((head.status, head.field("x-mark")), (101, Some("seen")));
    hears(&mut client, b"\x81\x02hi").await;
    client.send(b"\x81\x82abcd\x09\x0b").await;
    hears(&mut client, b"\x81\x82abcd\x09\x0b").await;
}

#[tokio::test]
async fn silence_ends_it() {
    let upstream = echo().await;
    let timeouts = format!("{}timeouts = {{ idle = \"200ms\" }}\n", cluster("up", &[upstream.address]));
    let site = Files::new().start(&[route("up", "/*", &[]), timeouts].concat()).await;
    let (mut client, _) = open(&site).await;
    hears(&mut client, b"\x81\x02hi").await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_gateway_that_stops_says_goodbye() {
    let upstream = echo().await;
    let site = site(&upstream).await;
    let (mut client, _) = open(&site).await;
    hears(&mut client, b"\x81\x02hi").await;
    let leaving = async {
        hears(&mut client, GOODBYE).await;
        // As RFC 6455, section 5.5.1 wants it; the echo hears it, and its answer comes too late.
        client.send(b"\x88\x82abcd\x62\x8b").await;
        drop(client);
    };
    let ((), ()) = tokio::join!(leaving, async { soon(site.gateway.shutdown()).await });
}

#[tokio::test]
async fn the_log_has_it_when_it_ends() {
    let upstream = echo().await;
    let files = Files::new();
    let log = files.path("access.log");
    let text = [
        &format!("[access_log]\noutput = {{ file = \"{}\" }}\n", log.display()),
        &*route("up", "/*", &[]),
        &cluster("up", &[upstream.address]),
    ]
    .concat();
    let site = files.start(&text).await;
    let (mut client, _) = open(&site).await;
    hears(&mut client, b"\x81\x02hi").await;
    drop(client);
    let line = soon(async {
        loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if text.ends_with('\n') {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(line.contains("\"status\":101") && line.contains("/chat"), "{line}");
}
