//! Builds what one data thread serves by from a published snapshot. What the thread has already, and
//! hasn't changed, stays: instances of plugins, positions of policies, connections.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::client::{Client, Clusters};
use super::policy::PluginPolicy;
use crate::balance::{Policy, WeightedChoice};
use crate::config::model::{AccessLog, Balance, Config, Destination, Listener, Protocol, Route};
use crate::plugin::chain::Chain;
use crate::plugin::http_client::HttpClient;
use crate::plugin::role::Plugin;
use crate::snapshot::thread::{Retirement, ThreadDestination, ThreadRoute, ThreadSnapshot, ThreadStreams};
use crate::snapshot::{PluginEntry, Snapshot};
use crate::telemetry::access::{self, Lane, Writer};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::witness::Witness;
use crate::upstream::{Cluster, Pool, ThreadCluster};

/// What a plugin was made from, and the part of it that belongs to this thread.
type OnThread = (Arc<PluginEntry>, Rc<dyn Plugin>);

/// What a thread keeps from one snapshot to the next.
pub struct Views {
    /// The thread's number; threads with different ones begin with different endpoints.
    thread: usize,
    metrics: Arc<Metrics>,
    retired: mpsc::UnboundedSender<Arc<Snapshot>>,
    witness: Option<Witness>,
    pool: Rc<Pool>,
    client: Arc<Client>,
    /// As the client sees them.
    current: Rc<RefCell<Rc<Clusters>>>,
    plugins: HashMap<Arc<str>, OnThread>,
    clusters: HashMap<Arc<str>, KnownCluster>,
}

struct KnownCluster {
    cluster: Arc<Cluster>,
    /// The plugin that picks.
    policy: Option<Rc<dyn Plugin>>,
    on_thread: Rc<ThreadCluster>,
}

impl Views {
    /// Old snapshots are sent to `retired`. Also returns the task that serves plugins' requests.
    pub fn new(
        thread: usize,
        metrics: Arc<Metrics>,
        retired: mpsc::UnboundedSender<Arc<Snapshot>>,
        witness: Option<Witness>,
    ) -> (Self, impl Future<Output = ()> + 'static) {
        let current = Rc::new(RefCell::new(Rc::new(Clusters::new())));
        let (client, serve) = Client::new(current.clone());
        let (plugins, clusters) = (HashMap::new(), HashMap::new());
        (Self { thread, metrics, retired, witness, pool: Pool::new(), client, current, plugins, clusters }, serve)
    }

