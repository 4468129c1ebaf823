//! Active health checks of each endpoint now and then, on a thread of their own. They only
//! ever change what an endpoint says of its health; they never touch the pools of the data threads.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::endpoint::Endpoint;
use super::probe::{Greeting, probe};
use super::{outlier, slow};
use crate::config::model::HealthCheck;

/// Check the endpoints of all clusters that have a health check, for ever; drop the future to stop.
/// Endpoints of other clusters are set healthy, and get all of their share, since nobody else would ever see to it.
///
/// Runs in any tokio runtime with time and I/O.
pub async fn run(clusters: Vec<Arc<Cluster>>) {
    let mut checks = JoinSet::new();
    for cluster in clusters {
        checks.spawn(outlier::run(Arc::clone(&cluster)));
        for member in cluster.members() {
            match cluster.slow_start() {
                Some(window) => drop(checks.spawn(slow::run(Arc::clone(&member.endpoint), window))),
                // One that an earlier configuration began would never end.
                None => member.endpoint.end_ramp(),
            }
        }
        let Some(check) = cluster.health_check() else {
            cluster.members().iter().for_each(|member| member.endpoint.set_healthy(true));
            continue;
        };
        for member in cluster.members() {
            checks.spawn(watch(
                Arc::clone(cluster.name()),
                Arc::clone(&member.endpoint),
                check.clone(),
                Greeting {
                    host: cluster.host().cloned(),
                    proxy_protocol: cluster.proxy_protocol(),
                    tls: cluster.tls().cloned(),
                },
                cluster.slow_start().is_some(),
            ));
        }
    }
    while checks.join_next().await.is_some() {}
    std::future::pending::<()>().await;
}

/// Check one endpoint for ever.
async fn watch(cluster: Arc<str>, endpoint: Arc<Endpoint>, check: HealthCheck, greeting: Greeting, slow_start: bool) {
    let host = greeting.host.or_else(|| HeaderValue::from_str(endpoint.text()).ok());
    let greeting = Greeting { host, ..greeting };
    let mut row = Row::default();
    // The first ones soon, and not all at once.
    tokio::time::sleep(check.interval.min(Duration::from_secs(1)).mul_f64(fraction())).await;
    loop {
        let probed = tokio::time::timeout(check.timeout, probe(&endpoint, &check, &greeting)).await;
        let (well, reason) = match probed {
            Ok(Ok(well)) => (well, None),
            Ok(Err(error)) => (false, Some(error)),
            Err(_) => (false, None),
        };
        if let Some(error) = &reason {
            endpoint.record_error(error);
        }
        if well {
            endpoint.forgive();
        }
        if let Some(healthy) = row.add(well, endpoint.is_healthy(), &check) {
            if healthy && slow_start {
                endpoint.begin_ramp();
            }
            endpoint.set_healthy(healthy);
            let endpoint = endpoint.text();
            if healthy {
                tracing::info!(cluster = &*cluster, endpoint, "endpoint is healthy now");
            } else {
                let reason = reason.map(tracing::field::display);
                tracing::warn!(cluster = &*cluster, endpoint, reason, "endpoint is unhealthy now");
            }
        }
        // A tenth more or less, so that many gateways don't fall into step.
        tokio::time::sleep(check.interval.mul_f64(0.9 + 0.2 * fraction())).await;
    }
}

/// Equal results in a row.
#[derive(Default)]
struct Row {
    well: bool,
    length: u32,
}

impl Row {
    /// The endpoint's new health, if this result changes it.
    fn add(&mut self, well: bool, healthy: bool, check: &HealthCheck) -> Option<bool> {
        if self.well != well {
            self.length = 0;
        }
        self.well = well;
        self.length = self.length.saturating_add(1);
        let wanted = if well { check.healthy_after } else { check.unhealthy_after };
        (well != healthy && self.length >= wanted).then_some(well)
    }
}

/// Anything from 0 to 1.
fn fraction() -> f64 {
    // Without randomness checks just aren't spread.
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Probe;

    fn check() -> HealthCheck {
        HealthCheck {
            probe: Probe::Tcp,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            unhealthy_after: 2,
            healthy_after: 3,
        }
    }

    #[test]
    fn it_takes_the_whole_threshold_in_a_row_both_ways() {
        let mut row = Row::default();
        let mut healthy = true;
        let results = [false, true, false, false, true, true, false, true, true, true];
        let mut states = Vec::new();
        for well in results {
            healthy = row.add(well, healthy, &check()).unwrap_or(healthy);
            states.push(healthy);
        }
        assert_eq!(states, [true, true, true, false, false, false, false, false, false, true]);
    }
}
