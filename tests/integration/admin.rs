//! The admin API: what it tells as it happens, and what it changes.

use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::site::{Files, Site, TOKEN, cluster, replace, route};
use crate::harness::soon;
use crate::harness::upstream::Upstream;

/// The data of the next event of that name. Each comes as a chunk of its own.
async fn event(client: &mut Client, wanted: &str) -> Value {
    loop {
        let event = String::from_utf8(client.chunk().await.expect("the stream goes on")).unwrap();
        let (name, data) = event.strip_suffix("\n\n").and_then(|event| event.split_once('\n')).expect("one event");
        if name.strip_prefix("event: ") == Some(wanted) {
            return serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        }
    }
}

/// A stream of events, with its head read.
async fn listen(site: &Site) -> Client {
    let address = site.gateway.admin_address().unwrap();
    let mut client = Client::connect(address).await;
    let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    client.send(head).await;
    let head = client.head().await;
    assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
    client
}

async fn put(site: &Site, path: &str, body: &Value, more: &[(&str, &str)]) -> (u16, Value) {
    let address = site.gateway.admin_address().unwrap();
    let host = address.to_string();
    let token = format!("Bearer {TOKEN}");
    let mut headers = vec![("host", &*host), ("authorization", &token), ("content-type", "application/json")];
    headers.extend_from_slice(more);
    let answer = Client::connect(address).await.ask("PUT", path, &headers, body.to_string().as_bytes()).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test]
async fn events_tell_what_metrics_tell_as_it_happens() {
    let upstream = Upstream::fixed("hello").await;
    let site = Files::new().start(&[route("up", "/up", &[]), cluster("up", &[upstream.address])].concat()).await;
    for _ in 0..3 {
        assert_eq!(site.get("/up").await.status, 200);
    }
    assert_eq!(site.get("/elsewhere").await.status, 404);
    let mut stream = listen(&site).await;
    assert!(event(&mut stream, "history").await["bounds"].as_array().unwrap().len() > 10);
    let config = event(&mut stream, "config").await;
    assert_eq!((&config["routes"][0]["name"], &config["clusters"][0]["name"]), (&json!("up"), &json!("up")));
    let numbers = event(&mut stream, "numbers").await;
    assert_eq!(numbers["routes"]["up"]["classes"], json!([0, 0, 3, 0, 0, 0]));
    assert_eq!(numbers["total"]["classes"], json!([0, 0, 3, 0, 1, 0]));
    assert_eq!(numbers["tries"]["up"]["ok"]["count"], 3);
    let users = "http_route=\"up\",http_request_method=\"GET\",url_scheme=\"http\",http_response_status_code=\"200\"";
    assert_eq!(site.metric(&format!("http_server_request_duration_seconds_count{{{users}}}")).await, 3.0);
    assert_eq!(event(&mut stream, "refusals").await["refusals"][0]["path"], "/elsewhere");

    // A change is told with what it is.
    let more = [route("up", "/up", &[]), route("more", "/more", &[]), cluster("up", &[upstream.address])].concat();
    site.files.configure(&more.replace("cluster = \"more\"", "cluster = \"up\""));
    site.gateway.reload().await;
    let config = event(&mut stream, "config").await;
    assert_eq!(config["routes"].as_array().unwrap().len(), 2);
    let reload = &event(&mut stream, "reloads").await["reloads"][0];
    assert_eq!((&reload["outcome"], &reload["changes"]), (&json!("published"), &json!(["route added: more"])));
}

#[tokio::test]
async fn who_reads_events_has_to_ask_again_when_the_token_is_another() {
    let site = Files::new().start("[[route]]\nname = \"r\"\nrespond = { status = 200 }\n").await;
    let mut stream = listen(&site).await;
    event(&mut stream, "numbers").await;
    let path = site.files.path("sluice.toml");
    let changed = std::fs::read_to_string(&path).unwrap().replace(TOKEN, "another");
    replace(&path, changed.as_bytes());
    site.gateway.reload().await;
    soon(async { while stream.chunk().await.is_some() {} }).await;
    assert_eq!(site.admin("GET", "/api/v1/events").await.status, 401);
}

