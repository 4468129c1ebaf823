//! Runs one case: a request goes through the plugin's hooks in the gateway's order. Bodies, edits and handles
//! are the real host's; only the network isn't there.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use sluice::plugin::edit;
use sluice::plugin::exchange::{Exchange, Identity, LocalResponse, Origin, RequestHead, ResponseHead};
use sluice::plugin::role::{
    Authentication, Authorization, BodyDecision, Chunk, Decision, Direction, Hooks, Lease, Plugin, PluginError, Quota,
    Verdict,
};

use super::cases::{Answer, Case, Fields};
use super::pick;

/// What chunk hooks do, who decide nothing.
const PASS: &str = "pass";

/// What a plugin did.
pub struct Observed {
    /// The hooks that were called, with their decisions.
    pub steps: Vec<(&'static str, &'static str)>,
    pub error: Option<PluginError>,
    pub exchange: Option<Box<Exchange>>,
    pub request_body: Bytes,
    pub answer: Option<Message>,
    pub quota: Option<Quota>,
    /// What a balance plugin chose.
    pub pick: Option<Option<usize>>,
    pub took: Duration,
}

/// An answer.
pub struct Message {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Observed {
    /// The decision of the last hook of the request phase. Chunk hooks decide nothing, but can fail.
    pub fn decision(&self) -> &'static str {
        let decided = || self.steps.iter().rev().filter(|(_, decision)| *decision != PASS);
        let of_request = decided().find(|(hook, _)| !hook.starts_with("on-response"));
        of_request.or(decided().next()).map_or("continue", |(_, decision)| decision)
    }
}

/// What every request of a case is made from.
pub struct Prepared {
    method: Method,
    scheme: &'static str,
    target: http::uri::PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
    answer: Message,
}

impl Prepared {
    /// Check what a case says of requests and answers.
    ///
    /// # Errors
    /// A client or an upstream couldn't send this.
    pub fn new(case: &Case) -> Result<Self, String> {
        let request = &case.request;
        let scheme = match request.scheme.as_str() {
            "http" => "http",
            "https" => "https",
            _ => return Err("request.scheme: must be \"http\" or \"https\"".into()),
        };
        let mut headers = header_map(&request.headers).map_err(|why| format!("request.headers: {why}"))?;
        let host = HeaderValue::from_str(&request.host).map_err(|_| "request.host: isn't a host")?;
        headers.entry(HOST).or_insert(host);
        for upstream in &case.upstream {
            header_map(&upstream.headers).map_err(|why| format!("upstream.headers: {why}"))?;
            status(upstream.status).map_err(|why| format!("upstream.status: {why}"))?;
        }
        let Answer { status: code, headers: fields, body } = &case.answer;
        let answer = Message {
            status: status(*code).map_err(|why| format!("answer.status: {why}"))?,
            headers: header_map(fields).map_err(|why| format!("answer.headers: {why}"))?,
            body: Bytes::from(body.clone()),
        };
        Ok(Self {
            method: edit::parse_method(&request.method).map_err(|error| format!("request.method: {error}"))?,
            scheme,
            target: edit::parse_target(&request.path).map_err(|error| format!("request.path: {error}"))?,
            headers,
            body: Bytes::from(request.body.clone()),
            answer,
        })
    }

    fn exchange(&self, case: &Case) -> Box<Exchange> {
        let identity = case.identity.as_ref().map(|identity| Identity {
            subject: identity.subject.clone(),
            issuer: identity.issuer.clone(),
            expires_at: identity.expires_at,
            claims: identity
                .claims
                .as_ref()
                .map_or_else(|| "{}".to_owned(), |claims| super::compare::json(claims).to_string()),
        });
        Box::new(Exchange {
            id: "00000000000000000000000000000001".into(),
            route: "test".into(),
            listener: "test".into(),
            client: case.request.client_address,
            ends: None,
            request: RequestHead {
                method: self.method.clone(),
                scheme: self.scheme,
                target: self.target.clone(),
                headers: self.headers.clone(),
            },
            response: None,
            identified_by: identity.as_ref().map(|_| "test".into()),
            identity,
            captures: case.request.captures.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect(),
            attributes: Vec::new(),
            states: Vec::new(),
            calls: Vec::new(),
            websocket: false,
            grpc: false,
            deadline: None,
            trail: Default::default(),
        })
    }
}

