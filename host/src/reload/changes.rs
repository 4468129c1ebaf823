//! Puts into words what a new snapshot has that the one before hadn't: for the list of the last reloads. Names
//! and digests alone, never a value of the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::model::Config;
use crate::snapshot::Snapshot;
use crate::snapshot::status::Status;

/// Differences named of one kind; the others are counted.
const MOST_NAMED: usize = 8;

/// What differs between two snapshots.
pub fn changes(before: &Snapshot, now: &Snapshot) -> Vec<String> {
    let mut changes = Vec::new();
    if !Arc::ptr_eq(before.config(), now.config()) {
        let (before, now) = (before.config(), now.config());
        compare("listener", &listeners(before), &listeners(now), &mut changes);
        compare("route", &routes(before), &routes(now), &mut changes);
        compare("plugin", &plugins(before), &plugins(now), &mut changes);
        compare("cluster", &clusters(before), &clusters(now), &mut changes);
        if changes.is_empty() {
            changes.push("the configuration's other settings".to_owned());
        }
    }
    for (listener, tls) in &now.certificates().listeners {
        if before.certificates().listeners.get(listener).is_some_and(|old| !Arc::ptr_eq(old, tls)) {
            changes.push(format!("listener {listener}: new certificates"));
        }
    }
    let admin = |snapshot: &Snapshot| snapshot.certificates().admin.as_ref().map(Arc::as_ptr);
    if admin(before).is_some() && admin(now).is_some() && admin(before) != admin(now) {
        changes.push("admin: new certificates".to_owned());
    }
    for (cluster, tls) in &now.certificates().clusters {
        if before.certificates().clusters.get(cluster).is_some_and(|old| !Arc::ptr_eq(old, tls)) {
            changes.push(format!("cluster {cluster}: new certificates"));
        }
    }
    for (name, entry) in now.plugins() {
        let Some(old) = before.plugins().get(name) else { continue };
        if old.digest() != entry.digest() {
            changes.push(format!("plugin {name}: component {} → {}", short(old.digest()), short(entry.digest())));
        }
    }
    changes
}

/// What has been refused since `before`.
pub fn problems(before: &Status, now: &Status) -> Vec<String> {
    let old = &before.configuration.problems;
    let configuration = now.configuration.problems.iter().filter(|problem| !old.contains(problem));
    let mut problems: Vec<String> = configuration.map(ToString::to_string).collect();
    for certificates in &now.certificates {
        let Some(reason) = &certificates.reason else { continue };
        let known = before.certificates.iter().find(|other| other.owner == certificates.owner);
        if known.and_then(|known| known.reason.as_ref()) != Some(reason) {
            problems.push(format!("{}: {reason}", certificates.owner));
        }
    }
    for plugin in &now.plugins {
        let Some(reason) = &plugin.reason else { continue };
        let known = before.plugins.iter().find(|other| (&other.name, &other.file) == (&plugin.name, &plugin.file));
        if known.and_then(|known| known.reason.as_ref()) != Some(reason) {
            problems.push(format!("plugin {}: {} {reason}", plugin.name, plugin.file.display()));
        }
    }
    problems
}

/// Entries of one kind by name, in a form that differs where they do.
type Entries<'a> = BTreeMap<&'a str, String>;

fn listeners(config: &Config) -> Entries<'_> {
    config.listeners.iter().map(|entry| (&*entry.name, format!("{entry:?}"))).collect()
}

fn clusters(config: &Config) -> Entries<'_> {
    config.clusters.iter().map(|entry| (&*entry.name, format!("{entry:?}"))).collect()
}

fn plugins(config: &Config) -> Entries<'_> {
    let form = |plugin: &crate::config::model::Plugin| {
        // `Debug` of a secret never shows it, so that the text is compared apart; it stays in here.
        format!("{plugin:?}{}", plugin.config.reveal())
    };
    config.plugin.iter().map(|entry| (&*entry.name, form(entry))).collect()
}

fn routes(config: &Config) -> Entries<'_> {
    config.routes.iter().map(|entry| (&*entry.name, format!("{entry:?}"))).collect()
}

fn compare(kind: &str, before: &Entries<'_>, now: &Entries<'_>, changes: &mut Vec<String>) {
    let added: Vec<&str> = now.keys().filter(|name| !before.contains_key(*name)).copied().collect();
    let removed: Vec<&str> = before.keys().filter(|name| !now.contains_key(*name)).copied().collect();
    let differs = |(name, form): &(&&str, &String)| before.get(**name).is_some_and(|old| old != *form);
    let changed: Vec<&str> = now.iter().filter(differs).map(|(name, _)| *name).collect();
    for (what, names) in [("added", added), ("removed", removed), ("changed", changed)] {
        let Some(more) = names.len().checked_sub(1) else { continue };
        let listed = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
        let rest = names.len().saturating_sub(MOST_NAMED);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        changes.push(format!("{kind}{} {what}: {listed}{rest}", if more > 0 { "s" } else { "" }));
    }
}

fn short(digest: Option<&str>) -> &str {
    digest.and_then(|digest| digest.get(..12)).unwrap_or("none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::status::{CertificateStatus, Owner};

    #[test]
    fn what_is_refused_is_told_once() {
        let status = |reason: Option<&str>| {
            let (owner, reason) = (Owner::Listener("public".into()), reason.map(str::to_owned));
            let certificates = vec![CertificateStatus { owner, shown: Vec::new(), reason }];
            Status { certificates, ..Status::default() }
        };
        let (good, bad) = (status(None), status(Some("a.pem holds no certificate in PEM")));
        assert_eq!(problems(&good, &bad), ["listener public: a.pem holds no certificate in PEM"]);
        assert_eq!(problems(&bad, &bad), [""; 0]);
        assert_eq!(problems(&bad, &good), [""; 0]);
    }

    #[test]
    fn differences_are_named_and_long_lists_are_cut() {
        let entries = |names: &[(&'static str, &str)]| -> Entries<'static> {
            names.iter().map(|(name, form)| (*name, (*form).to_owned())).collect()
        };
        let mut told = Vec::new();
        compare("route", &entries(&[("a", "1"), ("b", "1")]), &entries(&[("b", "2"), ("c", "1")]), &mut told);
        assert_eq!(told, ["route added: c", "route removed: a", "route changed: b"]);
        let many: Vec<String> = (0..10).map(|number| format!("r{number}")).collect();
        let many: Entries<'_> = many.iter().map(|name| (name.as_str(), String::new())).collect();
        told.clear();
        compare("route", &Entries::new(), &many, &mut told);
        assert_eq!(told, ["routes added: r0, r1, r2, r3, r4, r5, r6, r7 and 2 more"]);
    }
}
