//! The plugin against the test double.

use sluice_plugin::serde_json::Value;
use sluice_plugin::test::{MockHost, TestExchange, TestPlugin};

use super::*;

fn plugin(config: Value) -> TestPlugin<ApiKey> {
    MockHost::new().configure(config).unwrap()
}

fn refusal(config: Value) -> String {
    match MockHost::new().configure::<ApiKey>(config) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn identifies_by_key_and_hides_it() {
    let plugin =
        plugin(json!({ "keys": { "secret": "alice", "other": { "subject": "bob", "claims": { "tier": "gold" } } } }));
    let exchange = TestExchange::get("/").header("X-Api-Key", "secret");
    assert_eq!(plugin.authenticate(&exchange).unwrap(), Authentication::Identified(Identity::new("alice")));
    assert_eq!(exchange.request_header("x-api-key"), None);

    let exchange = TestExchange::get("/").header("x-api-key", "other");
    let Authentication::Identified(identity) = plugin.authenticate(&exchange).unwrap() else {
        panic!("not identified")
    };
    assert_eq!((identity.subject.as_str(), identity.claims.as_str()), ("bob", r#"{"tier":"gold"}"#));
}

#[test]
fn takes_keys_as_a_list() {
    let plugin = plugin(json!({
        "header": "X-Key",
        "hide_credentials": false,
        "keys": [{ "key": "secret", "subject": "alice" }, { "key": "other", "subject": "alice" }],
    }));
    let exchange = TestExchange::get("/").header("x-key", "other");
    assert_eq!(plugin.authenticate(&exchange).unwrap(), Authentication::Identified(Identity::new("alice")));
    assert_eq!(exchange.request_header("x-key").as_deref(), Some("other"));
}

#[test]
fn without_a_key_another_authenticator_may_know_more() {
    let plugin = plugin(json!({ "keys": { "secret": "alice" } }));
    let outcome = plugin.authenticate(&TestExchange::get("/").header("authorization", "secret")).unwrap();
    assert_eq!(outcome, Authentication::NoCredentials);
}

#[test]
fn denies_what_it_doesnt_know() {
    let plugin = plugin(json!({ "keys": { "secret": "alice" } }));
    for exchange in [
        TestExchange::get("/").header("x-api-key", "secre"),
        TestExchange::get("/").header("x-api-key", "secret2"),
        TestExchange::get("/").header("x-api-key", ""),
        TestExchange::get("/").header("x-api-key", [0xff]),
        TestExchange::get("/").header("x-api-key", "secret").header("x-api-key", "secret"),
    ] {
        let Authentication::Denied(answer) = plugin.authenticate(&exchange).unwrap() else { panic!("not denied") };
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some(&b"ApiKey header=\"x-api-key\""[..]));
    }
}

#[test]
fn errors_say_what_is_wrong() {
    for (config, message) in [
        (json!({}), "the key `keys` is missing"),
        (json!({ "keys": {} }), "keys: there must be at least one"),
        (
            json!({ "keys": 7 }),
            "keys: must be a table from keys to subjects, or a list of entries with key and subject",
        ),
        (
            json!({ "keys": { "a": "alice" }, "header": "x key" }),
            "header: must be the name of a header field, like \"x-api-key\"",
        ),
        (
            json!({ "keys": { "a": "alice" }, "hide": 1 }),
            "there is no key `hide`; the keys are `header`, `keys`, `hide_credentials`",
        ),
        (json!({ "keys": { "a": "" } }), "keys: the subject must not be empty"),
        (json!({ "keys": [{ "key": "a" }] }), "keys[0]: the key `subject` is missing"),
        (
            json!({ "keys": [{ "key": "a", "subject": "alice" }, { "key": "a", "subject": "bob" }] }),
            "keys[1]: another entry, for `alice`, has the same key",
        ),
        (
            json!({ "keys": [{ "key": " a", "subject": "alice" }] }),
            "keys[0]: a key must be of visible ASCII characters, since it comes in a header field; the one for `alice` isn't",
        ),
    ] {
        assert_eq!(refusal(config), message);
    }
}

#[test]
fn errors_keep_keys_secret() {
    for config in [
        json!({ "keys": { "hunter2": 5 } }),
        json!({ "keys": { "hunter2": { "subject": 5 } } }),
        json!({ "keys": { "hunter2": { "subject": "a", "claims": "x" } } }),
        json!({ "keys": { "hunter2": { "name": "a" } } }),
        json!({ "keys": { "hunter2 ": "a" } }),
        json!({ "keys": "hunter2" }),
        json!({ "keys": ["hunter2"] }),
        json!({ "keys": [{ "key": "hunter2" }] }),
        json!({ "keys": [{ "key": "hunter2" }, { "key": 7 }] }),
    ] {
        let message = refusal(config);
        assert!(!message.contains("hunter2"), "{message}");
    }
}
