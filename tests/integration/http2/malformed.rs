//! Frames and requests that aren't as they have to be (RFC 9113).

use super::{Fate, judge};
use crate::harness::raw2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PUSH_PROMISE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, block, frame, get, literal, request,
};
use crate::harness::site::noted;

const PROTOCOL: Fate = Fate::Ends(&[1]);
/// The parser tells some of these as malformed frames.
const FLOW: Fate = Fate::Ends(&[3, 1]);
const SIZE: Fate = Fate::Ends(&[6]);
const COMPRESSION: Fate = Fate::Ends(&[9, 1]);
/// Either is right, or RFC 9113 says one thing in one place and another in the next.
const CLOSED: Fate = Fate::Ends(&[1, 5]);

fn open(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &get("/a"))
}

/// Frames that end the connection, or don't.
fn frames() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let good = || request(1, &get("/good"));
    let setting = |id: u16, value: u32| frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    vec![
        ("DATA of no stream", frame(DATA, 0, 0, b"x"), PROTOCOL),
        ("DATA of a stream that wasn't begun", frame(DATA, 0, 1, b"x"), PROTOCOL),
        ("DATA with more padding than there is", [open(1), frame(DATA, PADDED, 1, b"\x09xx")].concat(), PROTOCOL),
        ("HEADERS of no stream", request(0, &get("/a")), PROTOCOL),
        ("HEADERS of an even stream", request(2, &get("/a")), PROTOCOL),
        ("HEADERS of an older stream", [request(5, &get("/good")), request(3, &get("/a"))].concat(), CLOSED),
        ("HEADERS with more padding than there is", frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09xx"), PROTOCOL),
        ("a second HEADERS without the end", [open(1), open(1)].concat(), Fate::Refused),
        ("PRIORITY of no stream", frame(PRIORITY, 0, 0, &[0; 5]), PROTOCOL),
        ("RST_STREAM of no stream", frame(RST_STREAM, 0, 0, &[0; 4]), PROTOCOL),
        ("RST_STREAM of a stream that wasn't begun", frame(RST_STREAM, 0, 1, &[0; 4]), PROTOCOL),
        ("RST_STREAM that is short", [open(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat(), SIZE),
        ("SETTINGS of a stream", frame(SETTINGS, 0, 1, &[]), PROTOCOL),
        ("SETTINGS of an odd length", frame(SETTINGS, 0, 0, &[0; 5]), SIZE),
        ("SETTINGS that acknowledge something", frame(SETTINGS, 1, 0, &[0; 6]), SIZE),
        ("a window of 2^31", setting(4, 1 << 31), FLOW),
        ("frames of 100 bytes", setting(5, 100), PROTOCOL),
        ("frames of 2^24 bytes", setting(5, 1 << 24), PROTOCOL),
        ("push that is neither on nor off", setting(2, 2), PROTOCOL),
        ("an unknown setting", [setting(0xf000, 1), good()].concat(), Fate::Served),
        ("PUSH_PROMISE from a client", frame(PUSH_PROMISE, END_HEADERS, 1, &[0; 5]), PROTOCOL),
        ("PING of a stream", frame(PING, 0, 1, &[0; 8]), PROTOCOL),
        ("PING that is short", frame(PING, 0, 0, &[0; 7]), SIZE),
        ("GOAWAY of a stream", frame(GOAWAY, 0, 1, &[0; 8]), PROTOCOL),
        ("an update of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), PROTOCOL),
        ("an update of too much", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]), FLOW),
        ("an update that is short", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), SIZE),
        ("an update of a stream that wasn't begun", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), PROTOCOL),
        ("an update of nothing for a stream", [open(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(), PROTOCOL),
        (
            "an update of too much for a stream",
            [open(1), frame(WINDOW_UPDATE, 0, 1, &[0x7f, 255, 255, 255])].concat(),
            Fate::Refused,
        ),
        ("CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, &get("/a")), PROTOCOL),
        (
            "CONTINUATION of another stream",
            [frame(HEADERS, 0, 1, &[]), frame(CONTINUATION, END_HEADERS, 3, &get("/a"))].concat(),
            PROTOCOL,
        ),
        ("PING within a block", [frame(HEADERS, 0, 1, &get("/a")), frame(PING, 0, 0, &[0; 8])].concat(), PROTOCOL),
        ("a frame that is too large", frame(DATA, 0, 1, &[0; 16385]), SIZE),
        ("an unknown frame", [frame(0xbe, 0xff, 1, b"x"), good()].concat(), Fate::Served),
        ("an index that nobody has", request(1, &[0xff, 0x00]), COMPRESSION),
        ("an index of zero", request(1, &[0x80]), COMPRESSION),
        (
            "an index without an end",
            request(1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            COMPRESSION,
        ),
        ("a table that is too large", request(1, &[0x3f, 0xe1, 0xff, 0x03]), COMPRESSION),
        ("a Huffman code that ends too soon", request(1, &[0x00, 0x81, 0xff, 0x81, 0xff]), COMPRESSION),
        ("a string that is longer than its block", request(1, &[0x00, 0x7e, b'x']), COMPRESSION),
    ]
}

/// Requests that mustn't reach anybody.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let with = |fields: &[(&str, &str)]| request(1, &[get("/bad"), block(fields)].concat());
    let whole = |fields: &[(&str, &str)]| request(1, &block(fields));
    let path = |path: &str| request(1, &get(path));
    let (method, scheme, authority) = ((":method", "GET"), (":scheme", "http"), (":authority", "a"));
    let post = |length: &str, body: &[u8]| {
        let head =
            [block(&[(":method", "POST"), scheme, authority, (":path", "/bad")]), block(&[("content-length", length)])];
        [frame(HEADERS, END_HEADERS, 1, &head.concat()), frame(DATA, END_STREAM, 1, body)].concat()
    };
    vec![
        ("no fields", request(1, &[])),
        ("no method", whole(&[scheme, authority, (":path", "/bad")])),
        ("no scheme", whole(&[method, authority, (":path", "/bad")])),
        ("no path", whole(&[method, scheme, authority])),
        ("no authority", whole(&[method, scheme, (":path", "/bad")])),
        ("two methods", whole(&[method, method, scheme, authority, (":path", "/bad")])),
        ("two paths", whole(&[method, scheme, authority, (":path", "/a"), (":path", "/bad")])),
        ("two authorities", whole(&[method, scheme, authority, authority, (":path", "/bad")])),
        ("two schemes", whole(&[method, scheme, scheme, authority, (":path", "/bad")])),
        ("an unknown pseudo-field", whole(&[method, scheme, authority, (":path", "/bad"), (":x", "y")])),
        ("a status", whole(&[method, scheme, authority, (":path", "/bad"), (":status", "200")])),
        (
            "a protocol without CONNECT",
            whole(&[method, scheme, authority, (":path", "/bad"), (":protocol", "websocket")]),
        ),
        ("a pseudo-field behind a field", whole(&[method, scheme, ("x", "y"), authority, (":path", "/bad")])),
        ("an empty path", path("")),
        ("a relative path", path("bad")),
        ("an absolute target", path("http://a/bad")),
        ("an asterisk", path("*")),
        ("a blank in the path", path("/b ad")),
        ("a path of two lines", path("/bad HTTP/1.1\r\nx: y")),
        ("a NUL in the path", path("/bad\0")),
        ("an encoded slash", path("/bad%2f")),
        ("a path above its root", path("/../bad")),
        ("an empty authority", whole(&[method, scheme, (":authority", ""), (":path", "/bad")])),
        ("user information", whole(&[method, scheme, (":authority", "u@a"), (":path", "/bad")])),
        ("a path in the authority", whole(&[method, scheme, (":authority", "a/b"), (":path", "/bad")])),
        ("another scheme", whole(&[method, (":scheme", "ftp"), authority, (":path", "/bad")])),
        ("a method with a blank", whole(&[(":method", "GET /x"), scheme, authority, (":path", "/bad")])),
        ("an empty method", whole(&[(":method", ""), scheme, authority, (":path", "/bad")])),
        ("another Host", with(&[("host", "b")])),
        ("two Hosts", with(&[("host", "a"), ("host", "a")])),
        ("upper case", with(&[("X-Up", "y")])),
        ("a blank in a name", with(&[("x y", "z")])),
        ("a colon in a name", with(&[("x:y", "z")])),
        ("a name of nothing", with(&[("", "z")])),
        ("a NUL in a value", with(&[("x", "\0")])),
        ("a line end in a value", with(&[("x", "y\r\nz: 1")])),
        ("a bare LF in a value", with(&[("x", "y\nz: 1")])),
        ("Connection", with(&[("connection", "x-forwarded-for")])),
        ("Keep-Alive", with(&[("keep-alive", "timeout=5")])),
        ("Proxy-Connection", with(&[("proxy-connection", "keep-alive")])),
        ("Transfer-Encoding", with(&[("transfer-encoding", "chunked")])),
        ("Upgrade", with(&[("upgrade", "websocket")])),
        ("TE that isn't trailers", with(&[("te", "gzip")])),
        ("a length without a body", with(&[("content-length", "5")])),
        ("a length of no number", with(&[("content-length", "+0")])),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "1")])),
        ("a body that is too long", post("3", b"hello")),
        ("a body that is too short", post("9", b"hello")),
        ("a name beyond ASCII", request(1, &[get("/bad"), literal(b"x\xe9", b"y")].concat())),
        ("CONNECT", whole(&[(":method", "CONNECT"), (":authority", "a:80")])),
        ("CONNECT with a path", whole(&[(":method", "CONNECT"), scheme, authority, (":path", "/bad")])),
        ("many fields", with(&[("x", "y"); 200])),
        ("a long path", path(&format!("/bad{}", "a".repeat(9000)))),
        ("large fields", {
            let large = literal(b"x", &[b'y'; 16_000]);
            let more = frame(CONTINUATION, 0, 1, &large).repeat(4);
            [frame(HEADERS, END_STREAM, 1, &get("/bad")), more, frame(CONTINUATION, END_HEADERS, 1, &large)].concat()
        }),
    ]
}

