//! Counters and histograms of one gateway. Handles are looked up when a snapshot is built and kept
//! over reloads; recording is a few relaxed atomic additions.
//!
//! Names follow the OpenTelemetry conventions for HTTP where they have one. Label values come from the
//! configuration and from fixed lists, never from what a client sends, so that their number is bounded.

mod catalogue;
mod cluster;
pub mod dns;
mod exemplar;
mod expiry;
mod exposition;
mod families;
mod listener;
mod overload;
mod own;
mod reading;
mod route;
mod series;
mod state;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use catalogue::Described;
pub use cluster::ClusterMetrics;
pub use expiry::{Expiry, Owner};
pub use exposition::Format;
pub use listener::{ConnectionLife, ListenerMetrics};
pub use own::{OwnError, Record};
pub use reading::{Buckets, Classes, ClusterReading, Failure, ListenerReading, PluginReading, Traffic, bounds};
pub use route::{Ended, MethodLabel, RouteMetrics};
use series::{Counter, Series};
pub use state::{LinkState, StateMetrics, StateReporter};

use super::refusals::Refusals;
use super::reloads::Reloads as ReloadRecords;
use super::timeline::Timeline;
use super::traces::TraceMetrics;
use crate::overload::Guard;

/// Names kept of one kind. Those that no snapshot uses any more go first when more come.
const MOST_NAMES: usize = 50_000;

/// All metrics of one gateway.
#[derive(Debug, Default)]
pub struct Metrics {
    routes: Names<RouteMetrics>,
    plugins: Names<PluginMetrics>,
    clusters: Names<ClusterMetrics>,
    listeners: Names<ListenerMetrics>,
    reloads: Reloads,
    snapshots: AtomicI64,
    /// Seconds since the Unix epoch of the last publication; 0 before the first.
    published_at: AtomicU64,
    /// Files that are refused now.
    refused_files: AtomicU64,
    certificates: Mutex<Vec<Expiry>>,
    refusals: Arc<Refusals>,
    reload_records: ReloadRecords,
    timeline: Timeline,
    state: Arc<StateMetrics>,
    guard: Arc<Guard>,
    access_log_dropped: Arc<AtomicU64>,
    traces: Arc<TraceMetrics>,
    admin_refused: Series<&'static str, Counter>,
}

impl Metrics {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The handle for a route; the same one for the same name.
    pub fn route(&self, name: &str) -> Arc<RouteMetrics> {
        self.routes.find(name)
    }

    /// The handle for a plugin; the same one for the same name.
    pub fn plugin(&self, name: &str) -> Arc<PluginMetrics> {
        self.plugins.find(name)
    }

    /// The handle for a cluster; the same one for the same name.
    pub fn cluster(&self, name: &str) -> Arc<ClusterMetrics> {
        self.clusters.find(name)
    }

    /// The handle for a listener; the same one for the same name.
    pub fn listener(&self, name: &str) -> Arc<ListenerMetrics> {
        self.listeners.find(name)
    }

    /// A reload came to an end.
    pub fn reloaded(&self, outcome: Reload) {
        let counter = match outcome {
            Reload::Published => &self.reloads.published,
            Reload::Refused => &self.reloads.refused,
            Reload::Unchanged => &self.reloads.unchanged,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A snapshot, the first or a later one, serves from now on.
    pub fn published(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.published_at.store(now.as_secs(), Ordering::Relaxed);
    }

    /// The certificates that are shown from now on.
    pub fn certificates(&self, expiries: Vec<Expiry>) {
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) = expiries;
    }

    /// How many files are refused now.
    pub fn files_refused(&self, count: usize) {
        self.refused_files.store(count as u64, Ordering::Relaxed);
    }

    /// Count one more live snapshot until the guard is dropped.
    pub fn snapshot_lives(self: &Arc<Self>) -> SnapshotLife {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        SnapshotLife(self.clone())
    }

    /// Snapshots that something still uses.
    pub fn live_snapshots(&self) -> i64 {
        self.snapshots.load(Ordering::Relaxed)
    }

    /// The last requests that were refused.
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// The last reloads.
    pub fn reload_records(&self) -> &ReloadRecords {
        &self.reload_records
    }

    /// The traffic of the last minutes.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The store that plugins share.
    pub fn state(&self) -> &Arc<StateMetrics> {
        &self.state
    }

    /// What turns requests away, and counts them.
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// How many requests were told to the collector of traces.
    pub fn traces(&self) -> &Arc<TraceMetrics> {
        &self.traces
    }

    /// The admin API refused a request: for its `host`, `token`, `certificate` or `origin`, or since the API is
    /// `read-only`, `unguarded`, or asked in another way than by now (`encryption`).
    pub fn admin_refused(&self, reason: &'static str) {
        self.admin_refused.find(reason, "other").add(1);
    }

    /// Counts lines that the access log lost.
    pub fn access_log_dropped(&self) -> &Arc<AtomicU64> {
        &self.access_log_dropped
    }

    /// The text that Prometheus reads, with endpoints and components as they are now.
    pub fn encode(&self, format: Format, endpoints: &[EndpointSample], components: &[ComponentSample]) -> String {
        exposition::encode(self, format, endpoints, components)
    }
}

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// A new snapshot serves.
    Published,
    /// A file was refused; what it replaces serves on.
    Refused,
    /// Nothing had changed.
    Unchanged,
}

