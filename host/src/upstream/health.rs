//! Active health checks of each endpoint now and then, on a thread of their own. They only
//! ever change what an endpoint says of its health; they never touch the pools of the data threads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::endpoint::Endpoint;
use super::probe::{Greeting, probe};
use super::{outlier, slow};
use crate::config::model::{Address, HealthCheck};

/// The checks that run: of each cluster, and of each of its endpoints. They end when this is dropped.
#[derive(Default)]
pub struct Checks(HashMap<Arc<str>, OfCluster>);

struct OfCluster {
    cluster: watch::Sender<Arc<Cluster>>,
    members: HashMap<Address, OfEndpoint>,
    /// Readmits and compares.
    _outliers: JoinSet<()>,
}

struct OfEndpoint {
    endpoint: Arc<Endpoint>,
    with: Settings,
    _tasks: JoinSet<()>,
}

/// What the checks of an endpoint depend on.
#[derive(Clone)]
struct Settings {
    check: Option<HealthCheck>,
    greeting: Greeting,
    slow_start: Option<Duration>,
}

impl Settings {
    fn is(&self, other: &Self) -> bool {
        let (own, greeting) = (&self.greeting, &other.greeting);
        (&self.check, self.slow_start) == (&other.check, other.slow_start)
            && (&own.host, own.proxy_protocol) == (&greeting.host, greeting.proxy_protocol)
            && own.manner.likeness() == greeting.manner.likeness()
    }
}

impl Checks {
    /// See to these clusters from now on, in any tokio runtime with time and I/O. What stays the same goes on undisturbed, so
    /// that rows of results aren't broken by endpoints that come and go.
    pub fn update(&mut self, clusters: &[Arc<Cluster>]) {
        let mut before = std::mem::take(&mut self.0);
        for cluster in clusters {
            let mut own = before.remove(cluster.name()).unwrap_or_else(|| OfCluster::new(cluster));
            own.update(cluster);
            self.0.insert(Arc::clone(cluster.name()), own);
        }
    }
}

impl OfCluster {
    fn new(cluster: &Arc<Cluster>) -> Self {
        let (sender, receiver) = watch::channel(Arc::clone(cluster));
        let mut outliers = JoinSet::new();
        outliers.spawn(outlier::run(receiver));
        Self { cluster: sender, members: HashMap::new(), _outliers: outliers }
    }

    fn update(&mut self, cluster: &Arc<Cluster>) {
        let with = Settings {
            check: cluster.health_check().cloned(),
            greeting: Greeting {
                host: cluster.host().cloned(),
                proxy_protocol: cluster.proxy_protocol(),
                manner: cluster.manner().clone(),
            },
            slow_start: cluster.slow_start(),
        };
        let mut before = std::mem::take(&mut self.members);
        for member in cluster.members() {
            let endpoint = &member.endpoint;
            let same = |known: &OfEndpoint| Arc::ptr_eq(&known.endpoint, endpoint) && known.with.is(&with);
            let own = before.remove(endpoint.address()).filter(same);
            let own = own.unwrap_or_else(|| OfEndpoint::start(cluster.name(), endpoint, &with));
            self.members.insert(endpoint.address().clone(), own);
        }
        self.cluster.send_replace(Arc::clone(cluster));
    }
}

impl OfEndpoint {
    fn start(cluster: &Arc<str>, endpoint: &Arc<Endpoint>, with: &Settings) -> Self {
        let mut tasks = JoinSet::new();
        match with.slow_start {
            Some(window) => drop(tasks.spawn(slow::run(Arc::clone(endpoint), window))),
            // One that an earlier configuration began would never end.
            None => endpoint.end_ramp(),
        }
        match &with.check {
            Some(check) => {
                let (cluster, endpoint, greeting) = (Arc::clone(cluster), Arc::clone(endpoint), with.greeting.clone());
                tasks.spawn(self::check(cluster, endpoint, check.clone(), greeting, with.slow_start.is_some()));
            }
            // Nobody else would ever see to it.
            None => endpoint.set_healthy(true),
        }
        Self { endpoint: Arc::clone(endpoint), with: with.clone(), _tasks: tasks }
    }
}

/// Check one endpoint for ever.
async fn check(cluster: Arc<str>, endpoint: Arc<Endpoint>, check: HealthCheck, greeting: Greeting, slow_start: bool) {
    let host = greeting.host.or_else(|| HeaderValue::from_str(endpoint.text()).ok());
    let greeting = Greeting { host, ..greeting };
    let mut row = Row::default();
    tokio::time::sleep(first_pause(check.interval, fraction())).await;
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
        tokio::time::sleep(pause(check.interval, fraction())).await;
    }
}

/// Until the first check, by chance: soon, but not of all endpoints at once.
fn first_pause(interval: Duration, chance: f64) -> Duration {
    interval.min(Duration::from_secs(1)).mul_f64(chance)
}

/// From one check to the next, by chance: a tenth more or less, so that many gateways don't fall into step.
fn pause(interval: Duration, chance: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * chance)
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

    #[test]
    fn checks_are_spread() {
        let second = Duration::from_secs(1);
        assert_eq!([first_pause(second * 5, 0.0), first_pause(second * 5, 1.0)], [Duration::ZERO, second]);
        assert_eq!(first_pause(second / 2, 1.0), second / 2, "never later than the next one");
        assert_eq!([pause(second * 10, 0.0), pause(second * 10, 1.0)], [second * 9, second * 11]);
        let chances: Vec<f64> = (0..1000).map(|_| fraction()).collect();
        assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
        let mean = chances.iter().sum::<f64>() / 1000.0;
        // Ten standard deviations of the mean of so many.
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }

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