/// Those that the parser takes for errors in the coding of fields: they end the connection, as any error of a stream may
/// (RFC 9113, section 5.4).
const ENDING: &[&str] = &[
    "an unknown pseudo-field",
    "a method with a blank",
    "an empty method",
    "upper case",
    "a blank in a name",
    "a colon in a name",
    "a name of nothing",
    "a NUL in a value",
    "a line end in a value",
    "a bare LF in a value",
    "a name beyond ASCII",
];

#[tokio::test]
async fn malformed_frames_end_the_connection_and_no_others_do() {
    let (site, _) = noted().await;
    let mut wrong = Vec::new();
    for (name, bytes, fate) in frames() {
        if let Err(error) = judge(&site, bytes, fate).await {
            wrong.push(format!("{name}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let series = "sluice_connections_cut_total{listener=\"public\",reason=\"http2-malformed\"}";
    assert!(site.metric(series).await > 20.0);
}

#[tokio::test]
async fn malformed_requests_reach_nobody() {
    let (site, seen) = noted().await;
    let mut wrong = Vec::new();
    for (name, bytes) in requests() {
        let fate = if ENDING.contains(&name) { PROTOCOL } else { Fate::Refused };
        if let Err(error) = judge(&site, bytes, fate).await {
            wrong.push(format!("{name}: {error}"));
        }
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        if seen.iter().any(|target| target != "/last") {
            wrong.push(format!("{name}: the upstream saw {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn malformed_trailers_are_not_passed_on() {
    let (site, seen) = noted().await;
    for trailers in [block(&[("X-Up", "y")]), block(&[("x", "y\r\nz: 1")]), block(&[("x y", "z")])] {
        let head = block(&[(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/bad")]);
        let bytes = [
            frame(HEADERS, END_HEADERS, 1, &head),
            frame(DATA, 0, 1, b"hello"),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers),
        ];
        judge(&site, bytes.concat(), PROTOCOL).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [""; 0]);
    }
}
