//! What is counted of one cluster.

use std::time::Duration;

use super::dns;
use super::series::{Counter, Histogram, Series};

/// Of one cluster.
#[derive(Debug, Default)]
pub struct ClusterMetrics {
    pub(super) tries: Series<&'static str, Histogram>,
    pub(super) fallbacks: Counter,
    pub(super) retries: Series<&'static str, Counter>,
    pub(super) ejections: Series<&'static str, Counter>,
    pub(super) overflows: Series<&'static str, Counter>,
    pub(super) hedges: Series<&'static str, Counter>,
    dns: dns::Lookups,
}

impl ClusterMetrics {
    /// What DNS said of its endpoints.
    pub fn dns(&self) -> &dns::Lookups {
        &self.dns
    }

    /// A retry was `made`, or wasn't since it was `over-budget` or `over-limit`.
    pub fn retry(&self, outcome: &'static str) {
        self.retries.find(outcome, "other").add(1);
    }

    /// A request took long, and was sent to another endpoint too: the second answer `won`, or it `lost` to the first, or
    /// both `failed`. Or it wasn't, since that was `over-budget` or `over-limit`.
    pub fn hedge(&self, outcome: &'static str) {
        self.hedges.find(outcome, "other").add(1);
    }

    /// An endpoint was ejected for `consecutive-failures`, its `success-rate` or its `latency`.
    pub fn ejected(&self, reason: &'static str) {
        self.ejections.find(reason, "other").add(1);
    }

    /// There was no room for more `requests`, `connections` or `retries`.
    pub fn overflow(&self, limit: &'static str) {
        self.overflows.find(limit, "other").add(1);
    }

    /// One try at an endpoint ended: `ok`, `connect`, `reset`, `timeout` or `malformed`; the time to the
    /// answer's head.
    pub fn record(&self, outcome: &'static str, duration: Duration) {
        self.tries.find(outcome, "other").record(duration);
    }

    /// A `balance` plugin failed or returned a bad index, and the built-in policy chose.
    pub fn fallback(&self) {
        self.fallbacks.add(1);
    }
}
