//! Everything derived from one configuration and one set of components: immutable, swapped whole. Who
//! holds one may use all of it for as long as he likes. Nothing here reads files or runs a plugin.

mod check;
mod plugin;
pub mod status;
pub mod thread;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use check::{Conflict, check, problem};
pub use plugin::PluginEntry;

use crate::config::model::{self, Config, Destination};
use crate::fields::Pseudonym;
use crate::route::Table;
use crate::server::tls::Tls;
use crate::telemetry::metrics::{Metrics, RouteMetrics, SnapshotLife};
use crate::telemetry::traces::Exporter;
use crate::tls::Challenges;
use crate::upstream::{self, Cluster};

/// Plugins by name.
pub type Plugins = BTreeMap<Arc<str>, Arc<PluginEntry>>;

/// Things by the name of the listener or cluster that has them.
pub type ByName<T> = BTreeMap<Arc<str>, Arc<T>>;

/// What connections over TLS begin with.
#[derive(Default)]
pub struct Certificates {
    pub listeners: ByName<Tls>,
    /// Of the admin API; none if it speaks plain HTTP.
    pub admin: Option<Arc<Tls>>,
    pub clusters: ByName<upstream::Tls>,
    /// What authorities are shown that ask whether a name is the gateway's own.
    pub challenges: Arc<Challenges>,
}

/// Endpoints by name of the cluster that has none written, as far as they are known.
pub type Discovered = BTreeMap<Arc<str>, Arc<[model::Endpoint]>>;

/// What serves.
pub struct Snapshot {
    config: Arc<Config>,
    pseudonym: Pseudonym,
    table: Arc<Table>,
    plugins: Plugins,
    certificates: Arc<Certificates>,
    discovered: Arc<Discovered>,
    /// Where spans of requests go.
    traces: Option<Arc<Exporter>>,
    /// By index of the configuration's clusters.
    clusters: Vec<Arc<Cluster>>,
    /// By index of the configuration's routes.
    routes: Vec<Arc<RouteMetrics>>,
    _life: SnapshotLife,
}

