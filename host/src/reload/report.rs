//! Puts into words what a reload came to: for the log when something changes, for the status as long as
//! it lasts.

use std::sync::Arc;

use super::choose::Choice;
use super::components::{Refusal, Version};
use crate::config::model::{Grants, Plugin};
use crate::plugin::role::Hooks;
use crate::plugin::wasm::Inspection;
use crate::snapshot::status::{PluginStatus, State, Status};

/// Log what has gone wrong since `before`, and what was mended. Whether anything has gone wrong.
pub fn report(before: &Status, now: &Status) -> bool {
    let mut refused = false;
    let (old, new) = (&before.configuration, &now.configuration);
    if new.problems != old.problems {
        for problem in &new.problems {
            tracing::error!("{problem}");
        }
        if new.problems.is_empty() {
            tracing::info!(file = %new.file.display(), "the configuration is right again");
        } else {
            refused = true;
            tracing::error!(file = %new.file.display(), "the configuration was refused; the last good one serves on");
        }
    }
    for key in new.needs_restart.iter().filter(|key| !old.needs_restart.contains(key)) {
        tracing::warn!("the change of {key} needs a restart");
    }
    for certificates in &now.certificates {
        let old = before.certificates.iter().find(|old| old.owner == certificates.owner);
        let of = &certificates.owner;
        match (&certificates.reason, old.and_then(|old| old.reason.as_ref())) {
            (Some(reason), known) if known != Some(reason) => {
                refused = true;
                tracing::error!(%of, "{reason}; the LAST GOOD certificates serve on");
            }
            (None, Some(_)) => tracing::info!(%of, "the certificates are right again"),
            _ => {}
        }
        if old.is_some_and(|old| old.shown != certificates.shown) {
            tracing::info!(%of, "new certificates serve");
        }
    }
    let old = |plugin: &PluginStatus| {
        before.plugins.iter().find(|other| (&other.name, &other.file) == (&plugin.name, &plugin.file))
    };
    for plugin in &now.plugins {
        let before = old(plugin);
        let known = before.and_then(|before| before.reason.as_deref());
        match plugin.reason.as_deref() {
            Some(reason) if known != Some(reason) => {
                refused = true;
                refusal(plugin, reason);
            }
            None if known.is_some() => {
                tracing::info!(plugin = &*plugin.name, file = %plugin.file.display(), "the plugin's file is right again");
            }
            _ => {}
        }
        if plugin.state == State::Serving && before.is_some_and(|before| before.digest != plugin.digest) {
            tracing::info!(plugin = &*plugin.name, digest = short(plugin), "a new version of the plugin serves");
        }
    }
    refused
}

fn refusal(plugin: &PluginStatus, reason: &str) {
    let (name, file) = (&*plugin.name, plugin.file.display());
    match plugin.state {
        State::LastGood => {
            let digest = short(plugin);
            tracing::error!(plugin = name, digest, "{file} {reason}; the plugin's LAST GOOD VERSION serves on");
        }
        State::Unavailable => {
            tracing::error!(
                plugin = name,
                "{file} {reason}; there is NO GOOD VERSION of the plugin, so its calls fail"
            );
        }
        _ => tracing::warn!(plugin = name, "{file} {reason}; no route names it"),
    }
}

/// Enough of a digest for people.
fn short(plugin: &PluginStatus) -> &str {
    plugin.digest.as_deref().and_then(|digest| digest.get(..12)).unwrap_or("none")
}

pub fn describe_choice(plugin: &Plugin, choice: &Choice) -> PluginStatus {
    let inspection = choice.entry.component.as_ref().map(|component| component.inspection());
    let state = match (&choice.refused, inspection) {
        (_, None) => State::Unavailable,
        (None, Some(_)) => State::Serving,
        (Some(_), Some(_)) => State::LastGood,
    };
    let reason = choice.refused.as_ref().map(|refused| refused.reason());
    describe(plugin, state, reason, inspection)
}

pub fn describe_unused(plugin: &Plugin, version: Result<&Version, Refusal>) -> PluginStatus {
    match version {
        Ok(version) => describe(plugin, State::Unused, None, Some(version.inspection())),
        Err(refusal) => describe(plugin, State::Refused, Some(refusal.to_string()), None),
    }
}

fn describe(plugin: &Plugin, state: State, reason: Option<String>, inspection: Option<&Inspection>) -> PluginStatus {
    PluginStatus {
        name: Arc::clone(&plugin.name),
        file: plugin.component.clone(),
        state,
        reason,
        digest: inspection.map(|inspection| inspection.digest.clone()),
        size: inspection.map(|inspection| inspection.size),
        hooks: inspection.map_or_else(Hooks::default, |inspection| inspection.hooks).names().collect(),
        grants: grants(&plugin.grants),
        isolation: plugin.isolation,
        on_error: plugin.on_error,
    }
}

fn grants(grants: &Grants) -> Vec<String> {
    let Grants { clock, random, kv, limiter, metrics, crypto, http_client } = grants;
    let simple = [
        ("clock", clock),
        ("random", random),
        ("kv", kv),
        ("limiter", limiter),
        ("metrics", metrics),
        ("crypto", crypto),
    ];
    let mut names: Vec<String> =
        simple.into_iter().filter(|(_, granted)| **granted).map(|(name, _)| name.to_owned()).collect();
    names.extend(http_client.as_ref().map(|clusters| format!("http-client: {}", clusters.join(", "))));
    names
}
