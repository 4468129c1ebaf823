//! From a request that hyper has read to the handler, and from its answer back. It knows nothing of bytes.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::activity::{Activity, Answer, ClientBody, InFlight};
use super::drain::Connections;
use super::scan::{Limits, Refusal, Verdict};
use super::taking::Streams;
use super::{Handler, extended, tunnel};
use crate::body::Body;
use crate::error::Error;
use crate::overload::{self, Permit, Reason};

/// What requests of one connection pass.
pub(super) struct Passing {
    pub activity: Rc<Activity>,
    pub connections: Rc<Connections>,
    pub guard: Guard,
    pub overload: Arc<overload::Guard>,
}

/// What stands between a connection and the service.
pub(super) enum Guard {
    Http1(Rc<Verdict>),
    Http2(Streams, Limits),
}

/// Hands the requests of one connection to the handler.
pub(super) fn requests<H: Handler>(
    handler: Rc<H>,
    session: Rc<H::Session>,
    passing: Passing,
) -> impl Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible, Future: 'static> {
    service_fn(move |mut request: Request<Incoming>| {
        let Passing { activity, connections, guard, overload } = &passing;
        let entered = overload.enter();
        let shed = entered.as_ref().err().copied();
        let in_flight = InFlight::new(activity, entered.unwrap_or_default());
        let (verdict, taking) = match guard {
            Guard::Http1(verdict) => (Some(Rc::clone(verdict)), None),
            Guard::Http2(streams, _) => (None, Some(streams.begin())),
        };
        let extended = match guard {
            Guard::Http1(_) => None,
            Guard::Http2(streams, _) => {
                extended::translate(&mut request).map(|upgrade| Extended::new(upgrade, streams, &handler, &session))
            }
        };
        let refusal = match guard {
            Guard::Http1(verdict) => verdict.serve(),
            Guard::Http2(_, limits) => judge(&request, limits).map(Box::new),
        };
        let answer = match (refusal, shed) {
            (Some(refusal), _) => Outcome::Refused(handler.refuse(*refusal, &session)),
            (None, Some(reason)) => {
                let error = Error::Shed { retry_after: overload.retry_after() };
                let refusal = Refusal::of(error, &request);
                let mut answer = handler.refuse(refusal, &session);
                // Memory comes back with the connection; else another request on it is as welcome as before.
                if verdict.is_none() || reason == Reason::Requests {
                    answer.headers_mut().remove(header::CONNECTION);
                }
                Outcome::Refused(answer)
            }
            (None, None) => {
                let request =
                    request.map(|body| if body.is_end_stream() { Body::Empty } else { Body::stream(ClientBody(body)) });
                // Boxed: it is moved thrice before it starts, and it is large.
                Outcome::Taken(Box::pin(Rc::clone(&handler).handle(request, Rc::clone(&session))))
            }
        };
        let (activity, connections) = (Rc::clone(activity), Rc::clone(connections));
        async move {
            let answer = match answer {
                Outcome::Refused(answer) => answer,
                Outcome::Taken(answer) => answer.await,
            };
            let mut answer = match extended {
                Some(extended) => extended.begin(answer, &activity),
                None => switch(answer, &activity, verdict.as_deref()),
            };
            // Of HTTP/2 the driver says goodbye.
            if verdict.is_some() && connections.is_last(activity.served()) && !answer.status().is_informational() {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer.map(|body| Answer { body, taking, _in_flight: in_flight }))
        }
    })
}

/// The handshake of a WebSocket over HTTP/2, with what its answer needs.
struct Extended<H: Handler> {
    upgrade: OnUpgrade,
    connections: Rc<Connections>,
    handler: Rc<H>,
    session: Rc<H::Session>,
}

impl<H: Handler> Extended<H> {
    /// Boxed, so that other requests don't pay for it.
    fn new(upgrade: OnUpgrade, streams: &Streams, handler: &Rc<H>, session: &Rc<H::Session>) -> Box<Self> {
        let connections = Rc::clone(streams.connections());
        Box::new(Self { upgrade, connections, handler: Rc::clone(handler), session: Rc::clone(session) })
    }

    /// The answer for the client. If it may begin, a task passes on what is said.
    fn begin(self, answer: Response<Body>, activity: &Rc<Activity>) -> Response<Body> {
        let (answer, switched) = match extended::answer(answer) {
            extended::Outcome::Agreed(answer, switched) => (answer, switched),
            extended::Outcome::Refused(answer) => return answer,
            extended::Outcome::Misunderstood => {
                let (method, path) = (Method::GET, String::new());
                let refusal = Refusal { error: Error::Malformed, method, path, grpc: false };
                return self.handler.refuse(refusal, &self.session);
            }
        };
        let Self { upgrade, connections, .. } = self;
        // The connection isn't idle as long as it lasts.
        let in_flight = InFlight::new(activity, Permit::default());
        tokio::task::spawn_local(async move {
            if let Ok(upgraded) = upgrade.await {
                tunnel::run(switched, TokioIo::new(upgraded), &connections).await;
            }
            drop(in_flight);
        });
        answer
    }
}

/// The limits of HTTP/1's heads, for a request of HTTP/2; its size in all is hyper's to bound.
fn judge(request: &Request<Incoming>, limits: &Limits) -> Option<Refusal> {
    let (uri, headers) = (request.uri(), request.headers());
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    // Cookies come in as many pieces as there are, and become one field (RFC 9113, section 8.2.3).
    let fields = || headers.len() - headers.get_all(header::COOKIE).iter().count().saturating_sub(1);
    let error = if target > limits.target {
        Error::TargetTooLong
    } else if headers.len() > limits.fields && fields() > limits.fields {
        Error::HeadTooLarge
    } else {
        return None;
    };
    Some(Refusal::of(error, request))
}

/// Keep what the connection is to change to, for when the answer is out.
fn switch(answer: Response<Body>, activity: &Activity, verdict: Option<&Verdict>) -> Response<Body> {
    if !matches!(answer.body(), Body::Switched(_)) {
        return answer;
    }
    let (head, body) = answer.into_parts();
    if let (Body::Switched(switched), true) = (body, verdict.is_some_and(Verdict::switch)) {
        activity.switched.set(Some(switched));
        return Response::from_parts(head, Body::Empty);
    }
    let mut refused = Response::new(Body::Empty);
    *refused.status_mut() = StatusCode::BAD_REQUEST;
    refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    refused
}

/// What becomes of a request.
enum Outcome<F> {
    Refused(Response<Body>),
    Taken(F),
}
