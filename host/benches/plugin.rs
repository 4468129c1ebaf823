//! What one plugin call costs: `cargo bench --bench plugin`, or with `--profile dev` without building all
//! of it once more. Each figure is for a thousand calls, so milliseconds read as microseconds for one.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sluice::config::model::{Grants, IdentityFields, Isolation, Limits, OnError, Plugin as Configured, Secret, State};
use sluice::plugin::exchange::{Exchange, RequestHead};
use sluice::plugin::http_client::{ClientError, HttpClient, Sending};
use sluice::plugin::role::{Lease, Plugin};
use sluice::plugin::wasm::{Options, PluginHost};
use sluice::telemetry::metrics::Metrics;

#[path = "../src/plugin/wasm/tests/guests.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod guests;

const CALLS: u32 = 1000;

fn main() {
    divan::main();
}

/// The floor: a hook that does nothing.
#[divan::bench]
fn empty_call(bencher: Bencher) {
    measure(bencher, &guests::filter("", "(call $ok (i32.const 0))"), Isolation::Pooled);
}

/// Read one of 15 headers and set another.
#[divan::bench]
fn pooled_call(bencher: Bencher) {
    measure(bencher, &guests::copy(), Isolation::Pooled);
}

/// The same in an instance made for it.
#[divan::bench]
fn fresh_call(bencher: Bencher) {
    measure(bencher, &guests::copy(), Isolation::Request);
}

fn measure(bencher: Bencher, guest: &[u8], isolation: Isolation) {
    let cache = tempfile::tempdir().unwrap();
    let options =
        Options { cache: cache.path().join("cache"), threads: 1, metrics: Metrics::new(), shares_state: false };
    let host = PluginHost::new(options).unwrap();
    let factory =
        host.configure(host.load(guest).unwrap(), &configured(isolation), &IdentityFields::default()).unwrap();
    let plugin = factory.on_thread(Arc::new(Nobody));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| runtime.block_on(call_often(&plugin)));
}

async fn call_often(plugin: &Rc<dyn Plugin>) {
    let mut exchange = exchange();
    for _ in 0..CALLS {
        let (back, result) = plugin.on_request(&mut Lease::default(), exchange).await;
        result.unwrap();
        exchange = back;
    }
}

fn configured(isolation: Isolation) -> Configured {
    Configured {
        name: "bench".into(),
        component: "bench.wasm".into(),
        config: Secret::new("{}"),
        has_config: false,
        grants: Grants::default(),
        limits: Limits::default(),
        isolation,
        on_error: OnError::Closed,
        state: State::Memory,
        place: "bench".into(),
    }
}

fn exchange() -> Box<Exchange> {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("example.com"));
    headers.insert("x-a", HeaderValue::from_static("0123456789abcdef"));
    for index in 0..13 {
        let name = HeaderName::try_from(format!("x-field-{index}")).unwrap();
        headers.insert(name, HeaderValue::from_static("a value of some length"));
    }
    Box::new(Exchange {
        id: "0123456789abcdef0123456789abcdef".into(),
        route: "route".into(),
        listener: "public".into(),
        client: [192, 0, 2, 7].into(),
        ends: None,
        request: RequestHead {
            method: Method::GET,
            scheme: "http",
            target: PathAndQuery::from_static("/users/7"),
            headers,
        },
        response: None,
        identity: None,
        identified_by: None,
        captures: Vec::new(),
        attributes: Vec::new(),
        states: Vec::new(),
        calls: Vec::new(),
        websocket: false,
        grpc: false,
        deadline: None,
        trail: Default::default(),
    })
}

struct Nobody;

impl HttpClient for Nobody {
    fn send(
        &self,
        _: &str,
        _: http::Request<Bytes>,
        _: Option<Duration>,
        _: usize,
        _: Option<sluice::telemetry::trail::Followed>,
    ) -> Sending {
        Box::pin(std::future::ready(Err(ClientError::Unavailable)))
    }
}
