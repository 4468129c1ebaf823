//! A cluster of a snapshot: endpoints with weights, timeouts and the handles that survive a reload.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Release};
use std::time::Duration;

use http::HeaderValue;

use super::endpoint::Endpoint;
use super::limit::Limits;
use super::pool::Manner;
use super::sticky::Sticky;
use super::tls::Tls;
use crate::balance::{Balancer, EndpointView, Preference, Table, View};
use crate::config::model;
use crate::proxy_protocol::Version;
use crate::telemetry::metrics::ClusterMetrics;

/// One cluster, the same for all threads. Immutable but for what its endpoints count.
#[derive(Debug)]
pub struct Cluster {
    name: Arc<str>,
    members: Vec<Member>,
    host: Option<HeaderValue>,
    timeouts: model::Timeouts,
    manner: Manner,
    health_check: Option<model::HealthCheck>,
    retries: Option<model::Retries>,
    hedge: Option<model::Hedge>,
    outlier_detection: Option<model::OutlierDetection>,
    limits: Arc<Limits>,
    /// Somebody ejects an endpoint.
    ejecting: AtomicBool,
    slow_start: Option<Duration>,
    sticky: Option<Sticky>,
    balance: model::Balance,
    preference: Preference,
    table: Option<Table>,
    /// Counts changes of what policies compute from.
    epoch: Arc<AtomicU64>,
    metrics: Arc<ClusterMetrics>,
}

/// An endpoint with what this cluster says of it.
#[derive(Debug, Clone)]
pub struct Member {
    pub endpoint: Arc<Endpoint>,
    /// At least 1.
    pub weight: u32,
    pub priority: u8,
    pub zone: Option<Arc<str>>,
}

impl Cluster {
    /// Endpoints that `previous`, the cluster of the same name in the snapshot before, has too are
    /// carried over with their load and health.
    pub fn new(
        config: &model::Cluster,
        tls: Option<Arc<Tls>>,
        previous: Option<&Self>,
        metrics: Arc<ClusterMetrics>,
    ) -> Self {
        let epoch = previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.epoch));
        let known: HashMap<&model::Address, &Arc<Endpoint>> = previous
            .map(|cluster| cluster.members.iter().map(|member| (member.endpoint.address(), &member.endpoint)).collect())
            .unwrap_or_default();
        let new = |address: &model::Address| {
            let endpoint = Endpoint::new(address.clone(), Arc::clone(&epoch));
            // All of them at once, when the gateway starts, need no protection from each other.
            if config.slow_start.is_some() && previous.is_some_and(|previous| !previous.members.is_empty()) {
                endpoint.begin_ramp();
            }
            Arc::new(endpoint)
        };
        let members = config.endpoints.iter().map(|endpoint| Member {
            endpoint: known.get(&endpoint.address).map_or_else(|| new(&endpoint.address), |known| Arc::clone(known)),
            weight: endpoint.weight.max(1),
            priority: endpoint.priority,
            zone: endpoint.zone.clone(),
        });
        let members: Vec<Member> = members.collect();
        let named: Vec<(&str, u32)> = members.iter().map(|member| (member.endpoint.text(), member.weight)).collect();
        let table = match &config.balance {
            model::Balance::RingHash(_) => Some(Table::ring(&named)),
            model::Balance::Maglev(_) => Some(Table::maglev(&named)),
            _ => None,
        };
        let limits = previous
            .map(|previous| Arc::clone(&previous.limits))
            .filter(|limits| limits.is(&config.limits))
            .unwrap_or_else(|| Arc::new(Limits::new(&config.limits)));
        Self {
            name: Arc::clone(&config.name),
            host: config.host.clone(),
            timeouts: config.timeouts.clone(),
            manner: Manner {
                tls,
                protocol: config.protocol,
                most_streams: config.max_concurrent_streams,
                keepalive: config.keepalive,
                keep_alive: config.timeouts.keep_alive,
                proxy_protocol: config.proxy_protocol,
                places: limits.connections.clone(),
            },
            health_check: config.health_check.clone(),
            retries: config.retries.clone(),
            hedge: config.hedge.clone(),
            outlier_detection: config.outlier_detection.clone(),
            limits,
            ejecting: AtomicBool::new(false),
            slow_start: config.slow_start,
            sticky: config.sticky.as_ref().map(|sticky| Sticky::new(sticky, &config.name, &named)),
            balance: config.balance.clone(),
            preference: Preference { panic_threshold: config.panic_threshold, zone: config.zone.clone() },
            table,
            members,
            epoch,
            metrics,
        }
    }

    /// Its policy for a thread of that number, if no plugin picks.
    pub fn balancer(&self, thread: u32) -> Balancer {
        // Without randomness threads make the same choices, which their numbers still tell apart.
        let seed = getrandom::u64().unwrap_or_else(|_| u64::from(thread));
        Balancer::new(&self.balance, self.preference.clone(), thread, seed)
    }

    /// How long an endpoint takes to get all of its share.
    pub fn slow_start(&self) -> Option<Duration> {
        self.slow_start
    }

    pub(super) fn sticky(&self) -> Option<&Sticky> {
        self.sticky.as_ref()
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// `Host` to send instead of the client's.
    pub fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    pub fn timeouts(&self) -> &model::Timeouts {
        &self.timeouts
    }

    /// The header that connections begin with.
    pub fn proxy_protocol(&self) -> Option<Version> {
        self.manner.proxy_protocol
    }

    /// What connections begin with, if they are encrypted.
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.manner.tls.as_ref()
    }

    /// What connections to its endpoints are like.
    pub(super) fn manner(&self) -> &Manner {
        &self.manner
    }

    pub fn health_check(&self) -> Option<&model::HealthCheck> {
        self.health_check.as_ref()
    }

    /// What is tried again.
    pub fn retries(&self) -> Option<&model::Retries> {
        self.retries.as_ref()
    }

    /// What is sent to a second endpoint when the first takes long.
    pub(super) fn hedge(&self) -> Option<&model::Hedge> {
        self.hedge.as_ref()
    }

    pub(super) fn outlier_detection(&self) -> Option<&model::OutlierDetection> {
        self.outlier_detection.as_ref()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The turn to eject an endpoint, if nobody has it.
    pub(super) fn turn(&self) -> Option<Turn<'_>> {
        (!self.ejecting.swap(true, Acquire)).then_some(Turn(&self.ejecting))
    }

    pub fn metrics(&self) -> &ClusterMetrics {
        &self.metrics
    }
}