    /// The view of a snapshot.
    pub fn build(&mut self, version: u64, snapshot: Arc<Snapshot>, access: Option<&Writer>) -> Rc<ThreadSnapshot> {
        self.update_plugins(&snapshot);
        let clusters = self.update_clusters(&snapshot);
        let config = snapshot.config().clone();
        let routes = config.routes.iter().zip(snapshot.route_metrics()).map(|(route, metrics)| {
            Rc::new(ThreadRoute {
                name: route.name.clone(),
                chain: self.chain(route),
                destination: destination(&route.destination, &clusters, self.ahead()),
                anonymous: route.anonymous,
                metrics: metrics.clone(),
            })
        });
        let by_name = clusters.iter().map(|cluster| (cluster.cluster().name().clone(), cluster.clone())).collect();
        let view = ThreadSnapshot {
            version,
            pseudonym: snapshot.pseudonym().clone(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            http: config.http,
            identity: Rc::new(config.identity.clone()),
            streams: streams(&config.listeners, &clusters),
            listeners: config.listeners.iter().map(|listener| listener.name.clone()).collect(),
            table: snapshot.table().clone(),
            routes: routes.collect(),
            unmatched: self.metrics.route(""),
            refusals: self.metrics.refusals().clone(),
            access_log: access::Log::new(
                written(&config, access),
                self.witness.clone(),
                snapshot.traces().map(|traces| traces.tracer()),
            ),
            challenges: snapshot.certificates().challenges.clone(),
            retirement: Retirement::new(snapshot.clone(), self.retired.clone()),
        };
        self.current.replace(Rc::new(by_name));
        Rc::new(view)
    }

    fn update_plugins(&mut self, snapshot: &Snapshot) {
        let mut known = std::mem::take(&mut self.plugins);
        for (name, entry) in snapshot.plugins() {
            let on_thread = match known.remove(name) {
                Some((before, on_thread)) if Arc::ptr_eq(&before, entry) => on_thread,
                _ => entry.factory.on_thread(self.client.clone() as Arc<dyn HttpClient>),
            };
            self.plugins.insert(name.clone(), (entry.clone(), on_thread));
        }
    }

    /// By index of the configuration's clusters.
    fn update_clusters(&mut self, snapshot: &Snapshot) -> Vec<Rc<ThreadCluster>> {
        let mut known = std::mem::take(&mut self.clusters);
        let mut clusters = Vec::with_capacity(snapshot.clusters().len());
        for (cluster, config) in snapshot.clusters().iter().zip(&snapshot.config().clusters) {
            let policy = match &config.balance {
                Balance::Plugin(name) => self.plugins.get(name).map(|(_, plugin)| plugin.clone()),
                _ => None,
            };
            let same = |known: &KnownCluster| {
                Arc::ptr_eq(&known.cluster, cluster)
                    && match (&known.policy, &policy) {
                        (Some(before), Some(now)) => Rc::ptr_eq(before, now),
                        (before, now) => before.is_none() && now.is_none(),
                    }
            };
            let on_thread = match known.remove(&config.name) {
                Some(known) if same(&known) => known.on_thread,
                Some(known) => Rc::new(self.cluster(cluster, policy.clone()).after(&known.on_thread)),
                None => Rc::new(self.cluster(cluster, policy.clone())),
            };
            clusters.push(on_thread.clone());
            let known = KnownCluster { cluster: cluster.clone(), policy, on_thread };
            self.clusters.insert(config.name.clone(), known);
        }
        clusters
    }

    fn cluster(&self, cluster: &Arc<Cluster>, policy: Option<Rc<dyn Plugin>>) -> ThreadCluster {
        let built_in = cluster.balancer(self.ahead());
        let policy: Box<dyn Policy> = match policy {
            Some(plugin) => Box::new(PluginPolicy::new(plugin, built_in, self.metrics.cluster(cluster.name()))),
            None => Box::new(built_in),
        };
        ThreadCluster::new(cluster.clone(), policy, &self.pool)
    }

    fn chain(&self, route: &Route) -> Chain {
        let plugin = |name| self.plugins.get(name).map(|(_, plugin)| plugin.clone());
        Chain::new(route.plugins.iter().filter_map(plugin).collect())
    }

    fn ahead(&self) -> u32 {
        u32::try_from(self.thread).unwrap_or_default()
    }
}

/// What the access log writes, and where to.
fn written(config: &Config, writer: Option<&Writer>) -> Option<(Arc<AccessLog>, Lane)> {
    Some((config.access_log.clone()?, writer?.lane()))
}

fn streams(listeners: &[Listener], clusters: &[Rc<ThreadCluster>]) -> HashMap<Arc<str>, Rc<ThreadStreams>> {
    let of_listener = |listener: &Listener| {
        let Protocol::Tcp(streams) = &listener.protocol else { return None };
        let cluster = |index: usize| clusters.get(index).cloned();
        let names = streams.sni.iter().filter_map(|(pattern, index)| Some((pattern.clone(), cluster(*index)?)));
        let streams = ThreadStreams {
            cluster: streams.cluster.and_then(cluster),
            names: names.collect(),
            idle_timeout: streams.idle_timeout,
        };
        Some((listener.name.clone(), Rc::new(streams)))
    };
    listeners.iter().filter_map(of_listener).collect()
}

fn destination(destination: &Destination, clusters: &[Rc<ThreadCluster>], ahead: u32) -> ThreadDestination {
    match destination {
        Destination::Clusters(choices) => {
            let found: Vec<(Rc<ThreadCluster>, u32)> =
                choices.iter().filter_map(|(index, weight)| Some((clusters.get(*index)?.clone(), *weight))).collect();
            let choice = WeightedChoice::new(found.iter().map(|(_, weight)| *weight), ahead);
            ThreadDestination::Clusters { clusters: found.into_iter().map(|(cluster, _)| cluster).collect(), choice }
        }
        Destination::Redirect(redirect) => ThreadDestination::Redirect(redirect.clone()),
        Destination::Respond(respond) => ThreadDestination::Respond(respond.clone()),
        Destination::Chain => ThreadDestination::Chain,
    }
}
