//! One battery for every place where state can be kept: this gateway's memory, a real Redis server, and memory that
//! stands in for a server that is away.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::config::model::{Grants, IdentityFields, Limits};
use crate::plugin::wasm::bindings::kv::Host as _;
use crate::plugin::wasm::bindings::limiter::Host as _;
use crate::plugin::wasm::guest::{Lent, Subject, Time};
use crate::state::redis_server::RedisServer;
use crate::state::tests::settings;
use crate::telemetry::metrics::Metrics;

/// A plugin whose state is kept somewhere.
struct Plugin(Guest);

/// The functions as a guest calls them; with memory alone, as they are linked then.
impl Plugin {
    fn new(name: &str, remote: Option<&Arc<Remote>>) -> Self {
        let lent = Lent {
            name: name.into(),
            grants: Grants::default(),
            limits: Limits::default(),
            identity: IdentityFields::default(),
            kv: Arc::new(kv::Store::new()),
            limiter: Arc::new(limiter::Limiter::new()),
            shared: remote.map(|remote| Arc::new(Shared::new(remote.clone(), name))),
            metrics: Metrics::new().plugin(name),
            origin: Instant::now(),
        };
        Self(Guest::new(Arc::new(lent), None))
    }

    fn is_shared(&self) -> bool {
        self.0.lent.shared.is_some()
    }

    async fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        if self.is_shared() { get(&mut self.0, key.into()).await } else { self.0.get(key.into()).unwrap() }
    }

    async fn set(&mut self, key: &str, value: &[u8], ttl: Option<u64>) -> Result<(), KvError> {
        let (key, value) = (key.to_owned(), value.to_owned());
        if self.is_shared() { set(&mut self.0, key, value, ttl).await } else { self.0.set(key, value, ttl).unwrap() }
    }

    async fn delete(&mut self, key: &str) -> Result<bool, KvError> {
        if self.is_shared() { delete(&mut self.0, key.into()).await } else { self.0.delete(key.into()).unwrap() }
    }

    async fn increment(&mut self, key: &str, by: i64, ttl: Option<u64>) -> Result<i64, KvError> {
        let key = key.to_owned();
        if self.is_shared() {
            increment(&mut self.0, key, by, ttl).await
        } else {
            self.0.increment(key, by, ttl).unwrap()
        }
    }

    async fn take(&mut self, key: &str, limit: Limit, cost: u64) -> Result<Outcome, String> {
        let key = key.to_owned();
        if self.is_shared() {
            take(&mut self.0, key, limit, cost).await
        } else {
            self.0.take(key, limit, cost).unwrap()
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes to an end") })
}

fn remote(server: &RedisServer, on_error: OnAway) -> Arc<Remote> {
    Remote::start(&settings(server, |redis| redis.on_error = on_error), Metrics::new().state()).unwrap()
}

#[test]
fn the_battery_in_memory() {
    run(battery(Plugin::new("a", None), Plugin::new("b", None)));
}

#[test]
fn the_battery_in_redis() {
    let Some(server) = RedisServer::start("the_battery_in_redis", &[]) else { return };
    let remote = remote(&server, OnAway::Closed);
    run(battery(Plugin::new("a", Some(&remote)), Plugin::new("b", Some(&remote))));
}

#[test]
fn the_battery_in_memory_that_stands_in() {
    let Some(mut server) = RedisServer::start("the_battery_in_memory_that_stands_in", &[]) else { return };
    let remote = remote(&server, OnAway::Local);
    server.kill();
    run(battery(Plugin::new("a", Some(&remote)), Plugin::new("b", Some(&remote))));
}

async fn battery(mut plugin: Plugin, mut other: Plugin) {
    values(&mut plugin).await;
    counters(&mut plugin).await;
    bounds(&mut plugin).await;
    limits(&mut plugin).await;
    plugin.set("mine", b"1", None).await.unwrap();
    assert_eq!(other.get("mine").await.unwrap(), None, "each plugin has its own");
    assert!(other.take("k", limit(1, 5), 5).await.unwrap().admitted, "each plugin has its own");
}

async fn values(plugin: &mut Plugin) {
    assert_eq!(plugin.get("a").await.unwrap(), None);
    // Of 8 bytes, empty, like a number, and with everything in it.
    let all: Vec<u8> = (0..=255).collect();
    for value in [&b"12345678"[..], b"", b"17", b"v", &[0xff; 8], &all] {
        plugin.set("a", value, None).await.unwrap();
        assert_eq!(plugin.get("a").await.unwrap().as_deref(), Some(value));
    }
    assert!(plugin.delete("a").await.unwrap());
    assert!(!plugin.delete("a").await.unwrap());
    for (key, ttl) in [("short", 20), ("none", 0)] {
        plugin.set(key, b"1", Some(ttl)).await.unwrap();
        while plugin.get(key).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!plugin.delete(key).await.unwrap());
    }
    for ttl in [3_600_000, u64::MAX] {
        plugin.set("long", b"1", Some(ttl)).await.unwrap();
        assert!(plugin.get("long").await.unwrap().is_some());
    }
    // A value without a time to live takes that of the value before away.
    plugin.set("kept", b"1", Some(20)).await.unwrap();
    plugin.set("kept", b"2", None).await.unwrap();
    plugin.set("witness", b"1", Some(40)).await.unwrap();
    while plugin.get("witness").await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(plugin.get("kept").await.unwrap().as_deref(), Some(&b"2"[..]));
}

