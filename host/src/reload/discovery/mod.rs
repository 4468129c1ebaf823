//! Follows what DNS says of clusters' endpoints, each for as long as the answer holds. Runs on the control thread; what
//! is found becomes the next snapshot. The last answer stays for as long as there is no other: when DNS is gone, and
//! also when it says that there is nothing, since that is likelier a mistake than meant.

mod lookup;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::lookup::{Answer, Lookup};
use crate::config::model::{Config, Dns, Endpoint};
use crate::dns::DnsError;
use crate::snapshot::Discovered;
use crate::telemetry::metrics::Metrics;

/// How long the first answers may take before what depends on them serves without.
const FIRST: Duration = Duration::from_secs(5);
/// From a failure to the next look at first; twice as long each time.
const BACK_OFF: Duration = Duration::from_secs(1);
const MOST_BACK_OFF: Duration = Duration::from_secs(30);

/// The clusters that are followed.
pub struct Discovery {
    metrics: Arc<Metrics>,
    config: Option<Arc<Config>>,
    followed: BTreeMap<Arc<str>, Followed>,
    sender: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
    found: Arc<Discovered>,
    /// Numbers of those that follow.
    next: u64,
}

struct Followed {
    dns: Dns,
    number: u64,
    task: JoinHandle<()>,
    /// Whether there was any outcome yet.
    seen: bool,
    /// The last good answer.
    endpoints: Option<Vec<Endpoint>>,
    is_failing: bool,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A look came to its end.
struct Event {
    cluster: Arc<str>,
    /// Of who followed.
    number: u64,
    outcome: Result<Answer, DnsError>,
}

impl Discovery {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let (config, followed, found) = Default::default();
        Self { metrics, config, followed, sender, events, found, next: 0 }
    }

    /// Follow the clusters of this configuration from now on, in a local set of tasks. What is followed already goes on.
    pub fn follow(&mut self, config: &Arc<Config>) {
        if self.config.as_ref().is_some_and(|known| Arc::ptr_eq(known, config)) {
            return;
        }
        self.config = Some(Arc::clone(config));
        let mut before = std::mem::take(&mut self.followed);
        for cluster in &config.clusters {
            let Some(dns) = &cluster.discovery else { continue };
            let followed = match before.remove(&cluster.name) {
                Some(known) if known.dns == *dns => known,
                known => self.start(&cluster.name, dns, known.as_ref()),
            };
            self.followed.insert(Arc::clone(&cluster.name), followed);
        }
        self.collect();
    }

    fn start(&mut self, cluster: &Arc<str>, dns: &Dns, before: Option<&Followed>) -> Followed {
        self.next += 1;
        let (number, sender) = (self.next, self.sender.clone());
        let task = tokio::task::spawn_local(follow(Arc::clone(cluster), number, dns.clone(), sender));
        // Asked in another way, it is still the same.
        let endpoints = before.filter(|before| before.dns.wanted == dns.wanted).and_then(|b| b.endpoints.clone());
        if endpoints.is_none() {
            self.metrics.cluster(cluster).dns().begin();
        }
        Followed { dns: dns.clone(), number, task, seen: false, endpoints, is_failing: false }
    }

    /// The endpoints as they are known now.
    pub fn found(&self) -> Arc<Discovered> {
        Arc::clone(&self.found)
    }

    /// Wait until all that is followed has had an outcome, but not for ever.
    pub async fn first_answers(&mut self) {
        let end = Instant::now() + FIRST;
        while self.followed.values().any(|followed| !followed.seen) {
            match tokio::time::timeout_at(end, self.events.recv()).await {
                Ok(Some(event)) => self.take(event),
                Ok(None) | Err(_) => break,
            }
        }
        let late = self.followed.iter().filter(|(_, followed)| followed.endpoints.is_none());
        for (cluster, followed) in late {
            let name = followed.dns.wanted.to_string();
            tracing::warn!(cluster = &**cluster, name, "DNS has told no endpoints yet; requests are answered 503");
        }
    }

    /// Wait until the endpoints of a cluster have changed. May be dropped and called again.
    pub async fn changed(&mut self) {
        let before = self.found();
        while *before == *self.found {
            // This keeps a sender.
            let Some(event) = self.events.recv().await else { return };
            self.take(event);
            while let Ok(event) = self.events.try_recv() {
                self.take(event);
            }
        }
    }

    fn take(&mut self, event: Event) {
        let Event { cluster, number, outcome } = event;
        let current = |followed: &&mut Followed| followed.number == number;
        let Some(followed) = self.followed.get_mut(&cluster).filter(current) else { return };
        followed.seen = true;
        let error = outcome.as_ref().map_or_else(|error| Some(*error), |answer| answer.missing);
        self.metrics.cluster(&cluster).dns().record(error.map_or("ok", DnsError::kind));
        followed.tell(&cluster, error);
        if let Ok(answer) = outcome
            && followed.endpoints.as_ref() != Some(&answer.endpoints)
        {
            let count = answer.endpoints.len();
            tracing::info!(cluster = &*cluster, endpoints = count, "DNS has told other endpoints");
            followed.endpoints = Some(answer.endpoints);
            self.collect();
        }
    }

    /// What is known of all clusters, without the gateway itself: whoever writes a record mustn't get at the admin API by it.
    fn collect(&mut self) {
        let Some(config) = &self.config else { return };
        let usable = |cluster: &str, endpoint: &&Endpoint| {
            let own = endpoint.address.socket().is_some_and(|address| config.is_own(address));
            if own {
                let endpoint = &endpoint.address;
                tracing::warn!(cluster, %endpoint, "DNS has told an address of the gateway itself; it is left out");
            }
            !own
        };
        let known = self.followed.iter().filter_map(|(cluster, followed)| {
            let endpoints = followed.endpoints.as_ref()?;
            let endpoints = endpoints.iter().filter(|endpoint| usable(cluster, endpoint)).cloned();
            Some((Arc::clone(cluster), endpoints.collect()))
        });
        self.found = Arc::new(known.collect());
    }
}

impl Followed {
    /// Tell people when it begins to fail, and when it is well again.
    fn tell(&mut self, cluster: &str, error: Option<DnsError>) {
        let name = self.dns.wanted.to_string();
        match error {
            Some(error) if !self.is_failing && self.endpoints.is_some() => {
                tracing::warn!(cluster, name, %error, "DNS tells no endpoints; the last ones serve on");
            }
            Some(error) if !self.is_failing => {
                tracing::warn!(cluster, name, %error, "DNS tells no endpoints, and there are none from before");
            }
            None if self.is_failing => tracing::info!(cluster, name, "DNS tells endpoints again"),
            _ => {}
        }
        self.is_failing = error.is_some();
    }
}

/// Look at one cluster's names for ever.
async fn follow(cluster: Arc<str>, number: u64, dns: Dns, sender: mpsc::UnboundedSender<Event>) {
    let max_ttl = dns.max_ttl;
    let mut lookup = Lookup::new(dns);
    let mut failures = 0_u32;
    loop {
        let outcome = lookup.look().await;
        let failed = outcome.as_ref().map_or(true, |answer| answer.missing.is_some());
        failures = if failed { failures.saturating_add(1) } else { 0 };
        let pause = match &outcome {
            Ok(answer) if answer.missing.is_none() => answer.ttl,
            _ => back_off(failures).min(max_ttl),
        };
        if sender.send(Event { cluster: Arc::clone(&cluster), number, outcome }).is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// How long to wait after so many failures in a row, at least 1.
fn back_off(failures: u32) -> Duration {
    BACK_OFF.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(MOST_BACK_OFF)
}

#[cfg(test)]
mod tests;
