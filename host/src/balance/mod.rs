//! Choosing an endpoint: the policy trait and the built-in policies. Pure: nothing here knows what an
//! endpoint really is, opens a connection or reads a clock.

mod round_robin;
mod smooth;
mod weighted;

use std::net::IpAddr;

pub use round_robin::RoundRobin;
pub use weighted::WeightedChoice;

/// The endpoints of a cluster as a policy sees them, by index.
pub trait View {
    fn len(&self) -> usize;
    /// None past the end.
    fn get(&self, index: usize) -> Option<EndpointView<'_>>;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One endpoint at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointView<'a> {
    /// `192.0.2.7:8080`
    pub address: &'a str,
    /// At least 1.
    pub weight: u32,
    /// Requests sent to it that haven't ended.
    pub in_flight: u32,
    /// Time to the first byte, moving average in microseconds; 0 if unknown.
    pub latency_us: u64,
    /// By health checks.
    pub healthy: bool,
    /// Failures in a row.
    pub failures: u32,
}

/// What an endpoint is wanted for.
#[derive(Clone, Copy)]
pub struct PickContext<'a> {
    pub cluster: &'a str,
    /// From 1.
    pub attempt: u32,
    /// Indexes of endpoints that this exchange has tried.
    pub tried: &'a [usize],
    pub client: Option<IpAddr>,
    pub request: Option<&'a dyn RequestView>,
}

/// The request, if the pick is for one.
pub trait RequestView {
    fn header(&self, name: &str) -> Option<&[u8]>;
    fn path(&self) -> &str;
    /// Subject, issuer, expiry and claims of the identity.
    fn identity(&self) -> Option<IdentityView<'_>>;
}

/// An identity, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct IdentityView<'a> {
    pub subject: &'a str,
    pub issuer: Option<&'a str>,
    pub expires_at: Option<u64>,
    pub claims: &'a str,
}

/// A balancing policy on one thread; state like a round-robin position is in cells.
pub trait Policy {
    /// An index into `endpoints`; none if there is nothing to choose from.
    fn pick(&self, context: &PickContext<'_>, endpoints: &dyn View) -> Option<usize>;
}
