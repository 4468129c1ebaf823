//! Clusters as resolved: whom requests are shared out to, and how.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::{Address, ClusterTls, Dns, Place};
use crate::proxy_protocol::Version;

/// `[[cluster]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub name: Arc<str>,
    /// Where its entry is, such as `sluice.toml:12`.
    pub place: Place,
    pub balance: Balance,
    /// Requests of one session go to one endpoint.
    pub sticky: Option<Sticky>,
    /// Below so many percent of healthy endpoints in a group, health doesn't count. Default 0: only if none is healthy.
    pub panic_threshold: u8,
    /// The gateway's own zone, if endpoints in it come first.
    pub zone: Option<Arc<str>>,
    /// How long an endpoint that comes, or comes back, takes to get all of its share.
    pub slow_start: Option<Duration>,
    /// Those that are written. Empty if DNS tells them.
    pub endpoints: Vec<Endpoint>,
    /// What DNS is asked for endpoints.
    pub discovery: Option<Dns>,
    pub health_check: Option<HealthCheck>,
    /// `Host` to send instead of the client's.
    pub host: Option<HeaderValue>,
    pub timeouts: Timeouts,
    pub retries: Option<Retries>,
    pub hedge: Option<Hedge>,
    pub outlier_detection: Option<OutlierDetection>,
    pub limits: ClusterLimits,
    /// The PROXY protocol header that connections begin with.
    pub proxy_protocol: Option<Version>,
    /// How connections are encrypted, if they are.
    pub tls: Option<ClusterTls>,
    pub protocol: ClusterProtocol,
    /// Requests at once on one connection of HTTP/2.
    pub max_concurrent_streams: u32,
    pub keepalive: Keepalive,
}

impl Default for Cluster {
    /// Without name and endpoints.
    fn default() -> Self {
        Self {
            name: "".into(),
            place: "".into(),
            balance: Balance::RoundRobin,
            sticky: None,
            panic_threshold: 0,
            zone: None,
            slow_start: None,
            endpoints: Vec::new(),
            discovery: None,
            health_check: None,
            host: None,
            timeouts: Timeouts::default(),
            retries: None,
            hedge: None,
            outlier_detection: None,
            limits: ClusterLimits::default(),
            proxy_protocol: None,
            tls: None,
            protocol: ClusterProtocol::default(),
            max_concurrent_streams: 100,
            keepalive: Keepalive::default(),
        }
    }
}

/// `keepalive = { … }` of a cluster: how it is found out that an endpoint has gone without a word, over HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// Requests wait, and nothing has come for so long: it is asked for a sign of life. Default 10 s.
    pub interval: Duration,
    /// How long that may take. Default 5 s.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) }
    }
}

/// `protocol = "…"`: what requests are sent by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClusterProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: by ALPN over TLS, with prior knowledge without it.
    Http2,
    /// What the endpoint chooses by ALPN; HTTP/2 if it can.
    Auto,
}

/// `balance = "…"`, `{ policy = "…", … }` or `{ plugin = "…" }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    RoundRobin,
    Random,
    LeastRequest,
    PeakEwma,
    /// The first of these that a request has decides.
    RingHash(Vec<HashKey>),
    Maglev(Vec<HashKey>),
    /// The named plugin; round-robin when it makes no choice.
    Plugin(Arc<str>),
}

impl Balance {
    /// As it is written; a plugin's name is its own.
    pub fn name(&self) -> &str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::LeastRequest => "least-request",
            Self::PeakEwma => "peak-ewma",
            Self::RingHash(_) => "ring-hash",
            Self::Maglev(_) => "maglev",
            Self::Plugin(name) => name,
        }
    }
}

/// What consistent hashing goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    Client,
    /// The path without the query.
    Path,
    /// The identity's issuer and subject.
    Identity,
    Header(HeaderName),
    Cookie(String),
    Query(String),
}

/// `sticky = { cookie = "…" }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    pub cookie: String,
    /// None: until the browser ends.
    pub max_age: Option<Duration>,
    pub secure: bool,
}

/// One entry of `endpoints`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub address: Address,
    /// At least 1.
    pub weight: u32,
    /// Lower ones first.
    pub priority: u8,
    pub zone: Option<Arc<str>>,
}

impl<A: Into<Address>> From<A> for Endpoint {
    fn from(address: A) -> Self {
        Self { address: address.into(), weight: 1, priority: 0, zone: None }
    }
}

