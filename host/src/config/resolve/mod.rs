//! From written to resolved: names looked up, defaults filled in, entries checked against each other.
//! Reads nothing but the listing of the plugin directory.

mod acme;
mod ambiguity;
mod cluster;
mod listener;
mod names;
mod plugin;
mod route;
mod server;

use std::path::{Path, PathBuf};

use names::Names;

use super::files::absolute;
use super::model::{Config, PluginDirectory, RedisAddress, State};
use super::problem::Problems;
use super::written::{Protocol, Written};

/// What every part of the resolution looks names up in.
struct Context<'a> {
    listeners: Names<'a>,
    /// Names of listeners that have no routes, since they speak no HTTP.
    streams: Vec<&'a str>,
    clusters: Names<'a>,
    plugins: Names<'a>,
    /// Files in the plugin directory that can be named by their stem.
    dropped: plugin::Dropped,
    problems: &'a Problems,
}

impl<'a> Context<'a> {
    /// The names of listeners that routes can have, sorted.
    fn http_listeners(&self) -> Vec<&'a str> {
        self.listeners.sorted().into_iter().filter(|name| !self.streams.contains(name)).collect()
    }
}

/// Resolves `written`. What is wrong is reported and left out, so that the outcome can only serve if nothing
/// was reported, now or before.
pub(super) fn resolve(written: Written, path: &Path, base: &Path, problems: &Problems) -> Config {
    let directory = absolute(&base.join(written.plugins.directory.as_deref().unwrap_or(Path::new("plugins"))));
    let cache = absolute(&base.join(written.plugins.cache.as_deref().unwrap_or(Path::new(".sluice-cache"))));
    let state = state(&written.state, base);
    let misspelt = &written.misspelt;
    let listeners = written.listeners.iter().map(|listener| &listener.head);
    let clusters = written.clusters.iter().map(|cluster| &cluster.head);
    let plugins = written.plugin.iter().map(|plugin| &plugin.head);
    let streams = written.listeners.iter().filter(|listener| matches!(listener.protocol, Protocol::Tcp(_)));
    let context = Context {
        streams: streams.filter_map(|listener| Some(&*listener.head.name.as_ref()?.value)).collect(),
        listeners: Names::collect("listener", listeners, misspelt, problems),
        clusters: Names::collect("cluster", clusters, misspelt, problems),
        plugins: Names::collect("plugin", plugins, misspelt, problems),
        dropped: plugin::Dropped::list(&directory, &written.plugin),
        problems,
    };
    // Their indexes aren't used, but their names have to differ.
    Names::collect("route", written.routes.iter().map(|route| &route.head), misspelt, problems);

    let acme = acme::resolve(&written.acme, base);

    listener::check(&written, path, problems);
    acme::check(&written, problems);
    cluster::check_endpoints(&written, problems);
    ambiguity::check(&written.routes, &context);
    Config {
        path: absolute(path),
        files: Vec::new(),
        include_directories: Vec::<PathBuf>::new(),
        admin: server::admin(&written, base, &acme, problems),
        access_log: server::access_log(&written, base),
        server: server::server(&written, path, base),
        overload: written.overload,
        http: written.http,
        identity: server::identity(&written, problems),
        plugins: PluginDirectory { directory, cache },
        listeners: listener::resolve(&written.listeners, base, &acme, &context),
        routes: written.routes.iter().filter_map(|route| route::resolve(route, &context)).collect(),
        clusters: written
            .clusters
            .iter()
            .filter_map(|cluster| cluster::resolve(cluster, written.server.zone.as_ref(), &context))
            .collect(),
        plugin: written.plugin.iter().filter_map(|plugin| plugin::resolve(plugin, &state, &context)).collect(),
        tracing: written.tracing.clone().map(std::sync::Arc::new),
        acme: acme::is_used(&written).then_some(acme),
        state,
    }
}

/// With the path of a socket made absolute.
fn state(written: &State, base: &Path) -> State {
    let mut state = written.clone();
    if let State::Redis(redis) = &mut state
        && let RedisAddress::Unix(path) = &mut std::sync::Arc::make_mut(redis).address
    {
        *path = absolute(&base.join(&*path));
    }
    state
}
