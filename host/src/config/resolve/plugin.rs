//! Plugins: grants looked up, and the files that a route can name without an entry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Context;
use super::names::MOST_SUGGESTIONS;
use crate::config::model::{Grants, Plugin, State};
use crate::config::problem::{At, Fault, quote};
use crate::config::suggest;
use crate::config::written;

/// The `.wasm` files of the plugin directory, by stem.
pub(super) struct Dropped {
    /// With the plugin whose component the file is, if any: such a file has no name of its own.
    stems: BTreeMap<String, Option<Arc<str>>>,
    directory: PathBuf,
}

impl Dropped {
    /// Lists `directory`. If it can't be listed it counts as empty: only a route that needs it is wrong then.
    pub fn list(directory: &Path, plugins: &[written::Plugin]) -> Self {
        let owner = |file: &Path| {
            let of_file =
                |plugin: &&written::Plugin| plugin.component.as_ref().is_some_and(|component| component.value == file);
            plugins.iter().find(of_file).and_then(|plugin| Some(Arc::clone(&plugin.head.name.as_ref()?.value)))
        };
        let mut stems = BTreeMap::new();
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let file = PathBuf::from(entry.file_name());
            let Some(stem) = file.file_stem().and_then(|stem| stem.to_str()) else { continue };
            if file.extension().is_some_and(|extension| extension == "wasm") && !stem.starts_with('.') {
                stems.insert(stem.to_owned(), owner(&file));
            }
        }
        Self { stems, directory: directory.to_path_buf() }
    }
}

/// Checks that a plugin of that name is configured or dropped in. What isn't is reported for `key`.
pub(super) fn named(name: &At<Arc<str>>, key: &str, context: &Context<'_>) -> Option<Arc<str>> {
    if context.plugins.position(&name.value).is_some() {
        return Some(Arc::clone(&name.value));
    }
    match context.dropped.stems.get(&*name.value) {
        Some(None) => return Some(Arc::clone(&name.value)),
        Some(Some(owner)) => {
            let message = format!("{}.wasm is the component of plugin {}", name.value, quote(owner));
            context.problems.add(&name.place, key, Fault::new(message, format!("name {}", quote(owner))));
            return None;
        }
        None if context.plugins.is_incomplete() => return None,
        None => {}
    }
    let mut choice = context.plugins.sorted();
    choice.extend(context.dropped.stems.iter().filter(|(_, owner)| owner.is_none()).map(|(stem, _)| stem.as_str()));
    let remedy = if context.problems.len() > MOST_SUGGESTIONS {
        String::new()
    } else if choice.is_empty() {
        format!(
            "add a [[plugin]] of that name, or put {}.wasm into {}",
            name.value,
            context.dropped.directory.display()
        )
    } else {
        suggest::remedy(&name.value, "plugins", &choice)
    };
    context.problems.add(&name.place, key, Fault::new(format!("there is no plugin {}", quote(&name.value)), remedy));
    None
}

pub(super) fn resolve(written: &written::Plugin, state: &State, context: &Context<'_>) -> Option<Plugin> {
    let key = format!("{}: grants", written.head.subject);
    let http_client = written.grants.http_client.as_ref().map(|clusters| {
        let mut names: Vec<Arc<str>> = Vec::with_capacity(clusters.len());
        for cluster in clusters {
            if context.clusters.resolve(cluster, &key, context.problems).is_some() && !names.contains(&cluster.value) {
                names.push(Arc::clone(&cluster.value));
            }
        }
        names
    });
    let written::Plugin { grants, .. } = written;
    Some(Plugin {
        name: Arc::clone(&written.head.name.as_ref()?.value),
        component: written.component.as_ref()?.value.clone(),
        config: written.config.clone()?,
        has_config: written.has_config,
        grants: Grants {
            clock: grants.clock,
            random: grants.random,
            kv: grants.kv,
            limiter: grants.limiter,
            metrics: grants.metrics,
            crypto: grants.crypto,
            http_client,
        },
        limits: written.limits.clone(),
        isolation: written.isolation,
        on_error: written.on_error,
        state: if grants.kv || grants.limiter { state.clone() } else { State::Memory },
        place: written.head.place.to_string().into(),
    })
}
