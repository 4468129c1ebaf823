//! Plugins made of closures, which write down when they are called.

use std::cell::RefCell;
use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};

use crate::balance::{PickContext, View};
use crate::body::{Body, BodyError};
use crate::config::model::OnError;
use crate::error::Error;
use crate::plugin::chain::{Chain, Passage};
use crate::plugin::exchange::{Exchange, Identity, LocalResponse, Origin, RequestHead, ResponseHead};
use crate::plugin::role::{
    Authentication, Authorization, BodyDecision, Call, Chunk, Decision, Hooks, Lease, Plugin, PluginError, Quota,
    Verdict,
};

/// What was called, in order: `name.hook`.
pub type Log = Rc<RefCell<Vec<String>>>;

type Script<T> = Option<Box<dyn Fn(&mut Exchange) -> Result<T, PluginError>>>;
pub type BodyScript = Option<Box<dyn Fn(&mut Exchange, Bytes) -> Result<BodyDecision, PluginError>>>;

type ChunkScript = Option<Box<dyn Fn(&mut Exchange, Chunk) -> Result<Bytes, PluginError>>>;

/// A plugin that does what its fields say, and has the hooks whose fields are there.
#[derive(Default)]
pub struct Fake {
    pub name: Option<Arc<str>>,
    pub log: Log,
    pub on_error: OnError,
    pub body_limit: usize,
    pub authenticate: Script<Authentication>,
    pub authorize: Script<Authorization>,
    pub rate_limit: Script<Verdict>,
    pub on_request: Script<Decision>,
    pub on_request_body: BodyScript,
    pub on_chunk: ChunkScript,
    pub on_response: Script<Decision>,
    pub on_response_body: BodyScript,
    pub aggregate: Script<LocalResponse>,
}

impl Fake {
    fn call<'a, T: 'a>(&self, hook: &str, script: &Script<T>, mut exchange: Box<Exchange>) -> Call<'a, T> {
        self.log.borrow_mut().push(format!("{}.{hook}", self.name()));
        let result = match script {
            Some(script) => script(&mut exchange),
            None => panic!("{hook} isn't a hook of {}", self.name()),
        };
        Box::pin(ready((exchange, result)))
    }

    fn call_body<'a>(
        &self,
        hook: &str,
        script: &BodyScript,
        mut exchange: Box<Exchange>,
        body: Bytes,
    ) -> Call<'a, BodyDecision> {
        self.log.borrow_mut().push(format!("{}.{hook}", self.name()));
        let result = match script {
            Some(script) => script(&mut exchange, body),
            None => panic!("{hook} isn't a hook of {}", self.name()),
        };
        Box::pin(ready((exchange, result)))
    }
}

impl Plugin for Fake {
    fn name(&self) -> &Arc<str> {
        self.name.as_ref().unwrap()
    }

    fn hooks(&self) -> Hooks {
        [
            (self.authenticate.is_some(), Hooks::AUTHENTICATE),
            (self.authorize.is_some(), Hooks::AUTHORIZE),
            (self.rate_limit.is_some(), Hooks::RATE_LIMIT),
            (self.on_request.is_some(), Hooks::ON_REQUEST),
            (self.on_request_body.is_some(), Hooks::ON_REQUEST_BODY),
            (self.on_chunk.is_some(), Hooks::ON_REQUEST_CHUNK.with(Hooks::ON_RESPONSE_CHUNK)),
            (self.on_response.is_some(), Hooks::ON_RESPONSE),
            (self.on_response_body.is_some(), Hooks::ON_RESPONSE_BODY),
            (self.aggregate.is_some(), Hooks::AGGREGATE),
        ]
        .into_iter()
        .filter(|(there, _)| *there)
        .fold(Hooks::default(), |all, (_, hook)| all.with(hook))
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn body_limit(&self) -> usize {
        self.body_limit
    }

    fn authenticate<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Authentication> {
        self.call("authenticate", &self.authenticate, exchange)
    }

    fn authorize<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Authorization> {
        self.call("authorize", &self.authorize, exchange)
    }

    fn rate_limit<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Verdict> {
        self.call("rate-limit", &self.rate_limit, exchange)
    }

    fn on_request<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Decision> {
        self.call("on-request", &self.on_request, exchange)
    }

    fn on_request_body<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>, body: Bytes) -> Call<'a, BodyDecision> {
        self.call_body("on-request-body", &self.on_request_body, exchange, body)
    }

    fn on_response<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Decision> {
        self.call("on-response", &self.on_response, exchange)
    }

    fn on_response_body<'a>(
        &'a self,
        _: &'a mut Lease,
        exchange: Box<Exchange>,
        body: Bytes,
    ) -> Call<'a, BodyDecision> {
        self.call_body("on-response-body", &self.on_response_body, exchange, body)
    }

    fn on_chunk<'a>(&'a self, _: &'a mut Lease, mut exchange: Box<Exchange>, chunk: Chunk) -> Call<'a, Bytes> {
        let result = match &self.on_chunk {
            Some(script) => script(&mut exchange, chunk),
            None => panic!("chunks are no hook of {}", self.name()),
        };
        Box::pin(ready((exchange, result)))
    }

    fn aggregate<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, LocalResponse> {
        self.call("aggregate", &self.aggregate, exchange)
    }

    fn pick(&self, _: &PickContext<'_>, _: &dyn View) -> Result<Option<usize>, PluginError> {
        Ok(None)
    }
}

