//! Routes: listeners, plugins and clusters looked up.

use std::sync::Arc;

use super::{Context, plugin};
use crate::config::model::{Destination, Route};
use crate::config::problem::{Fault, quote};
use crate::config::written;

pub(super) fn resolve(written: &written::Route, context: &Context<'_>) -> Option<Route> {
    // Everything is looked up before anything is given up.
    let listeners = listeners(written, context);
    let plugins: Vec<_> =
        written.plugins.iter().map(|name| plugin::named(name, &key(written, "plugins"), context)).collect();
    let destination =
        written.destination.as_ref().map(|destination| resolve_destination(written, destination, context));
    Some(Route {
        name: Arc::clone(&written.head.name.as_ref()?.value),
        listeners,
        matcher: written.matcher.clone()?,
        plugins: plugins.into_iter().collect::<Option<_>>()?,
        destination: destination??,
        anonymous: written.anonymous,
        fall_through: written.fall_through,
        place: written.head.place.to_string().into(),
    })
}

fn key(written: &written::Route, name: &str) -> String {
    format!("{}: {name}", written.head.subject)
}

/// Positions of the route's listeners, ascending.
fn listeners(written: &written::Route, context: &Context<'_>) -> Vec<usize> {
    let Some(names) = &written.listeners else {
        let all = context.http_listeners();
        if all.len() > 1 {
            let names = all.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
            let fault = Fault::new(
                "missing key \"listeners\", since there is more than one",
                format!("add listeners = [{names}], or some of them"),
            );
            context.problems.add(&written.head.place, &*written.head.subject, fault);
        }
        return positions(written, context);
    };
    for name in &names.value {
        let found = context.listeners.resolve(name, &key(written, "listeners"), context.problems);
        if found.is_some() && context.streams.contains(&&*name.value) {
            let message = format!("the listener {} passes byte streams on, and has no routes", quote(&name.value));
            let fault = Fault::new(message, "name a listener with protocol = \"http\"");
            context.problems.add(&name.place, key(written, "listeners"), fault);
        }
    }
    positions(written, context)
}

/// The same without reports, for comparing routes.
pub(super) fn positions(written: &written::Route, context: &Context<'_>) -> Vec<usize> {
    let mut positions: Vec<usize> = match &written.listeners {
        Some(names) => names.value.iter().filter_map(|name| context.listeners.position(&name.value)).collect(),
        None => context.http_listeners().into_iter().filter_map(|name| context.listeners.position(name)).collect(),
    };
    positions.sort_unstable();
    positions.dedup();
    positions
}

fn resolve_destination(
    written: &written::Route,
    destination: &written::Destination,
    context: &Context<'_>,
) -> Option<Destination> {
    let clusters = match destination {
        written::Destination::Clusters(clusters) => clusters,
        written::Destination::Redirect(redirect) => return Some(Destination::Redirect(redirect.clone())),
        written::Destination::Respond(respond) => return Some(Destination::Respond(respond.clone())),
        written::Destination::Chain => return Some(Destination::Chain),
    };
    let mut resolved = Vec::with_capacity(clusters.len());
    for (name, weight) in clusters {
        let position = context.clusters.resolve(name, &key(written, "cluster"), context.problems);
        resolved.extend(position.map(|position| (position, *weight)));
    }
    (resolved.len() == clusters.len()).then_some(Destination::Clusters(resolved))
}