fn status(code: u16) -> Result<StatusCode, String> {
    match StatusCode::from_u16(code) {
        Ok(status) if (200..=599).contains(&code) => Ok(status),
        _ => Err("must be within 200 and 599".into()),
    }
}

fn header_map(fields: &Fields) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, values) in &fields.0 {
        for value in values.texts() {
            let value =
                HeaderValue::from_str(value).map_err(|_| format!("the value of {name:?} can't be in a field"))?;
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} isn't a field's name"))?;
            map.append(key, value);
        }
    }
    Ok(map)
}

/// One request through all hooks.
pub async fn run(plugin: &Rc<dyn Plugin>, case: &Case, prepared: &Prepared) -> Observed {
    let mut run = Run {
        plugin,
        lease: Lease::default(),
        exchange: Some(prepared.exchange(case)),
        observed: Observed {
            steps: Vec::new(),
            error: None,
            exchange: None,
            request_body: prepared.body.clone(),
            answer: None,
            quota: None,
            pick: None,
            took: Duration::ZERO,
        },
    };
    if plugin.hooks().has(Hooks::BALANCE) {
        run.pick(case);
    }
    run.request_phase().await;
    if run.observed.error.is_none() && run.observed.answer.is_none() {
        run.response_phase(&prepared.answer).await;
    }
    let Run { exchange, mut observed, .. } = run;
    observed.exchange = exchange;
    observed
}

struct Run<'a> {
    plugin: &'a Rc<dyn Plugin>,
    lease: Lease,
    exchange: Option<Box<Exchange>>,
    observed: Observed,
}

/// Call one hook. The exchange goes in and comes back; a failure is noted and gives none.
macro_rules! call {
    ($run:ident, $hook:expr, $function:ident $(, $argument:expr)*) => {{
        let exchange = $run.exchange.take()?;
        let begun = Instant::now();
        let (exchange, outcome) = $run.plugin.$function(&mut $run.lease, exchange $(, $argument)*).await;
        $run.observed.took += begun.elapsed();
        $run.exchange = Some(exchange);
        $run.outcome($hook, outcome)?
    }};
}

