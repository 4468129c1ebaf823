//! Requests that two servers might read in two ways: refused in bytes, and nothing of them reaches an upstream.

use serde_json::Value;

use crate::harness::site::noted;

const BAD: &[(&str, u16)] = &[
    // Lines and names.
    ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \x0b\r\n\r\n", 400),
    // Framing.
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\na", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\na", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    // Targets, versions, hosts.
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\r\n\r\n", 400),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
    ("\x16\x03\x01\x02\0\x01\0", 400),
];

#[tokio::test]
async fn malformed_heads_are_refused_and_the_connection_closed() {
    let (site, seen) = noted().await;
    let mut wrong = Vec::new();
    for (bad, status) in BAD {
        let mut client = site.client().await;
        // What follows isn't served, wherever it might begin.
        client.send(format!("{bad}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answer = client.answer("GET").await;
        if answer.status != *status || answer.field("connection") != Some("close") {
            wrong.push((bad, answer.status));
            continue;
        }
        answer.assert_problem(*status);
        assert_eq!(client.rest().await, b"", "{bad}");
    }
    assert_eq!(wrong, []);
    assert_eq!(*seen.lock().unwrap(), [""; 0]);
    let listed = site.admin("GET", "/api/v1/refusals").await.json();
    let refusals = listed["refusals"].as_array().unwrap();
    let reason = |reason: &str| refusals.iter().any(|refusal| refusal["reason"] == reason);
    assert_eq!(refusals.len(), BAD.len());
    assert!(reason("bad request: Content-Length beside Transfer-Encoding"), "{listed}");
    assert!(reason("bad request: a line ends without CR"), "{listed}");
}

#[tokio::test]
async fn large_heads_have_statuses_of_their_own() {
    let (site, seen) = noted().await;
    for (bad, status) in [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000)), 414),
        (format!("GET /{}", "a".repeat(9000)), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(70_000)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(70_000)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100)), 431),
    ] {
        let mut client = site.client().await;
        client.send(&bad).await;
        client.answer("GET").await.assert_problem(status);
        assert_eq!(client.rest().await, b"");
    }
    let large = format!(
        "GET /{} HTTP/1.1\r\nHost: a\r\n{}X: {}\r\n\r\n",
        "a".repeat(8000),
        "X: y\r\n".repeat(80),
        "a".repeat(20_000)
    );
    let mut client = site.client().await;
    client.send(&large).await;
    assert_eq!(client.answer("GET").await.status, 200);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn requests_before_a_bad_one_are_served_and_those_after_it_are_not() {
    let (site, seen) = noted().await;
    let mut client = site.client().await;
    client
        .send(
            "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nsum: 1\r\n\r\n\
             \r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
             HEAD /secret?token=1 HTTP/1.1\r\nHost : a\r\n\r\n\
             GET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer("POST").await.text(), "ok");
    assert_eq!(client.answer("POST").await.text(), "ok");
    let refused = client.head().await;
    assert_eq!(refused.status, 400);
    assert!(refused.field("content-length").is_some_and(|length| length != "0"), "{refused:?}");
    assert_eq!(client.rest().await, b"", "an answer to HEAD has no body, and nothing comes after it");
    assert_eq!(*seen.lock().unwrap(), ["/1", "/2"]);
    let listed = site.admin("GET", "/api/v1/refusals").await.json();
    let refusal = &listed["refusals"][0];
    assert_eq!((&refusal["method"], &refusal["path"]), (&Value::from("HEAD"), &Value::from("/secret")), "{listed}");
}

#[tokio::test]
async fn heads_that_come_byte_by_byte_are_read_the_same_way() {
    let (site, seen) = noted().await;
    for (request, status) in [
        ("GET /slow HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", 200),
        ("POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200),
        ("GET /slow HTTP/1.1\r\nHost: a\r\nX : y\r\n", 400),
    ] {
        let mut client = site.client().await;
        for byte in request.bytes() {
            client.send([byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.answer("GET").await.status, status, "{request}");
    }
    assert_eq!(*seen.lock().unwrap(), ["/slow", "/slow"]);
}

#[tokio::test]
async fn malformed_chunks_are_the_clients_fault() {
    let (site, seen) = noted().await;
    for bad in [
        "x\r\n",
        "5\r\nhelloworld\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello",
        "5\r\nhello\n0\r\n\r\n",
        "0\r\nbad name: x\r\n\r\n",
        "0\r\nx: y\n\r\n",
    ] {
        let mut client = site.client().await;
        client.send(format!("POST /{} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{bad}", "x")).await;
        let answer = client.answer("POST").await;
        assert_eq!(answer.status, 400, "{bad}");
        answer.assert_problem(400);
        assert_eq!(client.rest().await, b"", "{bad}");
    }
    assert_eq!(*seen.lock().unwrap(), [""; 0]);
    let listed = site.admin("GET", "/api/v1/clusters").await.text();
    assert!(!listed.contains("\"healthy\":false"), "{listed}");
}

#[tokio::test]
async fn a_client_that_sends_on_still_gets_its_answer() {
    let (site, _) = noted().await;
    let mut client = site.client().await;
    client.send("POST / HTTP/1.1\r\nHost : a\r\n\r\n").await;
    for _ in 0..16 {
        client.send([b'x'; 16 << 10]).await;
    }
    client.answer("POST").await.assert_problem(400);
}
