//! One request on its way into the log. The entry is begun with the request and written when it is dropped,
//! so that no request is missing, whatever becomes of it.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use smallvec::SmallVec;

use super::redact;
use super::writer::Lane;
use super::{combined, field::Field, json};
use crate::config::model::{AccessFormat, AccessLog, AccessWhen};
use crate::telemetry::traces::{Finished, TraceContext, Tracer};
use crate::telemetry::trail::{Reason, Steps};
use crate::telemetry::witness::{Witness, Witnessed};

/// What nginx says of clients that didn't wait.
const CLIENT_CLOSED: u16 = 499;

/// The log on one thread.
pub struct Log {
    config: Arc<AccessLog>,
    /// None if no lines are written, and there is only a witness or a tracer.
    lane: Option<Lane>,
    witness: Option<Witness>,
    tracer: Option<Tracer>,
    /// Fields of requests and of answers that lines show, in the order of the entries' values.
    pub(super) request: Vec<HeaderName>,
    pub(super) response: Vec<HeaderName>,
    steps: bool,
    line: RefCell<Vec<u8>>,
}

type Values = SmallVec<[Option<HeaderValue>; 3]>;

/// One request. What isn't known stays away from the line.
pub struct Entry {
    log: Rc<Log>,
    start: Instant,
    trace: Option<TraceContext>,
    pub(super) at: SystemTime,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) scheme: &'static str,
    pub(super) host: Option<HeaderValue>,
    pub(super) peer: IpAddr,
    pub(super) listener: Arc<str>,
    pub(super) request: Values,
    pub(super) response: Values,
    pub(super) outcome: Option<Outcome>,
    /// Of the answer's body.
    pub(super) bytes: u64,
    /// What went wrong after the answer's head was sent.
    pub(super) broken: Option<Reason>,
    pub(super) duration: Duration,
}

/// How the request was answered.
#[derive(Default)]
pub struct Outcome {
    pub status: StatusCode,
    pub request_id: Option<Arc<str>>,
    pub route: Option<Arc<str>>,
    pub client: Option<IpAddr>,
    pub subject: Option<String>,
    pub issuer: Option<String>,
    pub identified_by: Option<Arc<str>>,
    pub refused_by: Option<Arc<str>>,
    pub reason: Option<Reason>,
    pub steps: Option<Box<Steps>>,
}

impl Log {
    /// A log that writes lines of this form to `lane`, and tells `witness` and `tracer`; none if there is none of them.
    pub fn new(
        written: Option<(Arc<AccessLog>, Lane)>,
        witness: Option<Witness>,
        tracer: Option<Tracer>,
    ) -> Option<Rc<Self>> {
        let (config, lane) = match written {
            Some((config, lane)) => (config, Some(lane)),
            None if witness.is_some() || tracer.is_some() => (Arc::new(AccessLog::default()), None),
            None => return None,
        };
        let (mut request, mut response, mut steps) = (Vec::new(), Vec::new(), false);
        match &config.format {
            AccessFormat::Json(fields) => {
                for field in fields {
                    steps |= field.needs_steps();
                    match field {
                        Field::Request(name) => request.push(name.clone()),
                        Field::Response(name) => response.push(name.clone()),
                        _ => {}
                    }
                }
            }
            AccessFormat::Common => {}
            AccessFormat::Combined => request = vec![header::REFERER, header::USER_AGENT],
        }
        let line = RefCell::default();
        Some(Rc::new(Self { config, lane, witness, tracer, request, response, steps, line }))
    }

    /// Whether lines tell of plugins or endpoints.
    pub fn wants_steps(&self) -> bool {
        self.steps
    }

    /// Whether somebody wants to know what plugins change and log.
    pub fn wants_details(&self) -> bool {
        self.witness.is_some()
    }

    /// Begin with a request as it came in.
    pub fn begin<B>(
        self: &Rc<Self>,
        request: &http::Request<B>,
        scheme: &'static str,
        peer: IpAddr,
        listener: &Arc<str>,
        start: Instant,
    ) -> Box<Entry> {
        Box::new(Entry {
            log: Rc::clone(self),
            start,
            trace: self.tracer.as_ref().map(|tracer| tracer.begin(request.headers())),
            at: SystemTime::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            scheme,
            host: request.headers().get(header::HOST).cloned(),
            peer,
            listener: Arc::clone(listener),
            request: self.capture(&self.request, request.headers()),
            response: Values::new(),
            outcome: None,
            bytes: 0,
            broken: None,
            duration: Duration::ZERO,
        })
    }

