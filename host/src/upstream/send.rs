//! One try at an endpoint: take or open a connection, send, and wait for the answer's head.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use http::{Method, Request, Response};

use super::cluster::{Cluster, Member};
use super::connection::{Connection, Cut};
use super::pool::{EndpointPool, Pool};
use super::retry::Budget;
use super::stream::{Download, InFlight, Upload};
use crate::balance::{IdentityView, PickContext, Policy, RequestView, View, cookie_value};
use crate::body::Body;
use crate::error::{Error, Fault};
use crate::fields::remove_hop_by_hop;
use crate::telemetry::trail::Trail;

/// Endpoints that one request may try when connections are refused.
pub(super) const MAX_ENDPOINTS: u32 = 3;

/// A cluster on one thread: its policy's state and its idle connections.
pub struct ThreadCluster {
    cluster: std::sync::Arc<Cluster>,
    pub(super) policy: Box<dyn Policy>,
    pub(super) budget: Budget,
    /// By index of the endpoint.
    pools: Vec<Rc<EndpointPool>>,
}

/// What a policy may know of a request besides the request itself.
#[derive(Clone, Copy, Default)]
pub struct Caller<'a> {
    pub client: Option<IpAddr>,
    pub identity: Option<IdentityView<'a>>,
    /// Where tries are noted.
    pub trail: Option<&'a Trail>,
}

/// A request as policies see it.
pub(super) struct Seen<'a> {
    pub request: &'a Request<Body>,
    pub identity: Option<IdentityView<'a>>,
}

impl RequestView for Seen<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.request.headers().get(name).map(http::HeaderValue::as_bytes)
    }

    fn path(&self) -> &str {
        self.request.uri().path()
    }

    fn query(&self) -> Option<&str> {
        self.request.uri().query()
    }

    fn cookie(&self, name: &str) -> Option<&[u8]> {
        let fields = self.request.headers().get_all(http::header::COOKIE);
        fields.iter().find_map(|field| cookie_value(field.as_bytes(), name))
    }

    fn identity(&self) -> Option<IdentityView<'_>> {
        self.identity
    }
}

impl ThreadCluster {
    pub fn new(cluster: std::sync::Arc<Cluster>, policy: Box<dyn Policy>, pool: &Pool) -> Self {
        let pools = cluster.members().iter().map(|member| pool.endpoint(member.endpoint.address())).collect();
        Self { cluster, policy, budget: Budget::new(), pools }
    }