async fn counters(plugin: &mut Plugin) {
    assert_eq!(plugin.increment("n", 2, None).await.unwrap(), 2);
    assert_eq!(plugin.increment("n", -5, Some(1)).await.unwrap(), -3, "only a new counter gets an end");
    assert_eq!(plugin.get("n").await.unwrap(), Some((-3i64).to_le_bytes().to_vec()));
    plugin.set("n", &i64::MAX.to_le_bytes(), None).await.unwrap();
    assert_eq!(plugin.increment("n", 7, None).await.unwrap(), i64::MAX);
    assert_eq!(plugin.increment("n", -1, None).await.unwrap(), i64::MAX - 1, "more than 53 bits");
    plugin.set("n", &i64::MIN.to_le_bytes(), None).await.unwrap();
    assert_eq!(plugin.increment("n", i64::MIN, None).await.unwrap(), i64::MIN);
    for text in [&b"text"[..], b"12", b""] {
        plugin.set("t", text, None).await.unwrap();
        assert!(matches!(plugin.increment("t", 1, None).await, Err(KvError::NotACounter)));
        assert_eq!(plugin.get("t").await.unwrap().as_deref(), Some(text));
    }
    assert_eq!(plugin.increment("brief", 4, Some(0)).await.unwrap(), 4);
    assert_eq!(plugin.get("brief").await.unwrap(), None);
    assert_eq!(plugin.increment("short", 4, Some(20)).await.unwrap(), 4);
    while plugin.get("short").await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(plugin.increment("short", 1, Some(3_600_000)).await.unwrap(), 1);
}

async fn bounds(plugin: &mut Plugin) {
    let told = |error: KvError| if let KvError::TooLarge(text) = error { text } else { format!("{error:?}") };
    let long = "k".repeat(257);
    assert!(told(plugin.get(&long).await.unwrap_err()).contains("key has 257 bytes"));
    assert!(told(plugin.delete(&long).await.unwrap_err()).contains("key"));
    assert!(told(plugin.increment(&long, 1, None).await.unwrap_err()).contains("key"));
    let value = vec![7; 64 << 10];
    plugin.set(&"k".repeat(256), &value, None).await.unwrap();
    assert_eq!(plugin.get(&"k".repeat(256)).await.unwrap(), Some(value));
    assert!(told(plugin.set("k", &[0; (64 << 10) + 1], None).await.unwrap_err()).contains("value has 65537 bytes"));
}

/// So slow that nothing comes back meanwhile.
fn limit(rate: u64, burst: u64) -> Limit {
    Limit { rate, period_ms: 24 * 3_600_000, burst }
}

