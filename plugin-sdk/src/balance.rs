//! What a balancer sees.

use crate::{Identity, sys};

/// One endpoint at this moment, as this gateway knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// As configured; 1 is the default.
    pub weight: u32,
    /// Requests that this gateway has sent to it and that haven't ended.
    pub in_flight: u32,
    /// Time to the first byte of its answers, a moving average in microseconds; 0 if unknown.
    pub latency_us: u64,
    /// Whether health checks find it well.
    pub healthy: bool,
    /// Failures in a row: refused, reset or timed-out requests.
    pub failures: u32,
}

/// The endpoints of the cluster, by index from 0.
pub struct Endpoints(pub(crate) sys::EndpointList);

impl Endpoints {
    /// How many there are.
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// None past the end.
    pub fn get(&self, index: u32) -> Option<Endpoint> {
        self.0.get(index)
    }

    /// `192.0.2.7:8080`; none past the end.
    pub fn address(&self, index: u32) -> Option<String> {
        self.0.address(index)
    }

    /// The zone that it is configured to be in; none past the end, or if it has none.
    pub fn zone(&self, index: u32) -> Option<String> {
        self.0.zone(index)
    }

    /// All with their index. Each is asked for when it is reached.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Endpoint)> {
        (0..self.len()).filter_map(|index| Some((index, self.get(index)?)))
    }
}

/// What the endpoint is wanted for.
pub struct PickContext(pub(crate) sys::PickContext);

impl PickContext {
    /// The name of the cluster.
    pub fn cluster(&self) -> String {
        self.0.cluster()
    }

    /// 1 for the first try, 2 for the first retry, …
    pub fn attempt(&self) -> u32 {
        self.0.attempt()
    }

    /// Whether this exchange has already tried that endpoint.
    pub fn tried(&self, index: u32) -> bool {
        self.0.tried(index)
    }

    /// The client's IP address, if the request comes from a client.
    pub fn client_address(&self) -> Option<String> {
        self.0.client_address()
    }

    /// The identity that an authenticator found.
    pub fn identity(&self) -> Option<Identity> {
        self.0.identity()
    }

    /// The first value of a field of the request, if there is a request.
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.0.header(name)
    }

    /// The request's path, if there is a request.
    pub fn path(&self) -> Option<String> {
        self.0.path()
    }
}
