//! What requests are made of before anybody sees them: one spelling of the path, no fields that a client has no
//! right to send, and the gateway's own.

use serde_json::{Value, json};

use crate::harness::client::Client2;
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::upstream::Upstream;

async fn mirrored(top: &str) -> Site {
    let upstream = Upstream::mirror().await;
    Files::new().start(&[top, &route("up", "/*", &[]), &cluster("up", &[upstream.address])].concat()).await
}

#[tokio::test]
async fn paths_have_one_spelling() {
    let site = mirrored("").await;
    for (sent, seen) in [
        ("/a/./b/../c", "/a/c"),
        ("/a//b", "/a/b"),
        ("/%7euser/%41", "/~user/A"),
        ("/a%c3%a9", "/a%C3%A9"),
        ("/a/b/?x=/../y", "/a/b/?x=/../y"),
    ] {
        assert_eq!(site.get(sent).await.json()["target"], seen, "{sent}");
    }
    for bad in ["/a%2fb", "/a%2Fb", "/%2e%2e/x", "/a%zz", "/a%2", "/a%00b", "/a\\b%5c"] {
        site.get(bad).await.assert_problem(400);
    }
}

#[tokio::test]
async fn fields_that_belong_to_the_connection_or_the_gateway_do_not_pass() {
    let site = mirrored("[identity]\nsubject = \"x-user\"\nclaims = \"x-claims\"\n").await;
    let headers = [
        ("Connection", "keep-alive, X-Secret"),
        ("X-Secret", "1"),
        ("Keep-Alive", "timeout=5"),
        ("X-User", "root"),
        ("x_user", "root"),
        ("X-Claims", "{}"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Kept", "1"),
        ("X-Kept", "2"),
    ];
    let seen = site.ask("GET", "/", &headers, b"").await.json();
    let fields = &seen["fields"];
    for gone in ["connection", "x-secret", "keep-alive", "x-user", "x_user", "x-claims"] {
        assert_eq!(fields.get(gone), None, "{gone}");
    }
    assert_eq!(fields["x-kept"], json!(["1", "2"]));
    assert_eq!(fields["host"], json!(["test"]));
    assert_eq!(fields["x-forwarded-for"], json!(["127.0.0.1"]));
    assert_eq!(fields["x-forwarded-proto"], json!(["http"]));
    assert_eq!(fields["x-forwarded-host"], json!(["test"]));
    let forwarded = fields["forwarded"][0].as_str().unwrap();
    assert!(forwarded.contains("for=127.0.0.1") && !forwarded.contains("1.2.3.4"), "{forwarded}");
    assert!(fields["via"][0].as_str().unwrap().starts_with("1.1 "), "{fields}");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let upstream = Upstream::mirror().await;
    let files = Files::new();
    let path = files.configure(&[route("up", "/*", &[]), cluster("up", &[upstream.address])].concat());
    let text = std::fs::read_to_string(&path).unwrap();
    let site = files.start(&[route("up", "/*", &[]), cluster("up", &[upstream.address])].concat()).await;
    site.files.write("sluice.toml", &text.replace("[server]", "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]"));
    site.gateway.reload().await;
    let seen =
        site.ask("GET", "/", &[("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")], b"").await.json();
    assert_eq!(seen["fields"]["x-forwarded-for"], json!(["192.0.2.7, 127.0.0.1"]));
    assert_eq!(seen["fields"]["x-forwarded-proto"], json!(["https"]));
}

#[tokio::test]
async fn ambiguous_requests_are_refused_in_bytes() {
    let site = mirrored("").await;
    let mut taken = Vec::new();
    for bad in [
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut client = site.client().await;
        client.send(bad).await;
        let status = client.head().await.status;
        taken.extend((status != 400).then_some((bad, status)));
    }
    assert_eq!(taken, []);
    let mut client = site.client().await;
    client.send("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").await;
    client.answer("GET").await.assert_problem(501);
}

#[tokio::test]
async fn methods_and_paths_nobody_serves() {
    let text =
        "[[route]]\nname = \"read\"\nmatch = { path = \"/read\", methods = [\"GET\"] }\nrespond = { body = \"ok\" }\n";
    let site = Files::new().start(text).await;
    let wrong = site.ask("DELETE", "/read", &[], b"").await;
    wrong.assert_problem(405);
    assert_eq!(wrong.field("allow"), Some("GET, HEAD"));
    site.get("/elsewhere").await.assert_problem(404);
    let head = site.ask("HEAD", "/read", &[], b"").await;
    assert_eq!((head.status, head.field("content-length")), (200, Some("2")));
}

#[tokio::test]
async fn cookies_of_http2_become_one_field() {
    let site = mirrored("").await;
    let mut client = Client2::connect(site.address()).await;
    let request = http::Request::get("http://test/").header("cookie", "a=1").header("cookie", "b=2");
    let body = http_body_util::Full::<bytes::Bytes>::default();
    let (_, body, _) = crate::harness::client::whole(client.send(request.body(body).unwrap()).await).await;
    let seen: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(seen["fields"]["cookie"], json!(["a=1; b=2"]));
}