impl Snapshot {
    /// Put the parts together. `plugins` has every plugin that the configuration's routes and clusters
    /// name. What hasn't changed since `previous` is taken over: clusters with their endpoints' health
    /// and load, and the compiled routes.
    ///
    /// # Errors
    /// The plugins don't have the hooks that their places ask for.
    pub fn build(
        config: Arc<Config>,
        plugins: Plugins,
        certificates: Arc<Certificates>,
        discovered: Arc<Discovered>,
        previous: Option<&Self>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Vec<Conflict>> {
        let mut conflicts = check::check(&config, &plugins);
        conflicts.extend(check::missing(&config, &plugins));
        let Ok(pseudonym) = Pseudonym::new(&config.server.name) else { return Err(vec![check::bad_name(&config)]) };
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        let same = previous.filter(|previous| Arc::ptr_eq(&previous.config, &config));
        let (table, routes) = match same {
            Some(same) => (Arc::clone(&same.table), same.routes.clone()),
            None => (
                Arc::new(Table::build(&config.routes)),
                config.routes.iter().map(|route| metrics.route(&route.name)).collect(),
            ),
        };
        let clusters = clusters(&config, &certificates, &discovered, previous, metrics);
        let traces = traces(&config, previous, metrics);
        let _life = metrics.snapshot_lives();
        Ok(Self { config, pseudonym, table, plugins, certificates, discovered, traces, clusters, routes, _life })
    }

    /// The same with other endpoints where they aren't written. Clusters whose endpoints stay are taken over.
    ///
    /// # Errors
    /// As [`Snapshot::build`]; none if that made this one.
    pub fn with_endpoints(&self, discovered: Arc<Discovered>, metrics: &Arc<Metrics>) -> Result<Self, Vec<Conflict>> {
        let (config, plugins, certificates) =
            (Arc::clone(&self.config), self.plugins.clone(), Arc::clone(&self.certificates));
        Self::build(config, plugins, certificates, discovered, Some(self), metrics)
    }

    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The gateway's name in `Via` and `CDN-Loop`.
    pub fn pseudonym(&self) -> &Pseudonym {
        &self.pseudonym
    }

    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// The endpoints that aren't written.
    pub fn discovered(&self) -> &Arc<Discovered> {
        &self.discovered
    }

    /// By index of the configuration's clusters.
    pub fn clusters(&self) -> &[Arc<Cluster>] {
        &self.clusters
    }

    /// Where spans of requests go.
    pub fn traces(&self) -> Option<&Arc<Exporter>> {
        self.traces.as_ref()
    }

    /// By index of the configuration's routes.
    pub fn route_metrics(&self) -> &[Arc<RouteMetrics>] {
        &self.routes
    }

    /// Where requests of a route go, in words.
    pub fn describe_destination(&self, destination: &Destination) -> String {
        let cluster = |index: &usize| self.config.clusters.get(*index).map_or("?", |cluster| &cluster.name);
        match destination {
            Destination::Clusters(clusters) => match clusters.as_slice() {
                [(index, _)] => format!("cluster {}", cluster(index)),
                several => {
                    let parts: Vec<String> =
                        several.iter().map(|(index, weight)| format!("{} ({weight})", cluster(index))).collect();
                    format!("clusters {}", parts.join(", "))
                }
            },
            Destination::Redirect(redirect) => format!("redirect {}", redirect.status.as_u16()),
            Destination::Respond(respond) => format!("respond {}", respond.status.as_u16()),
            Destination::Chain => "the last plugin".to_owned(),
        }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("plugins", &self.plugins.keys()).finish_non_exhaustive()
    }
}

/// What sends spans: the previous one, unless something else is asked for.
fn traces(config: &Config, previous: Option<&Snapshot>, metrics: &Metrics) -> Option<Arc<Exporter>> {
    let wanted = config.tracing.as_ref()?;
    let same = previous.and_then(|previous| previous.traces.as_ref()).filter(|known| known.settings() == wanted);
    let started = same.cloned().map_or_else(|| Exporter::start(wanted, metrics.traces()).map(Arc::new), Ok);
    started.inspect_err(|error| tracing::error!(%error, "no traces are sent")).ok()
}

fn clusters(
    config: &Config,
    certificates: &Certificates,
    discovered: &Discovered,
    previous: Option<&Snapshot>,
    metrics: &Metrics,
) -> Vec<Arc<Cluster>> {
    let known: HashMap<&str, (&Arc<Cluster>, &model::Cluster)> = previous
        .map(|previous| {
            let configured = previous.clusters.iter().zip(&previous.config.clusters);
            configured.map(|(cluster, config)| (&*config.name, (cluster, config))).collect()
        })
        .unwrap_or_default();
    let found = |config: &model::Cluster, discovered: &Discovered| {
        config.discovery.as_ref().and_then(|_| discovered.get(&config.name).cloned())
    };
    let build = |config: &model::Cluster| {
        let endpoints = found(config, discovered);
        let tls = certificates.clusters.get(&config.name);
        let is_same = |cluster: &Cluster| cluster.tls().map(Arc::as_ptr) == tls.map(Arc::as_ptr);
        match known.get(&*config.name) {
            Some((cluster, before))
                if *before == config
                    && is_same(cluster)
                    && previous.and_then(|previous| found(config, &previous.discovered)) == endpoints =>
            {
                Arc::clone(cluster)
            }
            before => {
                let before = before.map(|(cluster, _)| &***cluster);
                let metrics = metrics.cluster(&config.name);
                Arc::new(match endpoints {
                    Some(endpoints) => {
                        let config = model::Cluster { endpoints: endpoints.to_vec(), ..config.clone() };
                        Cluster::new(&config, tls.cloned(), before, metrics)
                    }
                    None => Cluster::new(config, tls.cloned(), before, metrics),
                })
            }
        }
    };
    config.clusters.iter().map(build).collect()
}