    /// The first values of these fields; secret ones are never taken.
    fn capture(&self, names: &[HeaderName], headers: &HeaderMap) -> Values {
        let value = |name: &HeaderName| Some(redact::field(name, headers.get(name)?, &self.config.redact));
        names.iter().map(value).collect()
    }

    pub(super) fn query<'a>(&self, query: &'a str) -> std::borrow::Cow<'a, str> {
        redact::query(query, &self.config.redact)
    }

    fn tell(&self, entry: &mut Entry) {
        let Some(witness) = &self.witness else { return };
        let steps = entry.outcome.as_mut().and_then(|outcome| outcome.steps.as_mut());
        let calls = steps.map(|steps| std::mem::take(&mut steps.calls)).unwrap_or_default();
        let outcome = entry.outcome.as_ref();
        witness.tell(Witnessed {
            method: entry.method.clone(),
            uri: entry.uri.clone(),
            status: entry.status(),
            route: outcome.and_then(|outcome| outcome.route.clone()),
            duration: entry.duration,
            refused_by: outcome.and_then(|outcome| outcome.refused_by.clone()),
            reason: entry.reason().map(str::to_owned),
            calls,
        });
    }

    /// Last, since it takes what others read.
    fn trace(&self, entry: &mut Entry) {
        let (Some(tracer), Some(context)) = (&self.tracer, entry.trace.filter(TraceContext::is_sampled)) else {
            return;
        };
        let reason = entry.reason().map(str::to_owned);
        let (status, client) = (entry.status(), entry.client());
        let outcome = entry.outcome.take().unwrap_or_default();
        tracer.tell(Finished {
            context,
            at: entry.at,
            start: entry.start,
            duration: entry.duration,
            method: entry.method.clone(),
            version: entry.version,
            scheme: entry.scheme,
            host: entry.host.as_ref().and_then(|host| host.to_str().ok()).map(str::to_owned),
            path: entry.uri.path().to_owned(),
            query: entry.uri.query().map(|query| self.query(query).into_owned()),
            client,
            route: outcome.route,
            request_id: outcome.request_id,
            status,
            reason,
            refused_by: outcome.refused_by,
            steps: outcome.steps,
        });
    }

    fn write(&self, entry: &Entry) {
        let Some(lane) = &self.lane else { return };
        if self.config.when == AccessWhen::Errors && entry.status() < 400 && entry.broken.is_none() {
            return;
        }
        // Nothing that formats a line logs another.
        let Ok(mut line) = self.line.try_borrow_mut() else { return };
        line.clear();
        match &self.config.format {
            AccessFormat::Json(fields) => json::write(self, fields, entry, &mut line),
            AccessFormat::Common => combined::write(self, entry, false, &mut line),
            AccessFormat::Combined => combined::write(self, entry, true, &mut line),
        }
        line.push(b'\n');
        lane.append(&line);
    }
}

impl Entry {
    /// The answer's head is known.
    pub fn answered(&mut self, outcome: Outcome, headers: &HeaderMap) {
        self.response = self.log.capture(&self.log.response, headers);
        self.outcome = Some(outcome);
    }

    /// The trace that it belongs to, if requests are traced.
    pub fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    /// The same with the spans that were begun since.
    pub fn traced(&mut self, context: TraceContext) {
        self.trace = Some(context);
    }

    /// More of the answer's body was handed on.
    pub fn add_bytes(&mut self, count: usize) {
        self.bytes = self.bytes.saturating_add(count as u64);
    }

    /// The answer broke off.
    pub fn broke(&mut self, reason: &str) {
        self.broken.get_or_insert_with(|| reason.into());
    }

    pub(super) fn status(&self) -> u16 {
        self.outcome.as_ref().map_or(CLIENT_CLOSED, |outcome| outcome.status.as_u16())
    }

    /// Why it was refused, or broke off.
    pub(super) fn reason(&self) -> Option<&str> {
        match &self.outcome {
            None => Some("the client closed the connection before the answer"),
            Some(outcome) => outcome.reason.as_deref().or(self.broken.as_deref()),
        }
    }

    pub(super) fn client(&self) -> IpAddr {
        self.outcome.as_ref().and_then(|outcome| outcome.client).unwrap_or(self.peer)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.duration = self.start.elapsed();
        let log = Rc::clone(&self.log);
        log.write(self);
        log.tell(self);
        log.trace(self);
    }
}
