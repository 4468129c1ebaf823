//! Choosing an endpoint: the policy trait and the built-in policies. Pure: nothing here knows what an
//! endpoint really is, opens a connection or reads a clock.

mod balancer;
mod hash;
mod levels;
mod random;
mod smooth;
mod table;
#[cfg(test)]
mod tests;
mod weighted;

use std::net::IpAddr;

pub use balancer::Balancer;
pub use hash::cookie_value;
pub use levels::Preference;
pub use table::Table;
pub use weighted::WeightedChoice;

/// The endpoints of a cluster as a policy sees them, by index.
pub trait View {
    fn len(&self) -> usize;
    /// None past the end.
    fn get(&self, index: usize) -> Option<EndpointView<'_>>;

    /// Differs whenever the number of endpoints, or the weight, ramp, health, zone or priority of one, may have changed; policies
    /// keep what they have computed as long as it doesn't. None is never the same.
    fn epoch(&self) -> Option<u64> {
        None
    }

    /// For policies that hash.
    fn table(&self) -> Option<&Table> {
        None
    }

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
    /// The same for peak-EWMA: up at once, down with time. 0 if unknown, or if nobody asked for it.
    pub peak_us: u64,
    /// By health checks, and not ejected for what it did.
    pub healthy: bool,
    /// Failures in a row.
    pub failures: u32,
    /// Lower ones first.
    pub priority: u8,
    pub zone: Option<&'a str>,
    /// Thousandths of its weight that count: less than 1,000 in a slow start.
    pub ramp: u32,
}

impl<'a> EndpointView<'a> {
    /// A healthy one that nothing else is known of, of weight 1.
    pub fn new(address: &'a str) -> Self {
        Self {
            address,
            weight: 1,
            in_flight: 0,
            latency_us: 0,
            peak_us: 0,
            healthy: true,
            failures: 0,
            priority: 0,
            zone: None,
            ramp: 1000,
        }
    }
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
    /// Without the question mark.
    fn query(&self) -> Option<&str> {
        None
    }
    fn cookie(&self, _name: &str) -> Option<&[u8]> {
        None
    }
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

    /// Whether it could pick that endpoint now: what a sticky session asks.
    fn is_candidate(&self, index: usize, endpoints: &dyn View) -> bool {
        endpoints.get(index).is_some_and(|endpoint| endpoint.healthy)
    }
}
