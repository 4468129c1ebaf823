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
    let aggregates = matches!(route.destination, Destination::Chain);
    for (index, name) in route.plugins.iter().enumerate() {
        // What a plugin without a version that works would do isn't known; it won't do it.
        let Some(hooks) = plugins.get(name).and_then(|entry| entry.hooks()) else { continue };
        if let Some((fault, remedy)) = fault(hooks, index + 1 == route.plugins.len(), aggregates) {
            let (key, message) = (format!("route \"{}\": plugins", route.name), format!("plugin \"{name}\" {fault}"));
            conflicts.push(Conflict { plugin: name.clone(), problem: problem(&route.place, key, message, remedy) });
        }
    }
}

/// Why a plugin with these hooks can't stand in a chain, and what to do about it. `last` says whether it is at its end,
/// `aggregates` whether nothing but the chain answers.
fn fault(hooks: Hooks, last: bool, aggregates: bool) -> Option<(String, &'static str)> {
    let has = hooks.has(Hooks::AGGREGATE);
    if hooks == Hooks::BALANCE {
        let fault = "has only the hook `balance`, which chains don't call";
        Some((fault.to_owned(), "name it in a cluster: balance = { plugin = \"…\" }"))
    } else if has && !last {
        Some(("has the hook `aggregate`, which ends a chain, and isn't the last".to_owned(), "put it last"))
    } else if has && !aggregates {
        let remedy = "remove the route's other destination, or the plugin";
        Some(("has the hook `aggregate` and answers itself".to_owned(), remedy))
    } else if last && aggregates && !has {
        let only = list(hooks);
        let fault = format!("is the last, and there is no destination; it has no hook `aggregate`, only {only}");
        Some((fault, "add cluster = \"…\", or a plugin that aggregates"))
    } else {
        None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_but_balance_and_aggregate_has_a_place_in_any_chain() {
        for (hook, name) in Hooks::ALL {
            let fits = fault(hook, false, false).is_none() && fault(hook, true, false).is_none();
            assert_eq!(fits, hook != Hooks::BALANCE && hook != Hooks::AGGREGATE, "{name}");
            assert_eq!(fault(hook, true, true).is_none(), hook == Hooks::AGGREGATE, "{name}");
        }
        assert_eq!(fault(Hooks::BALANCE.with(Hooks::AUTHORIZE), true, false), None);
    }

    #[test]
    fn what_ends_a_chain_stands_at_its_end() {
        let aggregate = Hooks::AGGREGATE.with(Hooks::AUTHENTICATE);
        assert!(fault(aggregate, false, true).is_some_and(|(fault, _)| fault.contains("isn't the last")));
        assert!(fault(aggregate, true, false).is_some_and(|(fault, _)| fault.contains("answers itself")));
        assert_eq!(fault(aggregate, true, true), None);
    }
}
