//! One try at an endpoint: take or open a connection, send, and wait for the answer's head.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, header};

use super::call::Tried;
use super::carrier::Carrier;
use super::cluster::{Cluster, Member};
use super::connection::{Connection, Ends, Failure};
use super::http2::{Channel, Stream};
use super::pool::{EndpointPool, Pool};
use super::retry::Budget;
use super::sharing::Entry;
use super::stream::{Download, InFlight};
use crate::balance::{IdentityView, PickContext, Policy, RequestView, View, cookie_value};
use crate::body::Body;
use crate::config::model::ClusterProtocol;
use crate::error::{Error, Fault};
use crate::fields::{agrees_to_websocket, remove_hop_by_hop};
use crate::telemetry::trail::Trail;

/// Endpoints that one request may try when connections are refused.
pub(super) const MAX_ENDPOINTS: u32 = 3;

/// A cluster on one thread: its policy's state and its idle connections.
pub struct ThreadCluster {
    cluster: std::sync::Arc<Cluster>,
    pub(super) policy: Box<dyn Policy>,
    pub(super) budget: Rc<Budget>,
    /// By index of the endpoint.
    pools: Vec<Rc<EndpointPool>>,
}

/// What a policy may know of a request besides the request itself.
#[derive(Clone, Copy, Default)]
pub struct Caller<'a> {
    pub client: Option<IpAddr>,
    /// Of the client's connection, for endpoints that are told by the PROXY protocol.
    pub ends: Option<Ends>,
    pub identity: Option<IdentityView<'a>>,
    /// When it has to be over, whatever the cluster allows.
    pub deadline: Option<Instant>,
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
        let manner = cluster.manner();
        let pools = cluster.members().iter().map(|member| pool.endpoint(member.endpoint.address(), manner)).collect();
        Self { cluster, policy, budget: Rc::default(), pools }
    }

    /// With the same budget for retries as `before`, which it replaces.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.budget = Rc::clone(&before.budget);
        self
    }

    #[cfg(test)]
    pub(super) fn cluster_arc(&self) -> std::sync::Arc<Cluster> {
        std::sync::Arc::clone(&self.cluster)
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// An endpoint that fits, by the policy or, if it insists on one that doesn't, the next one, healthy ones first.
    pub(super) fn pick(&self, context: &PickContext<'_>) -> Option<usize> {
        let picked = self.policy.pick(context, &*self.cluster);
        picked.filter(|index| self.fits(*index, context)).or_else(|| {
            let (start, len) = (picked.unwrap_or_default(), self.cluster.len());
            let around = || (start..len).chain(0..start.min(len)).filter(|index| self.fits(*index, context));
            let is_healthy = |index: &usize| self.cluster.get(*index).is_some_and(|endpoint| endpoint.healthy);
            around().find(is_healthy).or_else(|| around().next())
        })
    }

    /// Whether it serves and wasn't tried. One that an operator took out doesn't, not even if all others are unhealthy.
    pub(super) fn fits(&self, index: usize, context: &PickContext<'_>) -> bool {
        let member = self.cluster.members().get(index);
        member.is_some_and(|member| !member.endpoint.is_drained()) && !context.tried.contains(&index)
    }

    /// Try one endpoint. With an error comes the request if another endpoint may have it.
    pub(super) async fn send_to(&self, index: usize, mut request: Request<Body>, ends: Option<Ends>) -> Tried {
        let (Some(member), Some(pool)) = (self.cluster.members().get(index), self.pools.get(index)) else {
            return Err((Error::NoEndpoint, None));
        };
        let in_flight = InFlight::new(&member.endpoint);
        let protocol = pool.protocol();
        // Only HTTP/1.1 can be left for something else.
        let asks_for_upgrade = request.headers().contains_key(header::UPGRADE);
        if asks_for_upgrade && protocol == ClusterProtocol::Http2 {
            return Err((Error::NoWebSocket, None));
        }
        let switches = protocol == ClusterProtocol::Auto && asks_for_upgrade;
        if protocol != ClusterProtocol::Http1 && !switches {
            // Apart, so that others don't pay for it.
            return Box::pin(self.send_on_channel(member, pool, request, in_flight)).await;
        }
        // What leaves the pool for ever, and may not be sent twice, has a connection of its own.
        let mut fresh = asks_for_upgrade;
        loop {
            let mut start = Instant::now();
            let entry = match (!fresh).then(|| pool.take(ends)).flatten() {
                Some(connection) => Ok(Entry::Used(connection)),
                // One that is told of somebody isn't for others.
                None => pool.enter(fresh || pool.proxy_protocol().is_some()).await,
            };
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return Err((self.failed(member, start, error), None)),
            };
            let (connection, used) = match entry {
                Entry::Used(connection) => (connection, true),
                Entry::New(place) => {
                    start = Instant::now();
                    match Connection::open(self.cluster.timeouts(), pool, place, ends).await {
                        Ok(connection) => (connection, false),
                        Err(error) => return Err((self.failed(member, start, error), Some(request))),
                    }
                }
            };
            match self.exchange(connection, &mut request, start).await {
                Ok((head, connection)) => return Ok(self.answer(member, start, head, connection, in_flight)),
                // The connection was stale, most likely.
                Err(failure) if used && failure.may_repeat(&request) => fresh = true,
                Err(failure) => {
                    let untouched = failure.is_untouched();
                    return Err((self.failed(member, start, failure.error), untouched.then_some(request)));
                }
            }
        }
    }

    /// Send on one connection and wait for the answer's head.
    async fn exchange(
        &self,
        mut connection: Box<Connection>,
        request: &mut Request<Body>,
        now: Instant,
    ) -> Result<(Response<()>, Carrier), Failure> {
        let mut head = connection.exchange(request, self.cluster.timeouts(), now).await?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS
            && !(connection.has_sent() && agrees_to_websocket(&head.headers, request.headers()))
        {
            return Err(Failure { error: Error::Malformed, unanswered: false, unsent: false, restored: false });
        }
        if head.has_hop_by_hop && remove_hop_by_hop(&mut head.headers).is_err() {
            return Err(Failure { error: Error::Malformed, unanswered: false, unsent: false, restored: false });
        }
        let mut answer = Response::new(());
        *answer.status_mut() = head.status;
        *answer.version_mut() = head.version;
        *answer.headers_mut() = head.headers;
        Ok((answer, Carrier::Http1(connection)))
    }

    /// Try an endpoint to which connections are shared, or may be.
    async fn send_on_channel(
        &self,
        member: &Member,
        pool: &Rc<EndpointPool>,
        mut request: Request<Body>,
        in_flight: InFlight,
    ) -> Tried {
        let timeouts = self.cluster.timeouts();
        let scheme = if pool.tls().is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        // The one that failed first.
        let mut avoid = None;
        loop {
            let start = Instant::now();
            let again = avoid.is_none();
            let session = avoid.as_ref().and_then(Option::as_ref);
            let (channel, reused) = match pool.channel(timeouts.connect, session, !again).await {
                Ok(channel) => channel,
                Err(Error::Overloaded) => return Err((self.failed(member, start, Error::Overloaded), None)),
                Err(error) => return Err((self.failed(member, start, error), Some(request))),
            };
            let (session, outcome) = match channel {
                Channel::Http1(connection) => (None, self.exchange(connection, &mut request, start).await),
                Channel::Http2(lease) => {
                    let session = Rc::clone(lease.session());
                    let host = member.endpoint.text();
                    let sent = Stream::exchange(lease, &mut request, timeouts, scheme.clone(), host).await;
                    (Some(session), sent.map(|(head, stream)| (head, Carrier::Http2(stream))))
                }
            };
            match outcome {
                Ok((head, carrier)) => return Ok(self.answer(member, start, head, carrier, in_flight)),
                // The connection was on its way out, most likely; or the endpoint has no room on it.
                Err(failure) if again && reused && failure.may_repeat(&request) => avoid = Some(session),
                Err(failure) => {
                    let untouched = failure.is_untouched();
                    return Err((self.failed(member, start, failure.error), untouched.then_some(request)));
                }
            }
        }
    }

    fn answer(
        &self,
        member: &Member,
        start: Instant,
        head: Response<()>,
        carrier: Carrier,
        in_flight: InFlight,
    ) -> Response<Body> {
        let latency = start.elapsed();
        member.endpoint.succeeded(latency);
        self.cluster.observe_time(member, latency);
        self.cluster.metrics().record("ok", latency);
        let body = match carrier {
            Carrier::Http1(connection) if head.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Body::Switched(Box::new(connection.switched(self.cluster.timeouts().idle, in_flight)))
            }
            carrier => Download::receive(carrier, in_flight),
        };
        head.map(|()| body)
    }

    /// Count a failure where it belongs.
    pub(super) fn failed(&self, member: &Member, start: Instant, error: Error) -> Error {
        if error == Error::Overloaded {
            self.cluster.metrics().overflow("connections");
        } else if error.fault() == Fault::Upstream {
            member.endpoint.failed();
            self.cluster.metrics().record(outcome(&error), start.elapsed());
        }
        error
    }
}

impl Failure {
    /// Whether another endpoint may have the request, whatever it is: this one has none of it.
    fn is_untouched(&self) -> bool {
        self.unsent && self.restored && self.error == Error::Reset
    }

    /// Whether a request that failed on a reused connection may be sent once more: if nothing of it went out,
    /// or if nothing came back and repeating it does no harm (RFC 9110, section 9.2.2). It needs its whole body.
    fn may_repeat(&self, request: &Request<Body>) -> bool {
        let idempotent = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
        );
        self.unanswered && self.restored && (self.unsent || idempotent)
    }
}

/// Names of outcomes in [`crate::telemetry::metrics::ClusterMetrics`].
pub(super) fn outcome(error: &Error) -> &'static str {
    match error {
        Error::ConnectFailed => "connect",
        Error::Tls(_) => "tls",
        Error::ConnectTimeout | Error::FirstByteTimeout | Error::UpstreamStalled => "timeout",
        Error::Malformed => "malformed",
        _ => "reset",
    }
}