/// Chains of fakes with one log.
#[derive(Default)]
pub struct Bench {
    log: Log,
    plugins: Vec<Rc<dyn Plugin>>,
}

impl Bench {
    pub fn with(mut self, name: &str, fake: Fake) -> Self {
        let log = Rc::clone(&self.log);
        self.plugins.push(Rc::new(Fake { name: Some(name.into()), log, ..fake }));
        self
    }

    /// Run a whole exchange; the destination answers `upstream` if the request gets there.
    pub fn run(self, exchange: Exchange, body: Body, upstream: (&[(&str, &str)], Body)) -> Ran {
        self.run_as(exchange, body, upstream, false)
    }

    pub fn run_as(self, exchange: Exchange, body: Body, upstream: (&[(&str, &str)], Body), anonymous: bool) -> Ran {
        let chain = Chain::new(self.plugins);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let log = self.log;
        // Bodies pass through chunk hooks in tasks of their own.
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let mut run = chain.start();
            let mut body = body;
            let (mut exchange, passage) = chain.request(&mut run, Box::new(exchange), &mut body, anonymous).await;
            let mut error = None;
            let mut sent = None;
            let mut body = match passage {
                Passage::Continue => {
                    log.borrow_mut().push("upstream".into());
                    match body.collect(1 << 20).await {
                        Ok(bytes) => {
                            sent = Some(bytes);
                            let headers = super::headers(upstream.0);
                            exchange.response =
                                Some(ResponseHead { status: StatusCode::OK, headers, origin: Origin::Upstream });
                            upstream.1
                        }
                        Err(_) => exchange.answer_with(rendered(&Error::RequestBody, &exchange), Origin::Gateway),
                    }
                }
                Passage::Answer(answer) => exchange.answer_with(answer, Origin::Plugin),
                Passage::Failed(failed) => {
                    let answer = rendered(&failed, &exchange);
                    error = Some(failed);
                    exchange.answer_with(answer, Origin::Gateway)
                }
            };
            let exchange = *chain.response(&mut run, exchange, &mut body, &rendered).await;
            let calls = log.borrow().clone();
            let (body, broken) = match body.collect(1 << 20).await {
                Ok(body) => (body, None),
                Err(error) => (Bytes::new(), Some(error)),
            };
            Ran { calls, error, sent, body, broken, exchange }
        })
    }
}

/// An exchange that is over.
#[derive(Debug)]
pub struct Ran {
    pub calls: Vec<String>,
    /// Of the request phase.
    pub error: Option<Error>,
    /// The body that went upstream.
    pub sent: Option<Bytes>,
    pub body: Bytes,
    /// What the answer's body ended with, if not well.
    pub broken: Option<BodyError>,
    pub exchange: Exchange,
}

impl Ran {
    pub fn status(&self) -> u16 {
        self.response().status.as_u16()
    }

    pub fn response(&self) -> &ResponseHead {
        self.exchange.response.as_ref().unwrap()
    }
}

/// Errors as bodies, so that tests can read them.
fn rendered(error: &Error, _: &Exchange) -> LocalResponse {
    let status = match error {
        Error::Plugin { .. } => 503,
        Error::Unauthenticated => 401,
        Error::RateLimited { .. } => 429,
        _ => 500,
    };
    local(status, format!("{error:?}"))
}

pub fn local(status: u16, body: impl Into<Bytes>) -> LocalResponse {
    LocalResponse { status: StatusCode::from_u16(status).unwrap(), headers: Vec::new(), body: body.into() }
}

pub fn exchange(method: Method, fields: &[(&str, &str)]) -> Exchange {
    let mut headers = super::headers(fields);
    headers.insert("host", HeaderValue::from_static("test"));
    Exchange {
        id: "id".into(),
        route: "route".into(),
        listener: "listener".into(),
        client: [192, 0, 2, 1].into(),
        ends: None,
        request: RequestHead { method, scheme: "http", target: "/".parse().unwrap(), headers },
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
    }
}

pub fn identity(subject: &str) -> Identity {
    Identity { subject: subject.into(), issuer: None, expires_at: None, claims: "{}".into() }
}

pub fn quota(policy: &str, remaining: u64) -> Quota {
    Quota {
        policy: policy.into(),
        limit: 10,
        window_ms: 1000,
        remaining,
        reset_ms: 500,
        retry_after_ms: if remaining == 0 { 1500 } else { 0 },
    }
}

/// A script that says the same whatever is asked.
pub fn always<T>(make: impl Fn() -> T + 'static) -> Script<T> {
    Some(Box::new(move |_| Ok(make())))
}

pub fn fails<T>() -> Script<T> {
    Some(Box::new(|_| Err(PluginError::Time)))
}
