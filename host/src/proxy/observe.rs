//! What is told of exchanges to those who watch: the access log and the list of refused requests. Costs a
//! look at two empty fields when nobody does and all is well.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::entry::Refused;
use super::session::Session;
use crate::body::{Body, BodyError, Stream};
use crate::plugin::exchange::{Exchange, Origin};
use crate::snapshot::thread::ThreadSnapshot;
use crate::telemetry::access::{Entry, Outcome};
use crate::telemetry::refusals::Refusal;
use crate::telemetry::traces::{self, TraceContext};
use crate::telemetry::trail::Reason;

/// The line of one request, if lines are written. Dropped without an answer, it tells that the client went.
pub(super) type Line = Option<Box<Entry>>;

/// Begin a line with a request as it came.
pub(super) fn begin(snapshot: &ThreadSnapshot, session: &Session, request: &Request<Body>, start: Instant) -> Line {
    let log = snapshot.access_log.as_ref()?;
    let connection = &session.connection;
    Some(log.begin(request, connection.scheme, connection.peer.ip(), &connection.listener, start))
}

/// The trace that a request belongs to, if requests are traced.
pub(super) fn trace(line: &Line) -> Option<TraceContext> {
    line.as_ref().and_then(|line| line.trace())
}

/// Have the exchange note what will be told of it, and tell plugins, where there are some, of its trace; each endpoint is
/// told when its try begins.
pub(super) fn prepare(snapshot: &ThreadSnapshot, line: &Line, has_plugins: bool, exchange: &mut Exchange) {
    let Some(log) = &snapshot.access_log else { return };
    let trace = trace(line);
    if let Some(trace) = trace {
        traces::mark(&mut exchange.request.headers, &trace, has_plugins);
        exchange.trail.trace(trace);
    }
    if log.wants_details() {
        exchange.trail.keep_details();
    } else if log.wants_steps() || trace.is_some_and(|trace| trace.is_sampled()) {
        exchange.trail.keep_steps();
    }
}

/// Tell of a request that found no route.
pub(super) fn refused(snapshot: &ThreadSnapshot, line: Line, refused: Refused) -> Response<Body> {
    let Refused { id, method, path, reason, answer, .. } = refused;
    let status = answer.status();
    let reason = Reason::from(reason);
    snapshot.refusals.add(Refusal {
        number: 0,
        at: SystemTime::now(),
        request_id: Arc::clone(&id),
        route: None,
        method,
        path,
        status: status.as_u16(),
        plugin: None,
        reason: reason.to_string(),
    });
    let outcome = Outcome { status, request_id: Some(id), reason: Some(reason), ..Outcome::default() };
    end(line, outcome, answer)
}

/// What is known of an exchange before its answer leaves.
pub(super) fn finish(snapshot: &ThreadSnapshot, line: &mut Line, exchange: &mut Exchange) -> Option<Outcome> {
    let response = exchange.response.as_ref()?;
    let (status, origin) = (response.status, response.origin);
    let is_refusal = status.as_u16() >= 400 && origin != Origin::Upstream;
    if line.is_none() && !is_refusal {
        return None;
    }
    let plugin = exchange.trail.author();
    let reason = exchange
        .trail
        .take_reason()
        .or_else(|| (is_refusal && plugin.is_some()).then(|| "answered by the plugin".into()));
    if is_refusal && (plugin.is_some() || reason.is_some()) {
        snapshot.refusals.add(Refusal {
            number: 0,
            at: SystemTime::now(),
            request_id: Arc::clone(&exchange.id),
            route: Some(Arc::clone(&exchange.route)),
            method: exchange.request.method.clone(),
            path: exchange.request.target.path().to_owned(),
            status: status.as_u16(),
            plugin: plugin.clone(),
            reason: reason.as_deref().unwrap_or_default().to_owned(),
        });
    }
    if let Some(context) = exchange.trail.context() {
        line.as_mut()?.traced(context);
    }
    line.as_ref()?;
    let identity = exchange.identity.take();
    let (subject, issuer) = identity.map_or((None, None), |identity| (Some(identity.subject), identity.issuer));
    Some(Outcome {
        status,
        request_id: Some(Arc::clone(&exchange.id)),
        route: Some(Arc::clone(&exchange.route)),
        client: Some(exchange.client),
        subject,
        issuer,
        identified_by: exchange.identified_by.take(),
        refused_by: plugin.filter(|_| is_refusal),
        reason,
        steps: exchange.trail.take_steps(),
    })
}

/// End a line with the answer; if its body comes as a stream, with the stream's end.
pub(super) fn end(line: Line, outcome: Outcome, answer: Response<Body>) -> Response<Body> {
    let Some(mut entry) = line else { return answer };
    entry.answered(outcome, answer.headers());
    answer.map(|body| match body {
        Body::Empty => Body::Empty,
        Body::Full(bytes) => {
            entry.add_bytes(bytes.len());
            Body::Full(bytes)
        }
        Body::Stream(inner) => Body::Stream(Box::pin(Logged { inner, entry, ended: false })),
        // Written when the connection ends.
        Body::Switched(mut switched) => {
            switched.life.push(entry);
            Body::Switched(switched)
        }
    })
}

/// A body that is counted on its way; its entry is written at its end.
struct Logged {
    inner: Stream,
    entry: Box<Entry>,
    ended: bool,
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = this.inner.as_mut().poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.entry.add_bytes(frame.data_ref().map_or(0, Bytes::len));
                this.ended = this.inner.is_end_stream();
            }
            Poll::Ready(Some(Err(error))) => {
                this.ended = true;
                this.entry.broke(&error.to_string());
            }
            Poll::Ready(None) => this.ended = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if !self.ended && !self.inner.is_end_stream() {
            self.entry.broke("the client closed the connection within the answer");
        }
    }
}
