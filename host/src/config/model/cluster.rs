//! Clusters as resolved: whom requests are shared out to, and how.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::proxy_protocol::Version;

/// `[[cluster]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub name: Arc<str>,
    pub balance: Balance,
    /// Requests of one session go to one endpoint.
    pub sticky: Option<Sticky>,
    /// Below so many percent of healthy endpoints in a group, health doesn't count. Default 0: only if none is healthy.
    pub panic_threshold: u8,
    /// The gateway's own zone, if endpoints in it come first.
    pub zone: Option<Arc<str>>,
    /// How long an endpoint that comes, or comes back, takes to get all of its share.
    pub slow_start: Option<Duration>,
    pub endpoints: Vec<Endpoint>,
    pub health_check: Option<HealthCheck>,
    /// `Host` to send instead of the client's.
    pub host: Option<HeaderValue>,
    pub timeouts: Timeouts,
    /// The PROXY protocol header that connections begin with.
    pub proxy_protocol: Option<Version>,
}

impl Default for Cluster {
    /// Without name and endpoints.
    fn default() -> Self {
        Self {
            name: "".into(),
            balance: Balance::RoundRobin,
            sticky: None,
            panic_threshold: 0,
            zone: None,
            slow_start: None,
            endpoints: Vec::new(),
            health_check: None,
            host: None,
            timeouts: Timeouts::default(),
            proxy_protocol: None,
        }
    }
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
    pub address: SocketAddr,
    /// At least 1.
    pub weight: u32,
    /// Lower ones first.
    pub priority: u8,
    pub zone: Option<Arc<str>>,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address, weight: 1, priority: 0, zone: None }
    }
}

/// `health_check = { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    pub path: String,
    pub interval: Duration,
    pub timeout: Duration,
    /// Failures in a row that make an endpoint unhealthy. Default 2.
    pub unhealthy_after: u32,
    /// Successes in a row that make it healthy again. Default 2.
    pub healthy_after: u32,
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
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), first_byte: Duration::from_secs(30), idle: Duration::from_secs(60) }
    }
}