/// `health_check = { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    pub probe: Probe,
    pub interval: Duration,
    pub timeout: Duration,
    /// Failures in a row that make an endpoint unhealthy. Default 2.
    pub unhealthy_after: u32,
    /// Successes in a row that make it healthy again. Default 2.
    pub healthy_after: u32,
}

/// What a health check asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A `GET`, answered with one of the statuses and, if it matters, a body with that text in it.
    Http { path: String, expect: Statuses, body: Option<String> },
    /// A connection, which is closed at once.
    Tcp,
    /// `grpc.health.v1.Health/Check`, of that service or, if it is empty, of the whole server.
    Grpc { service: String },
}

/// Status codes, as ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl Statuses {
    pub fn has(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

/// `retries = { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// Tries after the first. Default 1.
    pub attempts: u32,
    /// After a connection that broke before the answer's head. Default.
    pub on_reset: bool,
    /// After an answer that didn't come in time. Default.
    pub on_timeout: bool,
    /// After these answers. Default 502 to 504.
    pub on_statuses: Statuses,
    /// Default: the idempotent ones (RFC 9110, section 9.2.2).
    pub methods: Vec<Method>,
    /// Retries in percent of the requests. Default 20.
    pub budget: u32,
    /// The most to wait before the first retry; twice as much before each next. Default 25 ms.
    pub backoff: Duration,
    /// The most to wait at all. Default 250 ms.
    pub max_backoff: Duration,
    /// Request bodies of known length up to so many bytes are read before they are sent, and can be sent again.
    /// Default 64 KiB.
    pub body: usize,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 1,
            on_reset: true,
            on_timeout: true,
            on_statuses: Statuses(vec![502..=504]),
            methods: vec![Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE],
            budget: 20,
            backoff: Duration::from_millis(25),
            max_backoff: Duration::from_millis(250),
            body: 64 << 10,
        }
    }
}

/// `hedge = { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hedge {
    /// How long an answer may take before another endpoint is asked too.
    pub after: Duration,
    /// Idempotent ones; by default all of these (RFC 9110, section 9.2.2).
    pub methods: Vec<Method>,
}

/// `outlier_detection = { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Failures in a row that eject an endpoint; 0: none do. Default 5.
    pub consecutive: u32,
    /// Eject who succeeds much less often than the others. Default.
    pub success_rate: bool,
    /// Eject who takes so many times as long as the others do. Default none.
    pub latency: Option<u32>,
    /// Between two comparisons. Default 10 s.
    pub interval: Duration,
    /// Of the first ejection; of the second twice as long, and so on. Default 30 s.
    pub ejection: Duration,
    /// Of any ejection. Default 5 min.
    pub max_ejection: Duration,
    /// Percent of the endpoints that may be ejected at once; one always may. Default 50.
    pub max_ejected: u32,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive: 5,
            success_rate: true,
            latency: None,
            interval: Duration::from_secs(10),
            ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            max_ejected: 50,
        }
    }
}

/// `limits = { … }` of a cluster, over all threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLimits {
    /// Requests on their way at once.
    pub requests: Option<u32>,
    /// Connections open at once, for requests and for byte streams.
    pub connections: Option<u32>,
    /// Retries on their way at once.
    pub retries: Option<u32>,
    /// Requests, and byte streams, that may wait for their turn. Default 1,024.
    pub pending: u32,
    /// How long they may. Default 1 s.
    pub wait: Duration,
}

impl Default for ClusterLimits {
    fn default() -> Self {
        Self { requests: None, connections: None, retries: None, pending: 1024, wait: Duration::from_secs(1) }
    }
}

/// `timeouts = { … }` of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// To an open connection. Default 5 s.
    pub connect: Duration,
    /// From the request sent to the answer's head. Default 30 s.
    pub first_byte: Duration,
    /// Without a byte in either direction of a body. Default 60 s.
    pub idle: Duration,
    /// Of a connection that nobody uses. Default 45 s: shorter than servers usually allow, so that we rather than they close it.
    pub keep_alive: Duration,
    /// One try, from choosing an endpoint to the answer's head. Default none.
    pub attempt: Option<Duration>,
    /// The whole request with its retries, to the end of the answer. Default none.
    pub request: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            keep_alive: Duration::from_secs(45),
            attempt: None,
            request: None,
        }
    }
}
