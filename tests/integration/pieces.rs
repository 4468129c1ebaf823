//! Bodies that a plugin sees piece by piece, over real sockets. The guest turns letters into capitals and writes at
//! the end how many bytes there were.

use std::convert::Infallible;
use std::fs;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};

use crate::harness::client::request;
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::upstream::{Upstream, read_head, write};
use crate::harness::{components, soon};

/// What the guest imports for harm that it might do.
const GRANTS: &str = "grants = [\"kv\", { http-client = [\"up\"] }]\n";

async fn site(config: &str, upstream: &Upstream) -> Site {
    site_with("", config, upstream).await
}

async fn site_with(limits: &str, config: &str, upstream: &Upstream) -> Site {
    let files = Files::new();
    files.put_component("pieces.wasm", &fs::read(components::guest("pieces")).unwrap());
    let plugin = format!(
        "[[plugin]]\nname = \"pieces\"\ncomponent = \"pieces.wasm\"\n{GRANTS}config = {{ {config} }}\n{limits}"
    );
    let text = [plugin.as_str(), &route("up", "/*", &["pieces"]), &cluster("up", &[upstream.address])].concat();
    files.start(&text).await
}

#[tokio::test]
async fn both_bodies_are_changed_on_their_way_in_one_instance() {
    let upstream = Upstream::mirror().await;
    let site = site("", &upstream).await;
    let mut client = site.client().await;
    for body in ["hello", "hello, world"] {
        let answer =
            client.ask("POST", "/x", &[("accept-encoding", "br"), ("range", "bytes=0-1")], body.as_bytes()).await;
        let (text, sent) = (answer.text(), body.to_uppercase());
        assert!(text.contains(&format!("\"BODY\":\"{sent}[{}]\"", body.len())), "{text}");
        assert!(text.contains("\"ACCEPT-ENCODING\":[\"IDENTITY\"]"), "{text}");
        assert!(text.contains("\"TRANSFER-ENCODING\":[\"CHUNKED\"]"), "{text}");
        assert!(!text.contains("CONTENT-LENGTH") && !text.contains("RANGE"), "{text}");
        let (whole, length) = text.strip_suffix(']').and_then(|text| text.rsplit_once('[')).expect("a count");
        assert_eq!(length, whole.len().to_string());
        assert_eq!(answer.field("content-length"), None);
        assert_eq!(answer.field("x-sent"), Some(body.len().to_string().as_str()), "all hooks meet one instance");
    }
}

#[tokio::test]
async fn trailers_pass_and_heads_without_bodies_are_left_alone() {
    let upstream = Upstream::mirror().await;
    let site = site("", &upstream).await;
    let mut client = site.client().await;
    client
        .send(
            "POST /x HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\nTE: trailers\r\n\r\n\
             3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 7\r\n\r\n",
        )
        .await;
    let text = client.answer("POST").await.text();
    assert!(text.contains("\"BODY\":\"ABCDE[5]\"") && text.contains("\"X-SUM\":[\"7\"]"), "{text}");
    let head = client.ask("HEAD", "/x", &[], b"").await;
    assert_eq!((head.status, head.field("content-length")), (200, None), "nobody knows how long it would be");
}

#[tokio::test]
async fn a_failure_on_the_way_is_answered_or_breaks_off_but_never_ends_well() {
    let upstream = Upstream::mirror().await;
    let failing = site("request_fails_at = 4", &upstream).await;
    failing.ask("POST", "/x", &[], b"four").await.assert_problem(503);
    assert_eq!(failing.ask("POST", "/x", &[], b"two").await.status, 200, "the next one meets another instance");

    let upstream = Upstream::raw(|_, mut stream| async move {
        while read_head(&mut stream).await.is_some() {
            write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
            // The client says when it has the first piece.
            if read_head(&mut stream).await.is_some() {
                write(&mut stream, "3\r\ntwo\r\n0\r\n\r\n").await;
            }
        }
    })
    .await;
    let failing = site("response_fails_at = 6", &upstream).await;
    let mut client = failing.client().await;
    client.send("POST /x HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    assert_eq!(client.chunk().await.as_deref(), Some(&b"ONE"[..]), "pieces don't wait for each other");
    client.send("4\r\n\r\n\r\n\r\n0\r\n\r\n").await;
    let rest = client.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn harm_on_the_way_costs_its_own_exchange_only() {
    const SIZE: usize = 300;
    let upstream = Upstream::mirror().await;
    // More than `limits.body` allows in a piece's place, and all that ends a call.
    let misdeeds =
        ["\"loop\"", "\"recurse\"", "\"hoard\"", "\"trap\"", "\"fail\"", "\"garble\"", "{ respond-big = 70_000 }"];
    for misdeed in misdeeds {
        let limits = "limits = { memory = \"4MiB\", time = \"20ms\", body = \"64KiB\" }\n";
        let harm = |side: &str| format!("{side}_fails_at = {SIZE}, misdeed = {misdeed}");
        let failing = site_with(limits, &harm("request"), &upstream).await;
        failing.ask("POST", "/x", &[], &[b'a'; SIZE]).await.assert_problem(503);
        assert_eq!(failing.ask("POST", "/x", &[], b"a").await.status, 200, "{misdeed}: the next one meets another");

        let failing = site_with(limits, &harm("response"), &upstream).await;
        let mut client = failing.client().await;
        client.send(request("POST", "/x", &[], &[b'a'; SIZE])).await;
        assert_eq!(client.head().await.status, 200);
        let rest = client.rest().await;
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{misdeed}: {:?}", String::from_utf8_lossy(&rest));
        let answer = failing.ask("HEAD", "/x", &[], b"").await;
        assert_eq!(answer.status, 200, "{misdeed}: the next one meets another");
    }
}

/// Sends back what it gets while it gets it.
struct Echo(Incoming);

impl Body for Echo {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx).map(|frame| Some(Ok(frame?.ok()?)))
    }
}

#[tokio::test]
async fn long_bodies_pass_both_ways_at_the_same_time() {
    const PIECES: usize = 512;
    const PIECE: usize = 32 << 10;
    let upstream = Upstream::serving(|request| async move { Response::new(Echo(request.into_body()).boxed()) }).await;
    let site = site("", &upstream).await;
    let mut client = site.client().await;
    client.send("POST /x HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let piece = [format!("{PIECE:x}\r\n").as_bytes(), &[b'x'; PIECE], b"\r\n"].concat();
    client.send(&piece).await;
    assert_eq!(client.head().await.status, 200);
    let mut got = 0;
    for sent in 1..=PIECES {
        while got < sent * PIECE {
            let chunk = soon(client.chunk()).await.expect("more");
            assert!(chunk.iter().all(|byte| *byte == b'X'));
            got += chunk.len();
        }
        if sent < PIECES {
            client.send(&piece).await;
        }
    }
    client.send("0\r\n\r\n").await;
    let mut end = Vec::new();
    while let Some(chunk) = client.chunk().await {
        end.extend(chunk);
    }
    let total = PIECES * PIECE;
    let inner = format!("[{total}]");
    assert_eq!(String::from_utf8(end).unwrap(), format!("{inner}[{}]", total + inner.len()));
}
