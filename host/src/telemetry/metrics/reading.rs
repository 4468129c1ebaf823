//! The numbers as plain data, for the admin API: what `/metrics` says in text, from the same cells.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::series::{BOUNDS, Histogram};
use super::{Metrics, RouteMetrics};

/// Answers by the first digit of their status, from 1 to 5; other ones under 0.
pub type Classes = [u64; 6];
/// One for each of [`bounds`], and one for what lies beyond all of them.
pub type Buckets = [u64; BOUNDS.len() + 1];

/// Upper bounds of the buckets in seconds.
pub fn bounds() -> &'static [f64] {
    &BOUNDS
}

/// What went through a route, or through all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Traffic {
    pub classes: Classes,
    /// How long answers took, from head to head.
    pub buckets: Buckets,
    pub sum_seconds: f64,
}

impl Traffic {
    /// All answers.
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }

    fn add(&mut self, class: usize, histogram: &Histogram) {
        let read = histogram.read();
        if let Some(cell) = self.classes.get_mut(class) {
            *cell += read.count;
        }
        self.sum_seconds += read.sum_seconds;
        for (cell, (_, count)) in self.buckets.iter_mut().zip(read.buckets) {
            *cell += count;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.classes.iter_mut().zip(other.classes).for_each(|(cell, count)| *cell += count);
        self.buckets.iter_mut().zip(other.buckets).for_each(|(cell, count)| *cell += count);
        self.sum_seconds += other.sum_seconds;
    }
}

/// What a plugin did and what it cost.
#[derive(Debug, Clone)]
pub struct PluginReading {
    /// Hook, outcome and how often.
    pub calls: Vec<(&'static str, &'static str, u64)>,
    pub busy_seconds: f64,
    /// For answers to its own requests, or for its turn.
    pub waited_seconds: f64,
    pub instances: u64,
    /// The most that an instance has had, in bytes.
    pub peak_memory: u64,
    pub last_failure: Option<Failure>,
}

/// A call of a plugin that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    pub at: SystemTime,
    pub hook: &'static str,
    pub reason: Box<str>,
}

/// What became of tries at a cluster's endpoints.
#[derive(Debug, Clone)]
pub struct ClusterReading {
    /// Outcome, how often, and the sum of the times.
    pub tries: Vec<(&'static str, u64, f64)>,
    pub fallbacks: u64,
}

/// Connections of a listener.
#[derive(Debug, Clone, Copy)]
pub struct ListenerReading {
    pub accepted: u64,
    pub open: u64,
}

impl RouteMetrics {
    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        for (kind, histogram) in self.by_kind.iter() {
            let class = usize::from(kind.status / 100);
            traffic.add(if (1..=5).contains(&class) { class } else { 0 }, histogram);
        }
        traffic
    }
}

impl Metrics {
    /// By route; the one without a name stands for requests that found none.
    pub fn traffic_by_route(&self) -> Vec<(Arc<str>, Traffic)> {
        self.routes.sorted().into_iter().map(|(name, handle)| (name, handle.traffic())).collect()
    }

    /// Of all routes together, and of requests that found none.
    pub fn traffic(&self) -> Traffic {
        let mut all = Traffic::default();
        self.traffic_by_route().iter().for_each(|(_, traffic)| all.merge(traffic));
        all
    }

    pub fn plugin_readings(&self) -> Vec<(Arc<str>, PluginReading)> {
        let read = |handle: &super::PluginMetrics| PluginReading {
            calls: handle.calls.iter().map(|((hook, outcome), count)| (hook, outcome, count.value())).collect(),
            busy_seconds: handle.busy.load(Ordering::Relaxed) as f64 / 1e9,
            waited_seconds: handle.waited.load(Ordering::Relaxed) as f64 / 1e9,
            instances: u64::try_from(handle.instances.load(Ordering::Relaxed)).unwrap_or_default(),
            peak_memory: handle.peak_memory.load(Ordering::Relaxed),
            last_failure: handle.last_failure(),
        };
        self.plugins.sorted().into_iter().map(|(name, handle)| (name, read(&handle))).collect()
    }

    pub fn cluster_readings(&self) -> Vec<(Arc<str>, ClusterReading)> {
        let read = |handle: &super::ClusterMetrics| ClusterReading {
            tries: handle
                .tries
                .iter()
                .map(|(outcome, histogram)| (outcome, histogram.read()))
                .map(|(outcome, read)| (outcome, read.count, read.sum_seconds))
                .collect(),
            fallbacks: handle.fallbacks.value(),
        };
        self.clusters.sorted().into_iter().map(|(name, handle)| (name, read(&handle))).collect()
    }

    pub fn listener_readings(&self) -> Vec<(Arc<str>, ListenerReading)> {
        let read = |handle: &super::ListenerMetrics| ListenerReading {
            accepted: handle.accepted.value(),
            open: u64::try_from(handle.open.load(Ordering::Relaxed)).unwrap_or_default(),
        };
        self.listeners.sorted().into_iter().map(|(name, handle)| (name, read(&handle))).collect()
    }
}