impl Run<'_> {
    fn outcome<T>(&mut self, hook: &'static str, outcome: Result<T, PluginError>) -> Option<T> {
        match outcome {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                self.observed.steps.push((hook, "failed"));
                self.observed.error = Some(error);
                None
            }
        }
    }

    fn step(&mut self, hook: &'static str, decision: &'static str) {
        self.observed.steps.push((hook, decision));
    }

    fn respond(&mut self, hook: &'static str, decision: &'static str, answer: LocalResponse) {
        self.step(hook, decision);
        let headers = answer.headers.into_iter().collect();
        self.observed.answer = Some(Message { status: answer.status, headers, body: answer.body });
    }

    fn pick(&mut self, case: &Case) {
        let Some(exchange) = &self.exchange else { return };
        let begun = Instant::now();
        let picked = pick::pick(self.plugin, case, exchange);
        self.observed.took += begun.elapsed();
        if let Some(picked) = self.outcome("balance", picked) {
            self.step("balance", "picked");
            self.observed.pick = Some(picked);
        }
    }

    /// None as soon as a hook has failed or the exchange is answered.
    async fn request_phase(&mut self) -> Option<()> {
        let hooks = self.plugin.hooks();
        if hooks.has(Hooks::AUTHENTICATE) {
            match call!(self, "authenticate", authenticate) {
                Authentication::Identified(identity) => {
                    self.step("authenticate", "identified");
                    let exchange = self.exchange.as_mut()?;
                    exchange.identified_by = Some(self.plugin.name().clone());
                    exchange.identity = Some(identity);
                }
                Authentication::NoCredentials => self.step("authenticate", "no-credentials"),
                Authentication::Denied(answer) => {
                    self.respond("authenticate", "denied", answer);
                    return None;
                }
            }
        }
        if hooks.has(Hooks::AUTHORIZE) {
            match call!(self, "authorize", authorize) {
                Authorization::Allowed => self.step("authorize", "allowed"),
                Authorization::Denied(answer) => {
                    self.respond("authorize", "denied", answer);
                    return None;
                }
            }
        }
        if hooks.has(Hooks::RATE_LIMIT) {
            match call!(self, "rate-limit", rate_limit) {
                Verdict::Admitted(quota) => {
                    self.step("rate-limit", "admitted");
                    self.observed.quota = quota;
                }
                Verdict::Rejected(quota) => {
                    self.step("rate-limit", "rejected");
                    self.observed.quota = Some(quota);
                    return None;
                }
            }
        }
        if hooks.has(Hooks::ON_REQUEST) {
            match call!(self, "on-request", on_request) {
                Decision::Continue => self.step("on-request", "continue"),
                Decision::Respond(answer) => {
                    self.respond("on-request", "respond", answer);
                    return None;
                }
                Decision::NeedBody => {
                    self.step("on-request", "need-body");
                    self.request_body().await?;
                }
            }
        }
        if hooks.has(Hooks::AGGREGATE) {
            let answer = call!(self, "aggregate", aggregate);
            self.respond("aggregate", "respond", answer);
            return Some(());
        }
        let body = self.observed.request_body.clone();
        self.observed.request_body = self.piece(Direction::Request, body).await?;
        Some(())
    }

    /// A body as one piece, like all that are short and in memory.
    async fn piece(&mut self, direction: Direction, bytes: Bytes) -> Option<Bytes> {
        if !self.plugin.hooks().has(direction.hook()) || bytes.is_empty() {
            return Some(bytes);
        }
        let name = direction.hook().names().next().unwrap_or_default();
        let chunk = Chunk { direction, bytes, last: true };
        let out = call!(self, name, on_chunk, chunk);
        self.step(name, PASS);
        Some(out)
    }

    async fn request_body(&mut self) -> Option<()> {
        let body = self.observed.request_body.clone();
        match call!(self, "on-request-body", on_request_body, body) {
            BodyDecision::Continue => self.step("on-request-body", "continue"),
            BodyDecision::Replace(body) => {
                self.step("on-request-body", "replace");
                self.observed.request_body = body;
            }
            BodyDecision::Respond(answer) => {
                self.respond("on-request-body", "respond", answer);
                return None;
            }
        }
        Some(())
    }

    async fn response_phase(&mut self, answer: &Message) -> Option<()> {
        let hooks = self.plugin.hooks();
        let sees = Hooks::ON_RESPONSE.with(Hooks::ON_RESPONSE_CHUNK);
        if !hooks.intersects(sees) || self.observed.quota.is_some() && self.observed.decision() == "rejected" {
            return None;
        }
        self.exchange.as_mut()?.response =
            Some(ResponseHead { status: answer.status, headers: answer.headers.clone(), origin: Origin::Upstream });
        let mut body = answer.body.clone();
        if hooks.has(Hooks::ON_RESPONSE) {
            body = self.response_head(body).await?;
        }
        body = self.piece(Direction::Response, body).await?;
        let head = self.exchange.as_ref()?.response.as_ref()?;
        self.observed.answer = Some(Message { status: head.status, headers: head.headers.clone(), body });
        Some(())
    }

    /// The body that goes on.
    async fn response_head(&mut self, mut body: Bytes) -> Option<Bytes> {
        match call!(self, "on-response", on_response) {
            Decision::Continue => self.step("on-response", "continue"),
            Decision::Respond(answer) => {
                self.respond("on-response", "respond", answer);
                return None;
            }
            Decision::NeedBody => {
                self.step("on-response", "need-body");
                match call!(self, "on-response-body", on_response_body, body.clone()) {
                    BodyDecision::Continue => self.step("on-response-body", "continue"),
                    BodyDecision::Replace(other) => {
                        self.step("on-response-body", "replace");
                        body = other;
                    }
                    BodyDecision::Respond(answer) => {
                        self.respond("on-response-body", "respond", answer);
                        return None;
                    }
                }
            }
        }
        Some(body)
    }
}

/// A plugin's name for one case: what it keeps is its own.
pub fn name(index: usize) -> Arc<str> {
    format!("plugin-{}", index + 1).into()
}