    #[cfg(test)]
    pub(super) fn cluster_arc(&self) -> std::sync::Arc<Cluster> {
        std::sync::Arc::clone(&self.cluster)
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// An endpoint that wasn't tried, by the policy or, if it insists on one that was, the next one.
    pub(super) fn pick(&self, context: &PickContext<'_>) -> Option<usize> {
        // Not even if all others are unhealthy is one asked that was taken out.
        let serves = |index: usize| self.cluster.members().get(index).is_some_and(|m| !m.endpoint.is_drained());
        let fits = |index: &usize| serves(*index) && !context.tried.contains(index);
        self.policy.pick(context, &*self.cluster).filter(fits).or_else(|| {
            (0..self.cluster.len()).filter(fits).max_by_key(|index| self.cluster.get(*index).map(|e| e.healthy))
        })
    }

    /// Try one endpoint. With an error comes the request if another endpoint may have it.
    pub(super) async fn send_to(
        &self,
        index: usize,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, (Error, Option<Request<Body>>)> {
        let (Some(member), Some(pool)) = (self.cluster.members().get(index), self.pools.get(index)) else {
            return Err((Error::NoEndpoint, None));
        };
        let in_flight = InFlight::new(&member.endpoint);
        let start = Instant::now();
        if let Some(connection) = pool.take() {
            let spare = spare(&request);
            let error = match self.exchange(connection, request, start).await {
                Ok((head, connection)) => return Ok(self.answer(member, start, head, connection, in_flight).await),
                Err(failure) => failure,
            };
            match error {
                Failure { request: Some(unsent), .. } => request = unsent,
                Failure { retry: true, .. } if spare.is_some() => match spare {
                    Some(spare) => request = spare,
                    None => return Err((Error::Reset, None)),
                },
                Failure { error, .. } => return Err((self.failed(member, start, error), None)),
            }
        }
        let start = Instant::now();
        let opened = Connection::open(member.endpoint.address(), self.cluster.timeouts(), Rc::downgrade(pool)).await;
        let connection = match opened {
            Ok(connection) => connection,
            Err(error) => return Err((self.failed(member, start, error), Some(request))),
        };
        match self.exchange(connection, request, start).await {
            Ok((head, connection)) => Ok(self.answer(member, start, head, connection, in_flight).await),
            Err(Failure { error, request, .. }) => Err((self.failed(member, start, error), request)),
        }
    }

    /// Send on one connection and wait for the answer's head.
    async fn exchange(
        &self,
        mut connection: Connection,
        request: Request<Body>,
        now: Instant,
    ) -> Result<(Response<hyper::body::Incoming>, Connection), Failure> {
        let state = Rc::clone(connection.state());
        let request = request.map(|body| match body {
            Body::Stream(inner) => Body::Stream(Box::pin(Upload { inner, state: Rc::clone(&state) })),
            whole => whole,
        });
        let Some(sending) = connection.send(request, self.cluster.timeouts(), now) else {
            return Err(Failure::from(Error::Internal("a connection without a sender was used")));
        };
        let mut error = match sending.await {
            // The request carried no `Upgrade`, so a switch of protocols is nonsense.
            Ok(head) if head.status() == http::StatusCode::SWITCHING_PROTOCOLS => return Err(Error::Malformed.into()),
            Ok(mut head) => {
                return match remove_hop_by_hop(head.headers_mut()) {
                    Ok(()) => Ok((head, connection)),
                    Err(_) => Err(Error::Malformed.into()),
                };
            }
            Err(error) => error,
        };
        if let Some(unsent) = error.take_message() {
            return Err(Failure { error: Error::Reset, request: Some(unsent), retry: true });
        }
        if state.upload_failed() {
            return Err(Error::RequestBody.into());
        }
        Err(match state.cut() {
            Some(Cut::FirstByte) => Error::FirstByteTimeout.into(),
            Some(Cut::ClientStalled) => Error::RequestTimeout.into(),
            Some(Cut::Stalled | Cut::Unused) => Error::UpstreamStalled.into(),
            None if error.error().is_parse() => Error::Malformed.into(),
            None => Failure { error: Error::Reset, request: None, retry: !state.answer_began() },
        })
    }

    async fn answer(
        &self,
        member: &Member,
        start: Instant,
        head: Response<hyper::body::Incoming>,
        connection: Connection,
        in_flight: InFlight,
    ) -> Response<Body> {
        let latency = start.elapsed();
        member.endpoint.succeeded(latency);
        self.cluster.metrics().record("ok", latency);
        let (parts, incoming) = head.into_parts();
        let body = Download::receive(incoming, connection, in_flight).await;
        Response::from_parts(parts, body)
    }

    /// Count a failure where it belongs.
    pub(super) fn failed(&self, member: &Member, start: Instant, error: Error) -> Error {
        if error.fault() == Fault::Upstream {
            member.endpoint.failed();
            self.cluster.metrics().record(outcome(&error), start.elapsed());
        }
        error
    }
}

/// Why there was no answer on one connection.
struct Failure {
    error: Error,
    /// The request, if nothing of it was sent.
    request: Option<Request<Body>>,
    /// The connection may just have been stale.
    retry: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, request: None, retry: false }
    }
}

/// Names of outcomes in [`crate::telemetry::metrics::ClusterMetrics`].
pub(super) fn outcome(error: &Error) -> &'static str {
    match error {
        Error::ConnectFailed => "connect",
        Error::ConnectTimeout | Error::FirstByteTimeout | Error::UpstreamStalled => "timeout",
        Error::Malformed => "malformed",
        _ => "reset",
    }
}

/// A second copy of a request that may be sent twice. Stale connections are too rare to make it worth
/// more than copying the head; a body that comes as a stream can't be had again.
fn spare(request: &Request<Body>) -> Option<Request<Body>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    let body = match request.body() {
        _ if !idempotent => return None,
        Body::Empty => Body::Empty,
        Body::Full(bytes) => Body::Full(bytes.clone()),
        Body::Stream(_) => return None,
    };
    let mut spare = Request::new(body);
    spare.method_mut().clone_from(request.method());
    spare.uri_mut().clone_from(request.uri());
    spare.headers_mut().clone_from(request.headers());
    Some(spare)
}
