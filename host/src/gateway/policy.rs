//! A balancing policy that asks a plugin, and the built-in policy where the plugin makes no choice.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::balance::{Balancer, PickContext, Policy, View};
use crate::plugin::role::Plugin;
use crate::telemetry::metrics::ClusterMetrics;

/// A failing plugin is mentioned in the log no more often than this.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// One for each cluster and thread.
pub struct PluginPolicy {
    plugin: Rc<dyn Plugin>,
    fallback: Balancer,
    metrics: Arc<ClusterMetrics>,
    logged: Cell<Option<Instant>>,
}

impl PluginPolicy {
    pub fn new(plugin: Rc<dyn Plugin>, fallback: Balancer, metrics: Arc<ClusterMetrics>) -> Self {
        Self { plugin, fallback, metrics, logged: Cell::default() }
    }

    fn complain(&self, cluster: &str, reason: &dyn std::fmt::Display) {
        let now = Instant::now();
        if self.logged.get().is_none_or(|logged| now.duration_since(logged) >= LOG_INTERVAL) {
            self.logged.set(Some(now));
            tracing::warn!(plugin = &**self.plugin.name(), cluster, "the built-in policy picks: the plugin {reason}");
        }
    }
}

impl Policy for PluginPolicy {
    fn pick(&self, context: &PickContext<'_>, endpoints: &dyn View) -> Option<usize> {
        match self.plugin.pick(context, endpoints) {
            Ok(Some(index)) if index < endpoints.len() => return Some(index),
            Ok(Some(index)) => {
                let reason = format!("picked endpoint {index} of {}, counted from 0", endpoints.len());
                self.complain(context.cluster, &reason);
            }
            // It may mean that.
            Ok(None) => {}
            Err(error) => self.complain(context.cluster, &error),
        }
        self.metrics.fallback();
        self.fallback.pick(context, endpoints)
    }

    fn is_candidate(&self, index: usize, endpoints: &dyn View) -> bool {
        self.fallback.is_candidate(index, endpoints)
    }
}
