//! The plugin against the test double.

use sluice_plugin::serde_json::Value;
use sluice_plugin::test::{MockHost, TestExchange, TestPlugin};

use super::*;

fn plugin(config: Value) -> TestPlugin<Transform> {
    MockHost::new().configure(config).unwrap()
}

fn replaced(decision: BodyDecision) -> String {
    match decision {
        BodyDecision::Replace(body) => String::from_utf8(body).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rewrites_the_path() {
    for (path, target) in [
        ("/v2/people/{id}", "/v2/people/a%20b?page=2&q=x"),
        ("/v2/people?id={id}&page={query:page}&x={query:none}", "/v2/people?id=a%20b&page=2"),
        ("/v2/people?", "/v2/people"),
    ] {
        let plugin = plugin(json!({ "request": { "path": path } }));
        let exchange = TestExchange::get("/users/a%20b?page=2&q=x").capture("id", "a b");
        assert_eq!(plugin.on_request(&exchange).unwrap(), Decision::Continue);
        assert_eq!(exchange.target(), target);
    }
}

#[test]
fn refuses_what_would_change_the_path() {
    let plugin = plugin(json!({ "request": { "path": "/v2/{query:id}/x" } }));
    for target in ["/a?id=..", "/a?id=.", "/a?id=", "/a", "/a?id=b%2Fc", "/a?id=%2e%2e"] {
        let exchange = TestExchange::get(target);
        let Decision::Respond(answer) = plugin.on_request(&exchange).unwrap() else { panic!("{target} passed") };
        assert_eq!(answer.status, 400);
        assert_eq!(exchange.target(), target, "nothing was changed");
    }
}

#[test]
fn edits_request_fields() {
    let plugin = plugin(json!({ "request": { "headers": {
        "rename": { "x-old": "x-new", "x-none": "x-nothing" },
        "remove": ["x-debug", "x-absent"],
        "set": { "x-user": "{identity.subject} from {client_address}", "x-missing": "{attribute:keys.tier}", "x-was": "{header:x-debug}" },
        "append": { "x-tag": "b" },
    } } }));
    let exchange = TestExchange::get("/")
        .identity(Identity::new("alice"))
        .header("x-old", "1")
        .header("x-old", "2")
        .header("x-debug", "yes")
        .header("x-user", "forged")
        .header("x-tag", "a");
    assert_eq!(plugin.on_request(&exchange).unwrap(), Decision::Continue);
    let fields = ["x-old", "x-new", "x-nothing", "x-debug", "x-user", "x-missing", "x-was", "x-tag"];
    let now: Vec<_> = fields.iter().map(|name| exchange.request_header(name).unwrap_or_default()).collect();
    assert_eq!(now, ["", "1, 2", "", "", "alice from 192.0.2.1", "", "yes", "a, b"]);
}

#[test]
fn a_value_that_is_no_field_value_is_the_clients_fault() {
    let plugin = plugin(json!({ "request": { "headers": { "set": { "x-page": "{query:page}" } } } }));
    let decision = plugin.on_request(&TestExchange::get("/?page=1%0d%0ahost:evil")).unwrap();
    assert!(matches!(decision, Decision::Respond(answer) if answer.status == 400));
}

#[test]
fn edits_json_bodies_of_requests() {
    let plugin = plugin(json!({ "request": { "json": [
        { "set": "/user/name", "value": "{identity.subject}" },
        { "set": "/n", "value": 1.5 },
        { "set": "/tier", "value": "{attribute:keys.tier}" },
        { "remove": "/secret" },
        { "move": "/old", "to": "/new/place" },
    ] } }));
    let exchange = TestExchange::new("POST", "/")
        .header("content-type", "application/json; charset=utf-8")
        .identity(Identity::new("al\"ice"));
    assert_eq!(plugin.on_request(&exchange).unwrap(), Decision::NeedBody);
    let body = r#"{"secret":1, "price": 1.10, "old": [1e400]}"#;
    assert_eq!(
        replaced(plugin.on_request_body(&exchange, body).unwrap()),
        r#"{"price": 1.10,"user":{"name":"al\"ice"},"n":1.5,"new":{"place":[1e400]}}"#
    );
    assert_eq!(plugin.on_request_body(&exchange, "").unwrap(), BodyDecision::Continue);
    for bad in ["{", "{\"secret\":1,\"secret\":2}", "{\"user\":7}", "nul"] {
        let decision = plugin.on_request_body(&exchange, bad).unwrap();
        assert!(matches!(decision, BodyDecision::Respond(answer) if answer.status == 400), "{bad}");
    }
}

#[test]
fn asks_for_bodies_only_to_edit_them() {
    let exchange = || TestExchange::new("POST", "/").header("content-type", "application/json");
    let edits = plugin(json!({ "request": { "json": [{ "remove": "/a" }] } }));
    assert_eq!(edits.on_request(&TestExchange::new("POST", "/")).unwrap(), Decision::Continue);
    assert_eq!(edits.on_request(&exchange()).unwrap(), Decision::NeedBody);
    assert_eq!(
        edits.on_response(&exchange().answered_with("content-type", "application/json")).unwrap(),
        Decision::Continue
    );
    let none = plugin(json!({}));
    assert_eq!(none.on_request(&exchange()).unwrap(), Decision::Continue);
    assert_eq!(edits.on_request_body(&exchange(), "{\"b\":1}").unwrap(), BodyDecision::Continue, "nothing changes");
}

#[test]
fn edits_answers() {
    let plugin = plugin(json!({ "response": {
        "status": { "404": 410, "5xx": 503 },
        "headers": { "remove": ["server"], "set": { "x-id": "{id}" }, "append": { "vary": "accept" } },
        "json": [{ "remove": "/debug" }],
    } }));
    let exchange = TestExchange::get("/")
        .capture("id", "7")
        .response(404)
        .answered_with("server", "x")
        .answered_with("vary", "origin")
        .answered_with("content-type", "application/problem+json");
    assert_eq!(plugin.on_response(&exchange).unwrap(), Decision::NeedBody);
    assert_eq!(exchange.status(), 410);
    assert_eq!(exchange.response_header("server"), None);
    assert_eq!(exchange.response_header("x-id").as_deref(), Some("7"));
    assert_eq!(exchange.response_header("vary").as_deref(), Some("origin, accept"));
    assert_eq!(replaced(plugin.on_response_body(&exchange, r#"{"debug":[1,2],"a":1}"#).unwrap()), r#"{"a":1}"#);
    let decision = plugin.on_response_body(&exchange, "oops").unwrap();
    assert!(matches!(decision, BodyDecision::Respond(answer) if answer.status == 502), "a secret might be in it");

    let statuses = |status| {
        let exchange = TestExchange::get("/").response(status);
        plugin.on_response(&exchange).unwrap();
        exchange.status()
    };
    assert_eq!([200, 404, 500, 502, 418].map(statuses), [200, 410, 503, 503, 418]);
}

#[test]
fn leaves_the_gateways_answers_alone_unless_asked() {
    let config = |origins: Value| json!({ "response": { "origins": origins, "headers": { "set": { "x": "1" } } } });
    let touched = |plugin: &TestPlugin<Transform>, origin| {
        let exchange = TestExchange::get("/").origin(origin);
        plugin.on_response(&exchange).unwrap();
        exchange.response_header("x").is_some()
    };
    let default = plugin(json!({ "response": { "headers": { "set": { "x": "1" } } } }));
    assert_eq!([Origin::Upstream, Origin::Plugin, Origin::Gateway].map(|o| touched(&default, o)), [true, true, false]);
    let gateway = plugin(config(json!(["gateway"])));
    assert_eq!([Origin::Upstream, Origin::Plugin, Origin::Gateway].map(|o| touched(&gateway, o)), [false, false, true]);
}

#[test]
fn errors_say_what_is_wrong() {
    let forms = "an edit is one of { set = \"…\", value = … }, { remove = \"…\" } or { move = \"…\", to = \"…\" }";
    for (config, message) in [
        (
            json!({ "request": { "pth": "/" } }),
            "request: there is no key `pth`; the keys are `path`, `headers`, `json`".to_owned(),
        ),
        (json!({ "request": { "path": "v2" } }), "request.path: a path begins with `/`".to_owned()),
        (json!({ "request": { "path": "/{a:b}" } }), "request.path: `{a:b}` is no variable".to_owned()),
        (
            json!({ "request": { "headers": { "set": { "x": "{" } } } }),
            "request.headers.set.x: `{` without `}`; write `{{` for a brace".to_owned(),
        ),
        (
            json!({ "request": { "headers": { "remove": ["x y"] } } }),
            "request.headers.remove: `x y` is no field name".to_owned(),
        ),
        (
            json!({ "response": { "headers": { "set": { "Content_Length": "1" } } } }),
            "response.headers.set: the field `Content_Length` is the gateway's own".to_owned(),
        ),
        (json!({ "request": { "json": [{ "remove": "/a" }, { "set": "/a" }] } }), format!("request.json[1]: {forms}")),
        (json!({ "request": { "json": [{ "remove": "/a", "to": "/b" }] } }), format!("request.json[0]: {forms}")),
        (
            json!({ "request": { "json": [{ "remove": "a" }] } }),
            "request.json[0].remove: a JSON pointer begins with `/`".to_owned(),
        ),
        (
            json!({ "request": { "json": [{ "set": "/a", "value": "{x y}" }] } }),
            "request.json[0]: `{x y}` is no variable".to_owned(),
        ),
        (
            json!({ "response": { "status": { "404": 99 } } }),
            "response.status: 99, for 404, isn't within 200 and 599".to_owned(),
        ),
        (
            json!({ "response": { "status": { "4x": 400 } } }),
            "response.status: `4x` is no status to replace; write it like \"404\" or \"5xx\"".to_owned(),
        ),
        (
            json!({ "response": { "origins": ["client"] } }),
            "response.origins[0]: must be one of `upstream`, `plugin`, `gateway`".to_owned(),
        ),
    ] {
        let error = MockHost::new().configure::<Transform>(config).err().unwrap();
        assert_eq!(error.to_string(), message);
    }
}
