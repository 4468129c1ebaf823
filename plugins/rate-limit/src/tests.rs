//! The plugin against the test double.

use std::time::Duration;

use sluice_plugin::test::{MockHost, TestExchange, TestPlugin};

use super::*;

fn admitted(plugin: &TestPlugin<RateLimiter>, exchange: &TestExchange) -> bool {
    matches!(plugin.check(exchange).unwrap(), Verdict::Admitted(_))
}

#[test]
fn tells_what_is_left_and_when_to_come_again() {
    let host = MockHost::new();
    let config = json!({ "policy": "per-user", "rate": 60, "per": "1m", "burst": 2 });
    let plugin = host.configure::<RateLimiter>(config).unwrap();
    let exchange = TestExchange::get("/");
    let quota = |remaining, reset_ms, retry_after_ms| Quota {
        policy: "per-user".into(),
        limit: 60,
        window_ms: 60_000,
        remaining,
        reset_ms,
        retry_after_ms,
    };
    assert_eq!(plugin.check(&exchange).unwrap(), Verdict::Admitted(Some(quota(1, 1000, 0))));
    assert_eq!(plugin.check(&exchange).unwrap(), Verdict::Admitted(Some(quota(0, 2000, 0))));
    assert_eq!(plugin.check(&exchange).unwrap(), Verdict::Rejected(quota(0, 2000, 1000)));
    host.advance(Duration::from_secs(1));
    assert!(admitted(&plugin, &exchange));
    assert!(!admitted(&plugin, &exchange));
}

#[test]
fn counts_each_key_by_itself() {
    let plugin =
        |key: &str| MockHost::new().configure::<RateLimiter>(json!({ "key": key, "rate": 1, "per": "1h" })).unwrap();
    let as_alice = || TestExchange::get("/").identity(Identity::new("alice"));

    let identity = plugin("identity");
    assert!(admitted(&identity, &as_alice()));
    assert!(!admitted(&identity, &as_alice().client_address("192.0.2.9")), "wherever she is");
    assert!(admitted(&identity, &TestExchange::get("/").identity(Identity::new("alice").issued_by("x"))));
    assert!(admitted(&identity, &TestExchange::get("/")), "the anonymous are counted by address");
    assert!(!admitted(&identity, &TestExchange::get("/")));

    let address = plugin("client-address");
    assert!(admitted(&address, &as_alice()));
    assert!(!admitted(&address, &TestExchange::get("/")));
    assert!(admitted(&address, &as_alice().client_address("2001:db8:0:1::7")));
    assert!(!admitted(&address, &as_alice().client_address("2001:db8:0:1:ffff::8")), "one network, one client");
    assert!(admitted(&address, &as_alice().client_address("2001:db8:0:2::7")));

    let header = plugin("header:X-Tenant");
    assert!(admitted(&header, &TestExchange::get("/").header("x-tenant", "blue")));
    assert!(!admitted(&header, &TestExchange::get("/").header("x-tenant", "blue")));
    assert!(admitted(&header, &TestExchange::get("/").header("x-tenant", "client 192.0.2.1")));
    assert!(admitted(&header, &TestExchange::get("/")), "no header may spend an address's tokens");

    let route = plugin("route");
    assert!(admitted(&route, &TestExchange::get("/").route("a")));
    assert!(!admitted(&route, &TestExchange::get("/").route("a").client_address("192.0.2.9")));
    assert!(admitted(&route, &TestExchange::get("/").route("b")));
}

#[test]
fn takes_values_of_any_length() {
    let plugin =
        MockHost::new().configure::<RateLimiter>(json!({ "key": "header:x", "rate": 1, "per": "1h" })).unwrap();
    let long = "a".repeat(10_000);
    assert!(admitted(&plugin, &TestExchange::get("/").header("x", long.clone())));
    assert!(!admitted(&plugin, &TestExchange::get("/").header("x", long.clone())));
    assert!(admitted(&plugin, &TestExchange::get("/").header("x", long + "b")));
    assert!(admitted(&plugin, &TestExchange::get("/").header("x", [0xff, 0xfe])));
}

#[test]
fn errors_say_what_is_wrong() {
    for (config, message) in [
        (json!({ "per": "1m" }), "the key `rate` is missing"),
        (json!({ "rate": 1 }), "the key `per` is missing"),
        (json!({ "rate": 0, "per": "1m" }), "rate: must be within 1 and 1000000000"),
        (json!({ "rate": 1, "burst": 0, "per": "1m" }), "burst: must be within 1 and 1000000000"),
        (json!({ "rate": 1, "per": "0s" }), "per: must be within \"1ms\" and \"366d\""),
        (
            json!({ "rate": 1, "per": "1 minute" }),
            "per: must be a time with its unit, like \"250ms\", \"30s\" or \"5m\"",
        ),
        (json!({ "rate": -1, "per": "1m" }), "rate: must be a whole number, 0 or more"),
        (
            json!({ "rate": 1, "per": "1m", "key": "ip" }),
            "key: must be \"identity\", \"client-address\", \"route\" or \"header:NAME\"",
        ),
        (
            json!({ "rate": 1, "per": "1m", "policy": "per user" }),
            "policy: must be made of letters, digits, `-`, `_` and `.`",
        ),
    ] {
        let error = MockHost::new().configure::<RateLimiter>(config).err().unwrap();
        assert_eq!(error.to_string(), message);
    }
}