#[derive(Debug, Default)]
struct Reloads {
    published: AtomicU64,
    refused: AtomicU64,
    unchanged: AtomicU64,
}

/// One live snapshot.
#[derive(Debug)]
pub struct SnapshotLife(Arc<Metrics>);

impl Drop for SnapshotLife {
    fn drop(&mut self) {
        self.0.snapshots.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One endpoint at the moment of a scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSample {
    pub cluster: Arc<str>,
    pub address: String,
    pub healthy: bool,
    /// Taken out by an operator.
    pub drained: bool,
    pub in_flight: u32,
    pub weight: u32,
    /// Moving average to the head of an answer; 0 if unknown.
    pub latency_us: u64,
    /// Tries, and those that failed by its fault.
    pub requests: u64,
    pub failed: u64,
    /// `healthy`, `warming`, `unhealthy` or `ejected`.
    pub state: &'static str,
}

/// One plugin at the moment of a scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentSample {
    pub plugin: Arc<str>,
    /// SHA-256 of the file in hexadecimal; empty if no version works.
    pub digest: String,
    /// `serving`, `last-good` or `unavailable`.
    pub state: &'static str,
}

/// Of one plugin.
#[derive(Debug, Default)]
pub struct PluginMetrics {
    calls: Series<(&'static str, &'static str), Counter>,
    /// In nanoseconds.
    busy: AtomicU64,
    /// In nanoseconds.
    waited: AtomicU64,
    instances: AtomicI64,
    /// The most memory that any instance had, in bytes.
    peak_memory: AtomicU64,
    own: own::OwnSeries,
    last_failure: Mutex<Option<Failure>>,
}

/// One instance of a plugin.
#[derive(Debug)]
pub struct InstanceLife(Arc<PluginMetrics>);

impl InstanceLife {
    /// The instance has so many bytes of memory now.
    pub fn uses(&self, bytes: usize) {
        let bytes = bytes as u64;
        // Seldom more than before, so that most looks cost no write.
        if bytes > self.0.peak_memory.load(Ordering::Relaxed) {
            self.0.peak_memory.fetch_max(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for InstanceLife {
    fn drop(&mut self) {
        self.0.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes kept of what a failure says.
const LONGEST_REASON: usize = 512;

impl PluginMetrics {
    /// A hook call ended. `hook` is the WIT interface's name; `outcome` is a decision's name
    /// (`continue`, `respond`, `identified`, …) or [`crate::plugin::role::PluginError::kind`].
    /// `busy` is the time on the fiber, suspensions left out.
    pub fn record(&self, hook: &'static str, outcome: &'static str, busy: Duration) {
        self.calls.find((hook, outcome), ("other", "other")).add(1);
        self.busy.fetch_add(series::nanoseconds(busy), Ordering::Relaxed);
    }

    /// A call had to wait so long: for answers to its requests, or for its turn after a tick.
    pub fn waited(&self, time: Duration) {
        self.waited.fetch_add(series::nanoseconds(time), Ordering::Relaxed);
    }

    /// Count one more instance until the guard is dropped.
    pub fn instance(self: &Arc<Self>) -> InstanceLife {
        self.instances.fetch_add(1, Ordering::Relaxed);
        InstanceLife(self.clone())
    }

    /// Record a number of the plugin's own. At most `limit` series are kept.
    ///
    /// # Errors
    /// A rule for names, labels or values is broken, or there are too many series.
    pub fn own(&self, name: &str, labels: Vec<(String, String)>, record: Record, limit: usize) -> Result<(), OwnError> {
        self.own.record(name, labels, record, limit)
    }

    /// Keep why a call failed, for whoever asks. A data thread that would have to wait passes it over.
    pub fn failed(&self, hook: &'static str, reason: &dyn std::fmt::Display) {
        if let Ok(mut last) = self.last_failure.try_lock() {
            let mut reason = reason.to_string();
            let end = (0..=LONGEST_REASON.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
            reason.truncate(end.unwrap_or_default());
            *last = Some(Failure { at: SystemTime::now(), hook, reason: reason.into() });
        }
    }

    fn last_failure(&self) -> Option<Failure> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Handles by name.
#[derive(Debug)]
struct Names<T>(Mutex<HashMap<Arc<str>, Arc<T>>>);

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> Names<T> {
    fn find(&self, name: &str) -> Arc<T> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return known.clone();
        }
        if names.len() >= MOST_NAMES {
            names.retain(|_, handle| Arc::strong_count(handle) > 1);
        }
        let handle = Arc::new(T::default());
        names.insert(name.into(), handle.clone());
        handle
    }

    /// All of them, by name.
    fn sorted(&self) -> Vec<(Arc<str>, Arc<T>)> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = names.iter().map(|(name, handle)| (name.clone(), handle.clone())).collect();
        sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        sorted
    }
}

#[cfg(test)]
mod tests;
