//! What can only be checked with configuration and components together: whether plugins have the hooks
//! that their places ask for. Pure.

use std::path::PathBuf;
use std::sync::Arc;

use super::Plugins;
use crate::config::Problem;
use crate::config::model::{Balance, Config, Destination, OnError, Route};
use crate::plugin::role::Hooks;

/// A plugin and its place don't fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Whose other version might fit; empty if none would.
    pub plugin: Arc<str>,
    pub problem: Problem,
}

/// Hooks whose failure must not let a request pass unchecked, or without an answer.
const NEVER_OPEN: [(Hooks, &str); 3] = [
    (Hooks::AUTHENTICATE, "it would let requests in unauthenticated"),
    (Hooks::AUTHORIZE, "it would let requests in unauthorized"),
    (Hooks::AGGREGATE, "there would be no answer"),
];

/// Hooks that a chain calls.
const IN_CHAIN: Hooks = Hooks::AUTHENTICATE
    .with(Hooks::AUTHORIZE)
    .with(Hooks::RATE_LIMIT)
    .with(Hooks::ON_REQUEST)
    .with(Hooks::ON_REQUEST_BODY)
    .with(Hooks::ON_RESPONSE)
    .with(Hooks::ON_RESPONSE_BODY)
    .with(Hooks::AGGREGATE);

/// Everything that doesn't fit. Plugins that aren't among `plugins`, or have no component, fit anywhere.
pub fn check(config: &Config, plugins: &Plugins) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for entry in plugins.values() {
        let (configured, hooks) = (&entry.configured, entry.hooks().unwrap_or_default());
        let fault = NEVER_OPEN.iter().find(|(hook, _)| hooks.has(*hook));
        if let (OnError::Open, Some((hook, reason))) = (configured.on_error, fault) {
            let name = hook.names().next().unwrap_or_default();
            let message = format!("\"open\" is not allowed for a plugin with the hook `{name}`: {reason}");
            conflicts.push(Conflict {
                plugin: configured.name.clone(),
                problem: problem(
                    &configured.place,
                    format!("plugin \"{}\": on_error", configured.name),
                    message,
                    "write on_error = \"closed\", or leave it out",
                ),
            });
        }
    }
    for route in &config.routes {
        check_chain(route, plugins, &mut conflicts);
    }
    for cluster in &config.clusters {
        let Balance::Plugin(name) = &cluster.balance else { continue };
        let hooks = plugins.get(name).and_then(|entry| entry.hooks());
        if let Some(hooks) = hooks.filter(|hooks| !hooks.has(Hooks::BALANCE)) {
            conflicts.push(Conflict {
                plugin: name.clone(),
                problem: problem(
                    &cluster.place,
                    format!("cluster \"{}\": balance", cluster.name),
                    format!("plugin \"{name}\" has no hook `balance`, only {}", list(hooks)),
                    "name a plugin that picks endpoints, or balance = \"round-robin\"",
                ),
            });
        }
    }
    conflicts
}

/// Plugins that routes name and that aren't there: their chains mustn't do without them.
pub(super) fn missing(config: &Config, plugins: &Plugins) -> Vec<Conflict> {
    let named = config.routes.iter().flat_map(|route| route.plugins.iter().map(move |name| (route, name)));
    named
        .filter(|(_, name)| !plugins.contains_key(*name))
        .map(|(route, name)| Conflict {
            plugin: name.clone(),
            problem: problem(
                &route.place,
                format!("route \"{}\": plugins", route.name),
                format!("there is no plugin \"{name}\""),
                "add a [[plugin]] of that name",
            ),
        })
        .collect()
}

/// `server.name` can't stand in a header field.
pub(super) fn bad_name(config: &Config) -> Conflict {
    let place = config.path.display().to_string();
    let message = "expected a name of letters, digits and -._~";
    let problem = problem(&place, "server.name".to_owned(), message, "write for example name = \"edge-1\"");
    Conflict { plugin: "".into(), problem }
}

fn check_chain(route: &Route, plugins: &Plugins, conflicts: &mut Vec<Conflict>) {
    let mut add = |plugin: &Arc<str>, key: &str, message: String, remedy: &str| {
        let key = format!("route \"{}\": {key}", route.name);
        conflicts.push(Conflict { plugin: plugin.clone(), problem: problem(&route.place, key, message, remedy) });
    };
    let aggregates = matches!(route.destination, Destination::Chain);
    for (index, name) in route.plugins.iter().enumerate() {
        // What a plugin without a version that works would do isn't known; it won't do it.
        let Some(hooks) = plugins.get(name).and_then(|entry| entry.hooks()) else { continue };
        let last = index + 1 == route.plugins.len();
        let has = hooks.has(Hooks::AGGREGATE);
        if !hooks.intersects(IN_CHAIN) {
            let message = format!("plugin \"{name}\" has only the hook `balance`, which chains don't call");
            add(name, "plugins", message, "name it in a cluster: balance = { plugin = \"…\" }");
        } else if has && !last {
            let message = format!("plugin \"{name}\" has the hook `aggregate`, which ends a chain, and isn't the last");
            add(name, "plugins", message, "put it last");
        } else if has && !aggregates {
            let message = format!("plugin \"{name}\" has the hook `aggregate` and answers itself");
            add(name, "plugins", message, "remove the route's other destination, or the plugin");
        } else if last && aggregates && !has {
            let message = format!(
                "there is no destination, and the last plugin, \"{name}\", has no hook `aggregate`, only {}",
                list(hooks)
            );
            add(name, "plugins", message, "add cluster = \"…\", or a plugin that aggregates");
        }
    }
}

fn list(hooks: Hooks) -> String {
    hooks.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A problem at a place such as `sluice.toml:12`.
pub fn problem(place: &str, key: String, message: impl Into<String>, remedy: impl Into<String>) -> Problem {
    let (file, line) = match place.rsplit_once(':').map(|(file, line)| (file, line.parse())) {
        Some((file, Ok(line))) => (file, line),
        _ => (place, 0),
    };
    Problem { file: PathBuf::from(file), line, key, message: message.into(), remedy: remedy.into() }
}
