//! What `[http]` bounds and allows, for clients of both versions, and that a change is taken up.

use crate::harness::client::{Client2, request};
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::upstream::Upstream;

async fn site(http: &str) -> Site {
    let upstream = Upstream::mirror().await;
    let text = format!("[http]\n{http}\n{}{}", route("up", "/*", &[]), cluster("up", &[upstream.address]));
    Files::new().start(&text).await
}

#[tokio::test]
async fn encoded_slashes_are_refused_kept_or_decoded() {
    for (setting, path, seen) in [
        ("", "/a%2fb", None),
        ("encoded_slashes = \"keep\"", "/a%2fb/c%2Fd", Some("/a%2Fb/c%2Fd")),
        ("encoded_slashes = \"keep\"", "/a/..%2fb", None),
        ("encoded_slashes = \"keep\"", "/a%5cb", None),
        ("encoded_slashes = \"decode\"", "/a%2f..%2Fb", Some("/b")),
    ] {
        let site = site(setting).await;
        let answer = site.get(path).await;
        match seen {
            Some(seen) => assert_eq!(answer.json()["target"], seen, "{setting}"),
            None => answer.assert_problem(400),
        }
    }
}

#[tokio::test]
async fn fields_with_underscores_are_dropped_or_kept_but_never_those_of_the_gateway() {
    let fields = [("x_mine", "1"), ("x_forwarded_for", "192.0.2.1"), ("x_user", "root"), ("x-user", "root")];
    for (setting, is_kept) in [("", false), ("underscores = \"keep\"", true)] {
        let site = site(&format!("{setting}\n[identity]\nsubject = \"x-user\"\n")).await;
        let seen = site.ask("GET", "/", &fields, b"").await.json();
        let seen = &seen["fields"];
        assert_eq!(seen.get("x_mine").is_some(), is_kept, "{seen}");
        for name in ["x_forwarded_for", "x_user", "x-user"] {
            assert!(seen.get(name).is_none(), "{seen}");
        }
    }
}

#[tokio::test]
async fn heads_and_bodies_are_as_large_as_it_says() {
    let site = site("max_target = \"1KiB\"\nmax_fields = 10\nmax_head = \"2KiB\"\nmax_body = \"1KiB\"\n").await;
    let long = format!("/{}", "a".repeat(1100));
    site.get(&long).await.assert_problem(414);
    let many = [("x", "y"); 11];
    site.ask("GET", "/", &many, b"").await.assert_problem(431);
    let large = "a".repeat(2100);
    site.ask("GET", "/", &[("x", &large)], b"").await.assert_problem(431);
    site.ask("POST", "/", &[], &[b'a'; 1025]).await.assert_problem(413);
    assert_eq!(site.ask("POST", "/", &[], &[b'a'; 1024]).await.status, 200);
    let chunked = [("transfer-encoding", "chunked")];
    let body = [b"400\r\n", &[b'a'; 1024][..], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(site.ask("POST", "/", &chunked, &body).await.status, 200);
    let body = [b"401\r\n", &[b'a'; 1025][..], b"\r\n0\r\n\r\n"].concat();
    site.ask("POST", "/", &chunked, &body).await.assert_problem(413);
    let mut client = Client2::connect(site.address()).await;
    assert_eq!(client.get(&long).await.0.status, 414);
    assert_eq!(client.get("/").await.0.status, 200);
}

#[tokio::test]
async fn a_change_is_for_new_connections_and_new_requests() {
    let upstream = Upstream::mirror().await;
    let text = |http: &str| format!("[http]\n{http}\n{}{}", route("up", "/*", &[]), cluster("up", &[upstream.address]));
    let site = Files::new().start(&text("max_fields = 10")).await;
    let mut before = site.client().await;
    assert_eq!(before.ask("GET", "/", &[], b"").await.status, 200);
    site.files.configure(&text("max_fields = 5\nencoded_slashes = \"keep\""));
    let fields = [("x", "y"); 7];
    while site.ask("GET", "/", &fields, b"").await.status != 431 {
        tokio::task::yield_now().await;
    }
    before.send(request("GET", "/a%2Fb", &fields, b"")).await;
    assert_eq!(before.answer("GET").await.status, 200);
}