/// Given back when dropped.
pub(super) struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

impl View for Cluster {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn get(&self, index: usize) -> Option<EndpointView<'_>> {
        let Member { endpoint, weight, priority, zone } = self.members.get(index)?;
        let peak_us = if self.balance == model::Balance::PeakEwma { endpoint.peak_us() } else { 0 };
        Some(EndpointView {
            address: endpoint.text(),
            weight: *weight,
            in_flight: endpoint.in_flight(),
            latency_us: endpoint.latency_us(),
            peak_us,
            healthy: endpoint.is_available(),
            failures: endpoint.failures(),
            priority: *priority,
            zone: zone.as_deref(),
            ramp: endpoint.ramp(),
        })
    }

    fn epoch(&self) -> Option<u64> {
        Some(self.epoch.load(Acquire))
    }

    fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(ports: &[u16]) -> model::Cluster {
        model::Cluster {
            name: "shop".into(),
            endpoints: ports.iter().map(|port| std::net::SocketAddr::from(([127, 0, 0, 1], *port)).into()).collect(),
            ..model::Cluster::default()
        }
    }

    #[test]
    fn endpoints_survive_a_reload_by_address() {
        let old = Cluster::new(&config(&[1, 2]), None, None, Arc::default());
        old.members[1].endpoint.set_healthy(false);
        let new = Cluster::new(&config(&[2, 3]), None, Some(&old), Arc::default());
        assert!(Arc::ptr_eq(&old.members[1].endpoint, &new.members[0].endpoint));
        assert_eq!(new.get(0).map(|endpoint| endpoint.healthy), Some(false));
        assert_eq!(new.get(1).map(|endpoint| endpoint.healthy), Some(true));
        assert_eq!(new.get(2), None);
        assert_eq!(old.epoch(), Some(1), "policies look again");
    }
}