#[tokio::test]
async fn an_endpoint_that_was_taken_out_gets_nothing_until_it_is_put_back() {
    let (first, second) = (Upstream::fixed("first").await, Upstream::fixed("second").await);
    let endpoints = [first.address, second.address];
    let site = Files::new().start(&[route("up", "/*", &[]), cluster("up", &endpoints)].concat()).await;
    let address = second.address.to_string();
    let change = |state: &str| json!({ "cluster": "up", "endpoint": address, "state": state });
    let seen = async || {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..16 {
            seen.insert(site.get("/").await.text());
        }
        seen.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(seen().await, ["first", "second"]);
    assert_eq!(put(&site, "/api/v1/endpoints", &change("drain"), &[]).await.0, 200);
    assert_eq!(seen().await, ["first"]);
    // A reload doesn't put it back.
    let more = [route("up", "/*", &[]), route("down", "/down", &[]), cluster("up", &endpoints)].concat();
    site.files.configure(&more.replace("cluster = \"down\"", "cluster = \"up\""));
    site.gateway.reload().await;
    assert_eq!(seen().await, ["first"]);
    let series = format!("sluice_endpoint_drained{{cluster=\"up\",endpoint=\"{address}\"}}");
    assert_eq!(site.metric(&series).await, 1.0);
    assert_eq!(put(&site, "/api/v1/endpoints", &change("ready"), &[]).await.0, 200);
    assert_eq!(seen().await, ["first", "second"]);
}

#[tokio::test]
async fn a_cluster_without_endpoints_answers_503() {
    let upstream = Upstream::fixed("hello").await;
    let site = Files::new().start(&[route("up", "/*", &[]), cluster("up", &[upstream.address])].concat()).await;
    let body = json!({ "cluster": "up", "endpoint": upstream.address.to_string(), "state": "drain" });
    assert_eq!(put(&site, "/api/v1/endpoints", &body, &[]).await.0, 200);
    assert_eq!(site.get("/").await.status, 503);
}

#[tokio::test]
async fn changes_are_refused_with_a_reason_and_never_to_other_pages() {
    let site =
        Files::new().start(&[route("up", "/*", &[]), cluster("up", &[([127, 0, 0, 1], 9).into()])].concat()).await;
    let good = json!({ "cluster": "up", "endpoint": "127.0.0.1:9", "state": "drain" });
    for (body, status, reason) in [
        (json!([]), 400, "JSON object"),
        (json!({ "cluster": "up" }), 400, "`endpoint`"),
        (json!({ "cluster": "up", "endpoint": "127.0.0.1:9", "state": "off" }), 400, "\"drain\" or \"ready\""),
        (json!({ "cluster": "down", "endpoint": "127.0.0.1:9", "state": "drain" }), 404, "no cluster"),
        (json!({ "cluster": "up", "endpoint": "127.0.0.1:8", "state": "drain" }), 404, "no endpoint"),
    ] {
        let (got, answer) = put(&site, "/api/v1/endpoints", &body, &[]).await;
        assert!(got == status && answer["detail"].as_str().unwrap().contains(reason), "{body}: {got} {answer}");
    }
    for other in [&[("origin", "http://localhost:1")][..], &[("sec-fetch-site", "cross-site")]] {
        assert_eq!(put(&site, "/api/v1/endpoints", &good, other).await.0, 403, "{other:?}");
    }
    let plain = site.admin("PUT", "/api/v1/endpoints").await;
    assert_eq!(plain.status, 415, "{}", plain.text());
    // This process has a log of its own.
    assert_eq!(put(&site, "/api/v1/log", &json!({ "filter": "debug" }), &[]).await.0, 404);
}

#[tokio::test]
async fn the_page_is_for_browsers_and_asks_nobody_else() {
    let site =
        Files::new().start(&[route("up", "/*", &[]), cluster("up", &[([127, 0, 0, 1], 9).into()])].concat()).await;
    assert!(site.admin("GET", "/").await.text().contains("/api/v1/events"));
    let address = site.gateway.admin_address().unwrap();
    let host = address.to_string();
    let headers = [("host", host.as_str()), ("accept", "text/html,*/*;q=0.8")];
    let page = Client::connect(address).await.ask("GET", "/", &headers, b"").await;
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    let text = page.text();
    let mut files = 0;
    for link in text.split("=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(!link.contains("//"), "the page asks {link}");
        if link.starts_with("dashboard/") {
            files += 1;
            assert_eq!(site.admin("GET", &format!("/{link}")).await.status, 200, "{link}");
        }
    }
    assert!(files >= 6 && !text.contains("<style") && !text.contains("onclick"), "{text}");
    assert_eq!(site.admin("GET", "/dashboard/../metrics").await.status, 404);
}
