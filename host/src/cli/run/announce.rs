//! What is said at the start, for people.

use sluice::config::model::Protocol;
use sluice::gateway::Gateway;
use sluice::process::Descriptors;
use sluice::snapshot::status::State;

/// Routes told of at the start; the admin API has them all.
const MOST_ROUTES: usize = 50;
/// What a gateway has open besides connections.
const OTHER_FILES: u64 = 128;
/// What a gateway can't do much with.
const FEW_FILES: u64 = 4096;

/// Say what is served.
pub fn announce(gateway: &Gateway) {
    let Some(snapshot) = gateway.snapshot() else { return };
    let config = snapshot.config();
    for listener in &config.listeners {
        let address = gateway.address(&listener.name).unwrap_or(listener.address);
        let scheme = match (&listener.protocol, &listener.tls) {
            (Protocol::Http, None) => "http",
            (Protocol::Http, Some(_)) => "https",
            (Protocol::Tcp(_), _) => "tcp",
        };
        tracing::info!("listener {}: {scheme}://{address}", listener.name);
    }
    for route in config.routes.iter().take(MOST_ROUTES) {
        let plugins =
            if route.plugins.is_empty() { String::new() } else { format!("{} -> ", route.plugins.join(" -> ")) };
        let destination = snapshot.describe_destination(&route.destination);
        tracing::info!("route {}: {} -> {plugins}{destination}", route.name, route.matcher);
    }
    if let Some(more) = config.routes.len().checked_sub(MOST_ROUTES).filter(|more| *more > 0) {
        tracing::info!("and {more} routes more");
    }
    let status = gateway.status().borrow().clone();
    for plugin in &status.plugins {
        let hooks = plugin.hooks.join(", ");
        match plugin.state {
            State::Unused => {
                tracing::info!("plugin {} ({}): {hooks}; no route names it", plugin.name, plugin.file.display())
            }
            _ => tracing::info!("plugin {} ({}): {}; {hooks}", plugin.name, plugin.file.display(), plugin.state.name()),
        }
    }
    if let Some(admin) = gateway.admin_address() {
        let tls = config.admin.as_ref().is_some_and(|admin| admin.tls.is_some());
        tracing::info!("admin API: {}://{admin}", if tls { "https" } else { "http" });
    }
    if let Some(probes) = gateway.probes_address() {
        tracing::info!("probes: http://{probes}");
    }
    tracing::info!("ready, with {} data threads", config.server.threads);
}

/// Say whether as many connections can be open as the configuration allows.
pub fn descriptors(gateway: &Gateway, Descriptors { found, limit }: Descriptors) {
    if found != limit {
        tracing::debug!("raised the limit of open files from {found} to {limit}");
    }
    let Some(snapshot) = gateway.snapshot() else { return };
    let config = snapshot.config();
    // Each to its endpoint too. Where nothing is said, files are the measure.
    let connections = config.listeners.iter().filter_map(|listener| listener.limits.connections);
    let allowed: u64 = connections.map(|connections| connections.saturating_mul(2)).sum();
    let needed = allowed.saturating_add(OTHER_FILES);
    if allowed > 0 && needed > limit {
        tracing::warn!(
            "the limits of listeners allow for {allowed} connections with those to endpoints, and {limit} files can be \
             open: raise the limit to {needed} (LimitNOFILE= of a unit, `ulimit -n`), or lower limits.connections"
        );
    } else if limit < FEW_FILES {
        tracing::warn!(
            "no more than {limit} files can be open, for all connections with those to endpoints: raise the limit \
             (LimitNOFILE= of a unit, `ulimit -n`)"
        );
    }
}
