//! Real guests in real instances. Each hostile one has to cost one clear error and nothing else.

mod capabilities;
mod containment;
mod fresh;
mod guests;
mod hooks;
mod load;
mod wasi;

use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};

use super::{ConfigureError, Options, PluginHost};
use crate::config::model::{Grants, IdentityFields, Isolation, Limits, OnError, Plugin as Configured, Secret, State};
use crate::plugin::exchange::{Exchange, Origin, RequestHead, ResponseHead};
use crate::plugin::http_client::{ClientError, HttpClient, Sending};
use crate::plugin::role::{Lease, Plugin, PluginError, PluginFactory};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trail::Followed;

/// One host for all tests: each engine reserves terabytes of addresses.
fn host() -> &'static Arc<PluginHost> {
    static HOST: OnceLock<(tempfile::TempDir, Arc<PluginHost>)> = OnceLock::new();
    let make = || {
        let directory = tempfile::tempdir().unwrap();
        let options =
            Options { cache: directory.path().join("cache"), threads: 1, metrics: Metrics::new(), shares_state: true };
        let host = PluginHost::new(options).unwrap();
        (directory, host)
    };
    &HOST.get_or_init(make).1
}

fn configured(name: &str) -> Configured {
    Configured {
        name: name.into(),
        component: "test.wasm".into(),
        config: Secret::new("{}"),
        has_config: false,
        grants: Grants::default(),
        // More than the default, since the machine may be busy; hostile guests get less.
        limits: Limits { time: Duration::from_secs(5), configure: Duration::from_secs(5), ..Limits::default() },
        isolation: Isolation::Pooled,
        on_error: OnError::Closed,
        state: State::Memory,
        place: "test.toml:1".into(),
    }
}

fn factory(bytes: &[u8], plugin: &Configured) -> Result<Arc<dyn PluginFactory>, ConfigureError> {
    host().configure(host().load(bytes).unwrap(), plugin, &IdentityFields::default())
}

fn plugin(bytes: &[u8], change: impl FnOnce(&mut Configured)) -> Rc<dyn Plugin> {
    plugin_with(bytes, Arc::new(Upstream::default()), change)
}

fn plugin_with(bytes: &[u8], client: Arc<dyn HttpClient>, change: impl FnOnce(&mut Configured)) -> Rc<dyn Plugin> {
    let mut configured = configured("test");
    change(&mut configured);
    factory(bytes, &configured).unwrap().on_thread(client)
}

fn exchange() -> Box<Exchange> {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("example.com"));
    headers.insert("x-a", HeaderValue::from_static("one"));
    Box::new(Exchange {
        id: "0123456789abcdef0123456789abcdef".into(),
        route: "route".into(),
        listener: "public".into(),
        client: [192, 0, 2, 7].into(),
        ends: None,
        request: RequestHead {
            method: Method::GET,
            scheme: "http",
            target: PathAndQuery::from_static("/a/b?c=d"),
            headers,
        },
        response: None,
        identity: None,
        identified_by: None,
        captures: vec![("id".into(), "7".into())],
        attributes: Vec::new(),
        states: Vec::new(),
        calls: Vec::new(),
        websocket: false,
        grpc: false,
        deadline: None,
        trail: Default::default(),
    })
}

fn answered() -> Box<Exchange> {
    let mut exchange = exchange();
    exchange.response =
        Some(ResponseHead { status: http::StatusCode::OK, headers: HeaderMap::new(), origin: Origin::Upstream });
    exchange
}

/// Run on a thread's own runtime, as a data thread does.
fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// One call of `on-request` without a lease to keep.
async fn on_request(plugin: &Rc<dyn Plugin>) -> (Box<Exchange>, Result<crate::plugin::role::Decision, PluginError>) {
    plugin.on_request(&mut Lease::default(), exchange()).await
}

fn error<T>(result: Result<T, PluginError>) -> PluginError {
    match result {
        Ok(_) => panic!("the call should have failed"),
        Err(error) => error,
    }
}

/// An upstream that answers what it was told to and keeps what it was asked. Without an answer it is silent.
#[derive(Default)]
struct Upstream {
    answers: Mutex<VecDeque<Result<http::Response<Bytes>, ClientError>>>,
    asked: Mutex<Vec<(String, http::Request<Bytes>)>>,
}

impl Upstream {
    fn answering(answers: impl IntoIterator<Item = Result<http::Response<Bytes>, ClientError>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() })
    }
}

impl HttpClient for Upstream {
    fn send(
        &self,
        cluster: &str,
        request: http::Request<Bytes>,
        _: Option<Duration>,
        _: usize,
        _: Option<Followed>,
    ) -> Sending {
        self.asked.lock().unwrap().push((cluster.to_owned(), request));
        match self.answers.lock().unwrap().pop_front() {
            Some(answer) => Box::pin(async {
                tokio::task::yield_now().await;
                answer
            }),
            None => Box::pin(std::future::pending()),
        }
    }
}