async fn limits(plugin: &mut Plugin) {
    const DAY: u64 = 24 * 3_600_000;
    let near = |value: u64, wanted: u64| value <= wanted + 1 && value + 60_000 > wanted;
    let first = plugin.take("k", limit(10, 5), 1).await.unwrap();
    assert!(first.admitted && first.remaining == 4 && first.retry_after_ms == 0 && near(first.reset_ms, DAY / 10));
    for left in [3, 2, 1, 0] {
        assert_eq!(plugin.take("k", limit(10, 5), 1).await.unwrap().remaining, left);
    }
    let refused = plugin.take("k", limit(10, 5), 1).await.unwrap();
    assert!(!refused.admitted && refused.remaining == 0, "{refused:?}");
    assert!(near(refused.reset_ms, DAY / 2) && near(refused.retry_after_ms, DAY / 10), "{refused:?}");
    assert!(plugin.take("other", limit(10, 5), 5).await.unwrap().admitted);
    assert!(!plugin.take("other", limit(10, 5), 1).await.unwrap().admitted);

    // All of a cost or nothing; none only looks.
    assert_eq!(plugin.take("c", limit(1, 10), 7).await.unwrap().remaining, 3);
    let refused = plugin.take("c", limit(1, 10), 4).await.unwrap();
    assert!(!refused.admitted && refused.remaining == 3 && near(refused.retry_after_ms, DAY), "{refused:?}");
    assert_eq!(plugin.take("c", limit(1, 10), 0).await.unwrap().remaining, 3);
    assert_eq!(plugin.take("c", limit(1, 10), 3).await.unwrap().remaining, 0);

    // Another limit for the same key: the time until all tokens are back stays.
    assert!(plugin.take("d", limit(2, 4), 2).await.unwrap().admitted);
    let other = plugin.take("d", limit(4, 6), 1).await.unwrap();
    assert!(other.admitted && other.remaining == 1, "a day is four of six tokens now: {other:?}");

    // Tokens come back.
    let quick = Limit { rate: 50, period_ms: 1000, burst: 2 };
    assert!(plugin.take("q", quick, 2).await.unwrap().admitted);
    while !plugin.take("q", quick, 1).await.unwrap().admitted {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    for (wrong, cost, part) in [
        (Limit { rate: 0, period_ms: 1, burst: 1 }, 1, "rate"),
        (Limit { rate: 1, period_ms: 0, burst: 1 }, 1, "period-ms"),
        (Limit { rate: 1, period_ms: 1, burst: 0 }, 0, "burst"),
        (Limit { rate: 1, period_ms: 1, burst: 1 }, 2, "cost"),
    ] {
        assert!(plugin.take("k", wrong, cost).await.unwrap_err().contains(part));
    }
    assert!(plugin.take(&"k".repeat(257), quick, 1).await.unwrap_err().contains("key"));
}

#[test]
fn without_the_store_plugins_get_what_is_configured() {
    let Some(mut server) = RedisServer::start("without_the_store_plugins_get_what_is_configured", &[]) else { return };
    let open = remote(&server, OnAway::Open);
    let closed = remote(&server, OnAway::Closed);
    server.kill();
    run(async {
        for remote in [&open, &closed] {
            let mut plugin = Plugin::new("a", Some(remote));
            assert!(matches!(plugin.get("k").await, Err(KvError::Unavailable)));
            assert!(matches!(plugin.set("k", b"1", None).await, Err(KvError::Unavailable)));
            assert!(matches!(plugin.delete("k").await, Err(KvError::Unavailable)));
            assert!(matches!(plugin.increment("k", 1, None).await, Err(KvError::Unavailable)));
        }
        let mut plugin = Plugin::new("a", Some(&open));
        for _ in 0..9 {
            assert!(plugin.take("k", limit(1, 5), 5).await.unwrap().admitted);
        }
        let refused = Plugin::new("a", Some(&closed)).take("k", limit(1, 5), 1).await.unwrap_err();
        assert!(refused.contains("can't be reached"), "{refused}");
    });
}

#[test]
fn who_cannot_wait_has_this_gateway_s_own() {
    let Some(server) = RedisServer::start("who_cannot_wait_has_this_gateway_s_own", &[]) else { return };
    let remote = remote(&server, OnAway::Closed);
    let mut plugin = Plugin::new("a", Some(&remote));
    run(async {
        plugin.0.begin(Subject::Nothing, Time::new(Duration::from_secs(1), false));
        plugin.set("k", b"1", None).await.unwrap();
        assert_eq!(plugin.get("k").await.unwrap().as_deref(), Some(&b"1"[..]));
        plugin.0.begin(Subject::Nothing, Time::new(Duration::from_secs(1), true));
        assert_eq!(plugin.get("k").await.unwrap(), None);
    });
    assert_eq!(server.ask(&["EXISTS", "sluice:kv:a:k"]), "0");
}
