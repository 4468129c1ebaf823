//! Each standard plugin on a real route.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;

use crate::harness::site::{Files, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::{Upstream, answer};

#[tokio::test]
async fn api_key_lets_in_whom_it_knows_and_tells_the_upstream_who_it_is() {
    let upstream = Upstream::mirror().await;
    let keys = "[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nconfig = { keys = { \"open-sesame\" = \"alice\" } }\n";
    let text = [
        "[identity]\nsubject = \"x-user\"\n",
        keys,
        &route("up", "/*", &["keys"]),
        &cluster("up", &[upstream.address]),
    ];
    let site = Files::with_plugins(&["api-key"]).start(&text.concat()).await;

    let seen = site
        .ask("GET", "/me", &[("x-api-key", "open-sesame"), ("x-user", "root"), ("X_User", "root")], b"")
        .await
        .json();
    assert_eq!(seen["fields"]["x-user"], json!(["alice"]), "{seen}");
    assert_eq!(seen["fields"].get("x_user"), None, "{seen}");
    assert_eq!(seen["fields"].get("x-api-key"), None, "{seen}");

    let denied = site.ask("GET", "/me", &[("x-api-key", "guess")], b"").await;
    assert_eq!(denied.status, 401);
    assert_eq!(denied.field("www-authenticate"), Some("ApiKey header=\"x-api-key\""));
    let nobody = site.get("/me").await;
    nobody.assert_problem(401);
    assert!(nobody.field("www-authenticate").is_some());
    assert_eq!(upstream.connections(), 1, "strangers don't reach the upstream");
}

#[tokio::test]
async fn rate_limit_says_how_much_is_left_and_when_to_come_back() {
    let upstream = Upstream::fixed("hello").await;
    let limit = "[[plugin]]\nname = \"limit\"\ncomponent = \"rate-limit.wasm\"\ngrants = [\"limiter\"]\n\
                 config = { policy = \"per-team\", key = \"header:x-team\", rate = 3, per = \"1h\" }\n";
    let text = [limit, &route("up", "/*", &["limit"]), &cluster("up", &[upstream.address])].concat();
    let site = Files::with_plugins(&["rate-limit"]).start(&text).await;
    for left in [2, 1, 0] {
        let admitted = site.ask("GET", "/", &[("x-team", "red")], b"").await;
        assert_eq!((admitted.status, admitted.text().as_str()), (200, "hello"));
        let state = admitted.field("ratelimit").unwrap_or_else(|| panic!("no RateLimit: {admitted:?}"));
        assert!(state.starts_with(&format!("\"per-team\";r={left};t=")), "{state}");
        assert_eq!(admitted.field("ratelimit-policy"), Some("\"per-team\";q=3;w=3600"));
        assert_eq!(admitted.field("retry-after"), None);
    }
    let rejected = site.ask("GET", "/", &[("x-team", "red")], b"").await;
    rejected.assert_problem(429);
    assert!(rejected.field("ratelimit").is_some_and(|state| state.starts_with("\"per-team\";r=0;t=")), "{rejected:?}");
    let wait: u64 = rejected.field("retry-after").expect("when to come back").parse().expect("seconds");
    // One of three in an hour is back after twenty minutes; the tests themselves take a part of them.
    assert!((1..=1200).contains(&wait), "{wait}");
    assert_eq!(site.ask("GET", "/", &[("x-team", "blue")], b"").await.status, 200, "others have their own");
}

const TRANSFORM: &str = r#"
[[plugin]]
name = "edit"
component = "transform.wasm"
[plugin.config.request]
path = "/v2/people/{id}?lang={query:language}"
headers.rename = { "x-old-token" = "x-token" }
headers.remove = ["x-debug"]
headers.set = { "x-client" = "{client_address}" }
headers.append = { "x-tag" = "two" }
json = [{ set = "/meta/version", value = 1 }, { move = "/fullname", to = "/name" }, { remove = "/password" }]
[plugin.config.response]
status = { "404" = 410 }
headers.remove = ["x-powered-by"]
headers.set = { "x-served" = "for {id}" }
json = [{ remove = "/internal" }]
"#;

#[tokio::test]
async fn transform_rewrites_requests() {
    let upstream = Upstream::mirror().await;
    let text = [TRANSFORM, &route("up", "/people/{id}", &["edit"]), &cluster("up", &[upstream.address])].concat();
    let site = Files::with_plugins(&["transform"]).start(&text).await;
    let headers = [("content-type", "application/json"), ("x-old-token", "t"), ("x-debug", "1"), ("x-tag", "one")];
    let body = br#"{"fullname":"Ada","password":"p","balance":12.30}"#;
    let answer = site.ask("POST", "/people/a%20b?language=en%2Fgb&x=1", &headers, body).await;
    assert_eq!(answer.field("x-served"), Some("for a b"));
    let seen = answer.json();
    assert_eq!(seen["target"], "/v2/people/a%20b?lang=en%2Fgb");
    assert_eq!(seen["fields"]["x-token"], json!(["t"]));
    assert_eq!(seen["fields"]["x-client"], json!(["127.0.0.1"]));
    assert_eq!(seen["fields"]["x-tag"], json!(["one", "two"]));
    assert!(seen["fields"].get("x-debug").or(seen["fields"].get("x-old-token")).is_none(), "{seen}");
    let sent = seen["body"].as_str().unwrap();
    assert_eq!(sent, r#"{"balance":12.30,"meta":{"version":1},"name":"Ada"}"#);
    assert_eq!(seen["fields"]["content-length"], json!([sent.len().to_string()]));
}

#[tokio::test]
async fn transform_rewrites_answers() {
    let upstream = Upstream::serving(|_| async {
        let mut gone = answer(404, r#"{"error":"gone","internal":"db7"}"#);
        gone.headers_mut().insert("content-type", "application/json".parse().unwrap());
        gone.headers_mut().insert("x-powered-by", "secrets".parse().unwrap());
        gone
    })
    .await;
    let text = [TRANSFORM, &route("up", "/people/{id}", &["edit"]), &cluster("up", &[upstream.address])].concat();
    let site = Files::with_plugins(&["transform"]).start(&text).await;
    let answer = site.get("/people/7").await;
    assert_eq!((answer.status, answer.text().as_str()), (410, r#"{"error":"gone"}"#));
    assert_eq!(answer.field("x-powered-by"), None);
    // A path that would lead elsewhere is refused before anybody is asked.
    assert_eq!(site.get("/people/..%2fadmin").await.status, 400);
}

const AGGREGATE: &str = r#"
[[plugin]]
name = "overview"
component = "aggregate.wasm"
grants = [{ http-client = ["accounts", "history", "rates"] }]
[plugin.config.branches.accounts]
cluster = "accounts"
path = "/customers/{id}/accounts"
[plugin.config.branches.history]
cluster = "history"
path = "/history?limit={query:limit}"
default = []
[plugin.config.branches.rates]
cluster = "rates"
path = "/rates/EUR"
timeout = "200ms"
required = false
[[route]]
name = "overview"
match = { path = "/overview/{id}" }
plugins = ["overview"]
"#;

#[tokio::test]
async fn aggregate_merges_what_comes_and_marks_what_does_not() {
    let accounts = Upstream::mirror().await;
    let history = Upstream::fixed("[1.50, 2]").await;
    // Slow only when the test says so.
    let slow = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_slow = slow.clone();
    let rates = Upstream::serving(move |_| {
        let is_slow = is_slow.clone();
        async move {
            if is_slow.load(std::sync::atomic::Ordering::SeqCst) {
                Notify::new().notified().await;
            }
            answer(200, "{\"usd\":1.10}")
        }
    })
    .await;
    let clusters = |history| {
        [cluster("accounts", &[accounts.address]), cluster("history", &[history]), cluster("rates", &[rates.address])]
    };
    let text = [AGGREGATE, &clusters(history.address).concat()].concat();
    let site = Files::with_plugins(&["aggregate"]).start(&text).await;

    let whole = site.get("/overview/7?limit=5").await;
    assert_eq!((whole.status, whole.field("x-partial")), (200, None), "{whole:?}");
    assert_eq!(whole.json()["accounts"]["target"], "/customers/7/accounts");
    assert!(whole.text().ends_with(r#","history":[1.50, 2],"rates":{"usd":1.10}}"#), "{}", whole.text());

    slow.store(true, std::sync::atomic::Ordering::SeqCst);
    let late = site.get("/overview/7").await;
    assert_eq!((late.status, late.field("x-partial")), (200, Some("rates")), "{late:?}");
    assert_eq!(late.json()["rates"], json!(null));
    assert_eq!(late.json()["_partial"], json!(["rates"]));

    // A branch with a default fails: refused connections are a failure like others.
    site.files.configure(&[AGGREGATE, &clusters(Upstream::nobody().await).concat()].concat());
    site.gateway.reload().await;
    let poor = site.get("/overview/7").await;
    assert_eq!((poor.status, poor.json()["history"].clone()), (200, json!([])), "{poor:?}");
    assert_eq!(poor.json()["_partial"], json!(["history", "rates"]));
}

#[tokio::test]
async fn aggregate_fails_where_a_needed_branch_does_and_captures_stay_in_their_segment() {
    let accounts = Upstream::mirror().await;
    let fixed = Upstream::fixed("1").await;
    let text = |accounts| {
        let clusters = [
            cluster("accounts", &[accounts]),
            cluster("history", &[fixed.address]),
            cluster("rates", &[fixed.address]),
        ];
        [AGGREGATE, &clusters.concat()].concat()
    };
    let site = Files::with_plugins(&["aggregate"]).start(&text(accounts.address)).await;
    let target = site.get("/overview/a%3Fb%23c").await.json()["accounts"]["target"].clone();
    assert_eq!(target, "/customers/a%3Fb%23c/accounts");
    for escape in ["/overview/..%2f..%2fadmin", "/overview/%2e%2e"] {
        assert_eq!(site.get(escape).await.status, 400, "{escape}");
    }
    site.files.configure(&text(Upstream::nobody().await));
    site.gateway.reload().await;
    let failed = site.get("/overview/7").await;
    assert_eq!(failed.status, 502);
    assert!(!failed.text().contains("127.0.0.1"), "{}", failed.text());
}

#[tokio::test]
async fn aggregate_through_the_gateway_itself_ends_with_508() {
    // A small proxy that leads back to the gateway, as a wrong address would in production.
    let (gateway, mut gateways) = tokio::sync::watch::channel(None);
    gateways.mark_unchanged();
    let back = Upstream::raw(move |_, mut inbound| {
        let mut gateways = gateways.clone();
        async move {
            let address: std::net::SocketAddr = gateways.wait_for(Option::is_some).await.unwrap().unwrap();
            let mut outbound = tokio::net::TcpStream::connect(address).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
        }
    })
    .await;
    let aggregate = AGGREGATE.replace("/customers/{id}/accounts", "/overview/{id}");
    let other = cluster("history", &[back.address]) + &cluster("rates", &[back.address]);
    let text = [aggregate.as_str(), &cluster("accounts", &[back.address]), &other].concat();
    let site = Files::with_plugins(&["aggregate"]).start(&text).await;
    gateway.send_replace(Some(site.address()));
    let answer = soon(site.get("/overview/7")).await;
    assert_eq!(answer.status, 508, "{answer:?}");
}

#[tokio::test]
async fn least_pending_avoids_the_busy_endpoint() {
    let (asked, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (asked.clone(), release.clone());
    let busy = Upstream::serving(move |_| {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            tell.notify_one();
            wait.notified().await;
            answer(200, "busy")
        }
    })
    .await;
    let idle = Upstream::fixed("idle").await;
    let balance = "balance = { plugin = \"least-pending\" }\n";
    let text = [&route("up", "/*", &[]), &cluster("up", &[busy.address, idle.address]), balance].concat();
    let site = Files::with_plugins(&["least-pending"]).start(&text).await;

    // Ask until one request hangs in the busy endpoint; then all others go to the idle one.
    let address = site.address();
    let hanging = loop {
        let mut client = crate::harness::client::Client::connect(address).await;
        client.send(crate::harness::client::request("GET", "/", &[], b"")).await;
        tokio::select! {
            answer = client.answer("GET") => assert_eq!(answer.text(), "idle"),
            () = asked.notified() => break client,
        }
    };
    for _ in 0..20 {
        assert_eq!(site.get("/").await.text(), "idle");
    }
    release.notify_one();
    let mut hanging = hanging;
    assert_eq!(soon(hanging.answer("GET")).await.text(), "busy");
    let picked = site.admin("GET", "/metrics").await.text();
    assert!(picked.contains("least-pending"), "its calls are counted: {picked}");
}
