//! The plugin against the test double.

use sluice_plugin::http::{ClientError, IncomingResponse};
use sluice_plugin::serde_json::{self, Value};
use sluice_plugin::test::{MockHost, TestExchange};

use super::*;

/// A host with three services that are well.
fn host() -> MockHost {
    let host = MockHost::new();
    host.on_cluster("accounts", |_| Ok(answer(200, r#" [{"balance": 1.10}] "#)));
    host.on_cluster("rates", |_| Ok(answer(200, r#"{"EUR":1,"USD":1.0800}"#)));
    host.on_cluster("profile", |_| Ok(answer(200, r#"{"name":"Alice","accounts":"shadowed","_partial":"forged"}"#)));
    host
}

fn answer(status: u16, body: &str) -> IncomingResponse {
    IncomingResponse { status, headers: Vec::new(), body: body.into() }
}

fn overview() -> Value {
    json!({ "timeout": "2s", "branches": {
        "accounts": { "cluster": "accounts", "path": "/customers/{identity.subject}/accounts", "headers": ["Accept-Language"] },
        "rates": { "cluster": "rates", "path": "/rates?base={query:base}", "timeout": "300ms", "default": {} },
        "profile": { "cluster": "profile", "path": "/profiles/{identity.subject}", "spread": true, "required": false },
    } })
}

fn request() -> TestExchange {
    TestExchange::get("/overview?base=EUR").identity(Identity::new("alice smith")).header("accept-language", "de")
}

fn text(answer: &LocalResponse) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

fn outcome(host: &MockHost, config: Value, exchange: &TestExchange) -> LocalResponse {
    host.configure::<Aggregator>(config).unwrap().handle(exchange).unwrap()
}

#[test]
fn merges_what_the_services_answer() {
    let host = host();
    let answer = outcome(&host, overview(), &request());
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(&b"application/json"[..])));
    assert_eq!(text(&answer), r#"{"accounts":[{"balance": 1.10}],"rates":{"EUR":1,"USD":1.0800},"name":"Alice"}"#);
    assert_eq!(answer.header("x-partial"), None);

    let sent = host.sent();
    let seen: Vec<_> =
        sent.iter().map(|r| (r.cluster.as_str(), r.method.as_str(), r.target.as_str(), r.timeout_ms)).collect();
    assert_eq!(
        seen,
        [
            ("accounts", "GET", "/customers/alice%20smith/accounts", Some(2000)),
            ("profile", "GET", "/profiles/alice%20smith", Some(2000)),
            ("rates", "GET", "/rates?base=EUR", Some(300)),
        ]
    );
    let fields: Vec<_> = sent.iter().map(|r| r.headers.iter().map(|f| f.name.as_str()).collect::<Vec<_>>()).collect();
    assert_eq!(fields[0], ["accept-language", "accept", "accept-encoding"]);
    assert_eq!(fields[1], ["accept", "accept-encoding"]);
}

#[test]
fn marks_partial_answers() {
    let host = host();
    host.on_cluster("rates", |_| Err(ClientError::Timeout));
    host.on_cluster("profile", |_| Ok(answer(500, "{}")));
    let answer = outcome(&host, overview(), &request());
    assert_eq!(answer.status, 200);
    assert_eq!(text(&answer), r#"{"accounts":[{"balance": 1.10}],"rates":{},"_partial":["profile","rates"]}"#);
    assert_eq!(answer.header("x-partial"), Some(&b"profile, rates"[..]));
    assert_eq!(answer.header("cache-control"), Some(&b"no-store"[..]));
}

#[test]
fn whatever_is_wrong_with_an_optional_branch_it_is_left_out() {
    type Answer = Result<IncomingResponse, ClientError>;
    let compressed =
        IncomingResponse { headers: vec![sluice_plugin::Field::new("content-encoding", "gzip")], ..answer(200, "{}") };
    let bad: [Answer; 8] = [
        Err(ClientError::Timeout),
        Err(ClientError::Unavailable),
        Err(ClientError::TooLarge),
        Ok(answer(404, "{}")),
        Ok(answer(302, "{}")),
        Ok(answer(200, "<html>")),
        Ok(answer(200, "")),
        Ok(compressed),
    ];
    for answer in bad {
        let host = host();
        host.on_cluster("rates", move |_| answer.clone());
        assert_eq!(outcome(&host, overview(), &request()).header("x-partial"), Some(&b"rates"[..]));
    }
}

#[test]
fn a_required_branch_fails_the_whole() {
    for (failure, status) in [
        (Err(ClientError::Timeout), 504),
        (Err(ClientError::Unavailable), 502),
        (Err(ClientError::TooLarge), 502),
        (Ok(answer(500, "{}")), 502),
        (Ok(answer(200, "oops")), 502),
        (Err(ClientError::LoopDetected), 508),
    ] {
        let host = host();
        host.on_cluster("accounts", move |_| failure.clone());
        let answer = outcome(&host, overview(), &request());
        assert_eq!((answer.status, answer.header("content-type")), (status, Some(&b"application/problem+json"[..])));
    }
}

#[test]
fn a_loop_ends_in_any_branch() {
    let host = host();
    host.on_cluster("rates", |_| Err(ClientError::LoopDetected));
    assert_eq!(outcome(&host, overview(), &request()).status, 508);
}

#[test]
fn a_missing_grant_is_the_plugins_failure() {
    let host = MockHost::new();
    let plugin = host.configure::<Aggregator>(overview()).unwrap();
    let error = plugin.handle(&request()).unwrap_err().to_string();
    assert!(error.contains("http-client = [\"accounts\"]"), "{error}");
}

#[test]
fn captures_cant_escape_their_segment() {
    let config = json!({ "branches": { "a": { "cluster": "accounts", "path": "/customers/{id}/x" } } });
    for bad in ["..", ".", "", "a/b", "..\\", "a\0"] {
        let host = host();
        let answer = outcome(&host, config.clone(), &TestExchange::get("/").capture("id", bad));
        assert_eq!(answer.status, 400, "{bad:?}");
        assert!(host.sent().is_empty());
    }
    let host = host();
    outcome(&host, config, &TestExchange::get("/").capture("id", "a?b#c%2e..%"));
    assert_eq!(host.sent()[0].target, "/customers/a%3Fb%23c%252e..%25/x");
}

#[test]
fn nobody_is_asked_for_a_request_that_doesnt_fit() {
    let host = host();
    let answer = outcome(&host, overview(), &TestExchange::get("/overview"));
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.body_json::<Value>().unwrap()["detail"],
        "What `accounts` needs can't be taken from the request: there is no `identity.subject`."
    );
    assert!(host.sent().is_empty());

    // An optional branch is only left out.
    let config = json!({ "branches": {
        "rates": { "cluster": "rates", "path": "/rates" },
        "profile": { "cluster": "profile", "path": "/profiles/{identity.subject}", "default": { "name": "guest" } },
    } });
    let answer = outcome(&host, config, &TestExchange::get("/overview"));
    assert_eq!(text(&answer), r#"{"profile":{"name":"guest"},"rates":{"EUR":1,"USD":1.0800},"_partial":["profile"]}"#);
}

#[test]
fn spreads_defaults_too() {
    let host = MockHost::new();
    host.on_cluster("a", |_| Ok(answer(200, "[1]")));
    let config = json!({ "branches": { "a": { "cluster": "a", "path": "/", "spread": true, "default": { "x": 1 } } } });
    assert_eq!(text(&outcome(&host, config, &request())), r#"{"x":1,"_partial":["a"]}"#);
}

#[test]
fn errors_say_what_is_wrong() {
    let branch = |extra: &str, value: Value| {
        let mut branch = json!({ "cluster": "a", "path": "/" });
        branch[extra] = value;
        json!({ "branches": { "x": branch } })
    };
    for (config, message) in [
        (json!({}), "the key `branches` is missing"),
        (json!({ "branches": {} }), "branches: there must be at least one"),
        (json!({ "branches": { "x": { "cluster": "a" } } }), "branches.x: the key `path` is missing"),
        (
            json!({ "branches": { "_partial": { "cluster": "a", "path": "/" } } }),
            "branches: the name `_partial` is taken for the list of those left out",
        ),
        (
            json!({ "branches": { "a b": { "cluster": "a", "path": "/" } } }),
            "branches: `a b` can't be listed in a header field: use letters, digits, `-` and `_`",
        ),
        (branch("path", json!("/a/../{id}")), "branches.x.path: `..` has no place in a path"),
        (branch("timeout", json!("0s")), "branches.x.timeout: must be at least \"1ms\""),
        (branch("method", json!("GE T")), "branches.x.method: must be a method, like \"GET\""),
        (branch("headers", json!(["Host"])), "branches.x.headers: `host` can't be passed on"),
        (
            json!({ "branches": { "x": { "cluster": "a", "path": "/", "required": true, "default": 1 } } }),
            "branches.x.default: is never used where `required` is true",
        ),
        (
            json!({ "branches": { "x": { "cluster": "a", "path": "/", "spread": true, "default": [] } } }),
            "branches.x.default: must be a table where `spread` is true",
        ),
    ] {
        let error = MockHost::new().configure::<Aggregator>(config).err().unwrap();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn the_answer_is_json() {
    let host = host();
    host.on_cluster("rates", |_| Err(ClientError::Unavailable));
    let answer = outcome(&host, overview(), &request());
    assert!(serde_json::from_slice::<Value>(&answer.body).unwrap().is_object());
}
