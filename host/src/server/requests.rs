//! From a request that was read to the handler, and from its answer back. It knows nothing of bytes.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use http::{Method, Request, Response, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::activity::{Activity, Answer, ClientBody, InFlight};
use super::drain::Connections;
use super::scan::{Limits, Refusal};
use super::taking::Streams;
use super::{Handler, extended, tunnel};
use crate::body::Body;
use crate::error::Error;
use crate::overload::{self, Permit, Reason};

/// Hands the requests of one connection to the handler.
pub(super) struct Requests<H: Handler> {
    pub handler: Rc<H>,
    pub session: Rc<H::Session>,
    pub activity: Rc<Activity>,
    pub connections: Rc<Connections>,
    pub overload: Arc<overload::Guard>,
}

/// A request that was handed over.
pub(super) struct Taken {
    pub outcome: Outcome,
    /// As long as its answer isn't over.
    pub in_flight: InFlight,
}

/// What becomes of a request.
pub(super) enum Outcome {
    Refused(Response<Body>),
    Begun(Pin<Box<dyn Future<Output = Response<Body>>>>),
}

impl<H: Handler> Requests<H> {
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Whether the answer to the newest request has to be the last of its connection.
    pub fn is_last(&self) -> bool {
        self.connections.is_last(self.activity.served())
    }

    /// Hand a request over, unless there are too many.
    pub fn take(&self, request: Request<Body>) -> Taken {
        let entered = self.overload.enter();
        let shed = entered.as_ref().err().copied();
        let in_flight = InFlight::new(&self.activity, entered.unwrap_or_default());
        let outcome = match shed {
            Some(reason) => Outcome::Refused(self.shed(reason, &request)),
            None => Outcome::Begun(Box::pin(Rc::clone(&self.handler).handle(request, Rc::clone(&self.session)))),
        };
        Taken { outcome, in_flight }
    }

    /// Answer a request that isn't accepted.
    pub fn refuse(&self, refusal: Refusal) -> (Response<Body>, InFlight) {
        let in_flight = InFlight::new(&self.activity, self.overload.enter().unwrap_or_default());
        (self.handler.refuse(refusal, &self.session), in_flight)
    }

    fn shed(&self, reason: Reason, request: &Request<Body>) -> Response<Body> {
        let error = Error::Shed { retry_after: self.overload.retry_after() };
        let mut answer = self.handler.refuse(Refusal::of(error, request), &self.session);
        // Memory comes back with the connection; else another request on it is as welcome as before.
        if request.version() == Version::HTTP_2 || reason == Reason::Requests {
            answer.headers_mut().remove(header::CONNECTION);
        }
        answer
    }
}

/// What hyper's HTTP/2 hands requests to.
pub(super) fn http2<H: Handler>(
    requests: Requests<H>,
    streams: Streams,
    limits: Limits,
) -> impl Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible, Future: 'static> {
    service_fn(move |mut request: Request<Incoming>| {
        let taking = streams.begin();
        let Requests { handler, session, activity, .. } = &requests;
        let extended =
            extended::translate(&mut request).map(|upgrade| Extended::new(upgrade, &streams, handler, session));
        let Taken { outcome, in_flight } = match judge(&request, &limits) {
            Some(refusal) => {
                let (answer, in_flight) = requests.refuse(refusal);
                Taken { outcome: Outcome::Refused(answer), in_flight }
            }
            None => requests.take(
                request.map(|body| if body.is_end_stream() { Body::Empty } else { Body::stream(ClientBody(body)) }),
            ),
        };
        let activity = Rc::clone(activity);
        async move {
            let answer = match outcome {
                Outcome::Refused(answer) => answer,
                Outcome::Begun(exchange) => exchange.await,
            };
            let answer = match extended {
                Some(extended) => extended.begin(answer, &activity),
                None => switched_by_mistake(answer),
            };
            Ok(answer.map(|body| Answer { body, taking: Some(taking), _in_flight: in_flight }))
        }
    })
}

/// Nothing but an extended CONNECT can make a stream change its protocol.
fn switched_by_mistake(answer: Response<Body>) -> Response<Body> {
    if !matches!(answer.body(), Body::Switched(_)) {
        return answer;
    }
    let mut refused = Response::new(Body::Empty);
    *refused.status_mut() = http::StatusCode::BAD_REQUEST;
    refused
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
