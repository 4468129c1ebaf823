//! Where requests go: weights, health, redirects, fixed answers; and the admin API, which tells of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::client::Client;
use crate::harness::site::{Files, cluster, route};
use crate::harness::until;
use crate::harness::upstream::{Upstream, answer};

#[tokio::test]
async fn endpoints_and_clusters_get_their_weight() {
    let (a, b) = (Upstream::fixed("a").await, Upstream::fixed("b").await);
    let weighted = format!("endpoints = [\"{}\", {{ address = \"{}\", weight = 3 }}]\n", a.address, b.address);
    let text = format!(
        "[[route]]\nname = \"endpoints\"\nmatch = {{ path = \"/endpoints\" }}\ncluster = \"both\"\n\
         [[route]]\nname = \"clusters\"\nmatch = {{ path = \"/clusters\" }}\n\
         clusters = [{{ name = \"a\", weight = 1 }}, {{ name = \"b\", weight = 3 }}]\n\
         [[cluster]]\nname = \"both\"\n{weighted}{}{}",
        cluster("a", &[a.address]),
        cluster("b", &[b.address]),
    );
    let site = Files::new().start(&text).await;
    for path in ["/endpoints", "/clusters"] {
        // One connection is one thread of the gateway, which counts for itself.
        let mut client = site.client().await;
        let mut of_b = 0;
        for _ in 0..400 {
            of_b += usize::from(client.ask("GET", path, &[], b"").await.text() == "b");
        }
        assert!((270..=330).contains(&of_b), "{path}: {of_b} of 400");
    }
}

#[tokio::test]
async fn endpoints_that_fail_their_health_check_get_nothing_until_they_recover() {
    let sick = Arc::new(AtomicBool::new(false));
    let is_sick = sick.clone();
    let a = Upstream::serving(move |request: http::Request<hyper::body::Incoming>| {
        let status = if request.uri().path() == "/healthz" && is_sick.load(Ordering::SeqCst) { 500 } else { 200 };
        async move { answer(status, "a") }
    })
    .await;
    let b = Upstream::fixed("b").await;
    let check =
        "health_check = { path = \"/healthz\", interval = \"100ms\", unhealthy_after = 1, healthy_after = 1 }\n";
    let text = [&route("up", "/*", &[]), &cluster("up", &[a.address, b.address]), check].concat();
    let site = Files::new().start(&text).await;
    let healthy = |site: &crate::harness::site::Site| {
        let clusters = site.gateway.snapshot().unwrap();
        clusters.clusters().iter().flat_map(|cluster| cluster.members()).filter(|one| one.endpoint.is_healthy()).count()
    };
    for (state, count) in [(true, 1), (false, 2)] {
        sick.store(state, Ordering::SeqCst);
        until(|| healthy(&site) == count).await;
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20 {
            seen.insert(site.get("/").await.text());
        }
        assert_eq!(seen.len(), count, "{seen:?}");
    }
}

#[tokio::test]
async fn redirects_and_fixed_answers() {
    let text = r#"
[[route]]
name = "moved"
match = { path = "/people/{id}" }
redirect = { status = 308, scheme = "https", host = "api.example.com", path = "/users/{id}" }
[[route]]
name = "robots"
match = { path = "/robots.txt" }
respond = { status = 203, headers = { content-type = "text/plain" }, body = "User-agent: *\n" }
"#;
    let site = Files::new().start(text).await;
    let moved = site.get("/people/a%20b?x=1").await;
    assert_eq!((moved.status, moved.field("location")), (308, Some("https://api.example.com/users/a%20b?x=1")));
    let robots = site.get("/robots.txt").await;
    assert_eq!((robots.status, robots.field("content-type")), (203, Some("text/plain")));
    assert_eq!(robots.text(), "User-agent: *\n");
}

#[tokio::test]
async fn the_admin_api_tells_and_answers_only_to_its_own_names() {
    let upstream = Upstream::fixed("hello").await;
    let check = "health_check = { protocol = \"tcp\" }\n".to_owned();
    let site = Files::new().start(&[route("up", "/*", &[]), cluster("up", &[upstream.address]), check].concat()).await;
    assert_eq!(site.get("/").await.status, 200);
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/routes", "/api/v1/plugins", "/api/v1/clusters"] {
        assert_eq!(site.admin("GET", path).await.status, 200, "{path}");
    }
    let clusters = site.admin("GET", "/api/v1/clusters").await.text();
    assert!(
        clusters.contains(&upstream.address.to_string()) && clusters.contains("\"protocol\": \"tcp\""),
        "{clusters}"
    );
    assert!(site.admin("GET", "/metrics").await.text().contains("route=\"up\""));
    let address = site.gateway.admin_address().unwrap();
    for host in ["evil.example", &format!("evil.example:{}", address.port())] {
        let refused = Client::connect(address).await.ask("GET", "/metrics", &[("Host", host)], b"").await;
        assert_eq!(refused.status, 421, "{host}");
    }
}
