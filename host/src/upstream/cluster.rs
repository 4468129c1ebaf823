//! A cluster of a snapshot: endpoints with weights, timeouts and the handles that survive a reload.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;

use super::endpoint::Endpoint;
use crate::balance::{EndpointView, View};
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
    proxy_protocol: Option<Version>,
    health_check: Option<model::HealthCheck>,
    metrics: Arc<ClusterMetrics>,
}

/// An endpoint with what this cluster says of it.
#[derive(Debug, Clone)]
pub struct Member {
    pub endpoint: Arc<Endpoint>,
    /// At least 1.
    pub weight: u32,
}

impl Cluster {
    /// Endpoints that `previous`, the cluster of the same name in the snapshot before, has too are
    /// carried over with their load and health.
    pub fn new(config: &model::Cluster, previous: Option<&Self>, metrics: Arc<ClusterMetrics>) -> Self {
        let known: HashMap<SocketAddr, &Arc<Endpoint>> = previous
            .map(|cluster| cluster.members.iter().map(|member| (member.endpoint.address(), &member.endpoint)).collect())
            .unwrap_or_default();
        let members = config.endpoints.iter().map(|endpoint| Member {
            endpoint: known
                .get(&endpoint.address)
                .map_or_else(|| Arc::new(Endpoint::new(endpoint.address)), |known| Arc::clone(known)),
            weight: endpoint.weight.max(1),
        });
        Self {
            name: Arc::clone(&config.name),
            members: members.collect(),
            host: config.host.clone(),
            timeouts: config.timeouts.clone(),
            proxy_protocol: config.proxy_protocol,
            health_check: config.health_check.clone(),
            metrics,
        }
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
        self.proxy_protocol
    }

    pub fn health_check(&self) -> Option<&model::HealthCheck> {
        self.health_check.as_ref()
    }

    pub fn metrics(&self) -> &ClusterMetrics {
        &self.metrics
    }
}

impl View for Cluster {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn get(&self, index: usize) -> Option<EndpointView<'_>> {
        let Member { endpoint, weight } = self.members.get(index)?;
        Some(EndpointView {
            address: endpoint.text(),
            weight: *weight,
            in_flight: endpoint.in_flight(),
            latency_us: endpoint.latency_us(),
            healthy: endpoint.is_healthy(),
            failures: endpoint.failures(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(ports: &[u16]) -> model::Cluster {
        model::Cluster {
            name: "shop".into(),
            balance: model::Balance::RoundRobin,
            endpoints: ports
                .iter()
                .map(|port| model::Endpoint { address: ([127, 0, 0, 1], *port).into(), weight: 1 })
                .collect(),
            health_check: None,
            host: None,
            timeouts: model::Timeouts::default(),
            proxy_protocol: None,
        }
    }

    #[test]
    fn endpoints_survive_a_reload_by_address() {
        let old = Cluster::new(&config(&[1, 2]), None, Arc::default());
        old.members[1].endpoint.set_healthy(false);
        let new = Cluster::new(&config(&[2, 3]), Some(&old), Arc::default());
        assert!(Arc::ptr_eq(&old.members[1].endpoint, &new.members[0].endpoint));
        assert_eq!(new.get(0).map(|endpoint| endpoint.healthy), Some(false));
        assert_eq!(new.get(1).map(|endpoint| endpoint.healthy), Some(true));
        assert_eq!(new.get(2), None);
    }
}
