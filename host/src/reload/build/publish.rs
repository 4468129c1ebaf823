//! Takes what was assembled as what serves from now on, and says what has changed by it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::assemble::Assembled;
use super::fixed::Fixed;
use super::{Builder, Built, Interim, Running};
use crate::config::Problem;
use crate::config::model::Config;
use crate::reload::choose::Choice;
use crate::reload::components::Version;
use crate::reload::{changes, report};
use crate::snapshot::{Discovered, Snapshot};
use crate::telemetry::metrics::{Expiry, Metrics, Owner, Reload};
use crate::tls::Shown;

impl Builder {
    /// Take what was assembled as what serves from now on.
    pub(super) fn settle(&mut self, assembled: Assembled, digest: [u8; 32], problems: Vec<Problem>) -> Built {
        self.catch_up();
        let Assembled { choices, snapshot } = assembled;
        let config = snapshot.config().clone();
        let changed = self.running.as_ref().is_none_or(|running| !same(&running.snapshot, &snapshot));
        let status = self.describe(&config, &choices, problems);
        let newly_refused = report::report(&self.status, &status);
        let problems = changes::problems(&self.status, &status);
        let (mut published, mut changes) = (None, Vec::new());
        if changed {
            let snapshot = Arc::new(snapshot);
            if let Some(running) = &self.running {
                changes = changes::changes(&running.snapshot, &snapshot);
            }
            let fixed = self.running.take().map_or_else(|| Fixed::of(&config), |running| running.fixed);
            self.running = Some(Running { snapshot: snapshot.clone(), digest, fixed });
            self.metrics.published();
            self.metrics.certificates(expiries(&snapshot));
            self.keep(&choices, &config);
            published = Some(snapshot);
        }
        let outcome = match (changed, newly_refused) {
            (true, _) => Reload::Published,
            (false, true) => Reload::Refused,
            (false, false) => Reload::Unchanged,
        };
        self.metrics.files_refused(status.refused());
        self.status = status.clone();
        let watched = self.watched(&config);
        Built { snapshot: published, status, outcome, newly_refused, changes, problems, watched }
    }

    /// Where to put what is published while this one is at work.
    pub(in crate::reload) fn interim(&self) -> Interim {
        Arc::clone(&self.interim)
    }

    /// What serves.
    pub fn serving(&self) -> Option<&Arc<Snapshot>> {
        self.running.as_ref().map(|running| &running.snapshot)
    }

    /// What serves, with what has been published meanwhile.
    pub(super) fn latest(&self) -> Option<Arc<Snapshot>> {
        let interim = self.interim.lock().unwrap_or_else(PoisonError::into_inner).clone();
        interim.or_else(|| self.serving().cloned())
    }

    /// Go on from what has been published meanwhile.
    pub fn catch_up(&mut self) {
        let interim = self.interim.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(interim), Some(running)) = (interim, &mut self.running) {
            running.snapshot = interim;
        }
    }

    /// What serves, with other endpoints where they aren't written; none if that changes nothing.
    pub fn discover(&mut self, discovered: Arc<Discovered>) -> Option<Arc<Snapshot>> {
        let running = self.running.as_mut()?;
        if **running.snapshot.discovered() == *discovered {
            return None;
        }
        running.snapshot = with_endpoints(&running.snapshot, discovered, &self.metrics)?;
        Some(Arc::clone(&running.snapshot))
    }

    /// Keep on disk what serves now.
    fn keep(&mut self, choices: &BTreeMap<Arc<str>, Choice>, config: &Config) {
        let Some(last_good) = &self.last_good else { return };
        for (name, choice) in choices.iter().filter(|(_, choice)| choice.refused.is_none()) {
            let version = self.components.version(&config.plugins.directory, &choice.entry.configured.component);
            let Ok(Version::Loaded(component, bytes)) = version else { continue };
            let digest = &component.inspection().digest;
            if self.kept.get(name) == Some(digest) || choice.entry.digest() != Some(digest) {
                continue;
            }
            match last_good.store(name, bytes, digest) {
                Ok(()) => drop(self.kept.insert(name.clone(), digest.clone())),
                Err(error) => tracing::warn!(plugin = &**name, %error, "the last good version can't be kept on disk"),
            }
        }
    }
}

/// The same with other endpoints where they aren't written.
pub(in crate::reload) fn with_endpoints(
    snapshot: &Snapshot,
    discovered: Arc<Discovered>,
    metrics: &Arc<Metrics>,
) -> Option<Arc<Snapshot>> {
    match snapshot.with_endpoints(discovered, metrics) {
        Ok(snapshot) => Some(Arc::new(snapshot)),
        Err(conflicts) => {
            let problems = conflicts.iter().map(|conflict| &conflict.problem);
            problems.for_each(|problem| tracing::error!(%problem, "new endpoints can't be published"));
            None
        }
    }
}

/// Whether nothing would change by replacing one with the other.
fn same(running: &Snapshot, next: &Snapshot) -> bool {
    let entries = |snapshot: &Snapshot| snapshot.plugins().values().map(Arc::as_ptr).collect::<Vec<_>>();
    let listeners =
        |snapshot: &Snapshot| snapshot.certificates().listeners.values().map(Arc::as_ptr).collect::<Vec<_>>();
    let admin = |snapshot: &Snapshot| snapshot.certificates().admin.as_ref().map(Arc::as_ptr);
    let clusters = |snapshot: &Snapshot| snapshot.certificates().clusters.values().map(Arc::as_ptr).collect::<Vec<_>>();
    Arc::ptr_eq(running.config(), next.config())
        && entries(running) == entries(next)
        && listeners(running) == listeners(next)
        && admin(running) == admin(next)
        && clusters(running) == clusters(next)
}

/// When certificates cease to be good.
fn expiries(snapshot: &Snapshot) -> Vec<Expiry> {
    let certificates = snapshot.certificates();
    let listeners = certificates.listeners.iter().map(|(name, tls)| (Owner::Listener(name.clone()), &*tls.shown));
    let admin = certificates.admin.iter().map(|tls| (Owner::Admin, &*tls.shown));
    let clusters = certificates.clusters.iter().map(|(name, tls)| (Owner::Cluster(name.clone()), tls.shown.as_slice()));
    listeners.chain(admin).chain(clusters).flat_map(|(owner, shown)| first_expiries(&owner, shown)).collect()
}

/// Of one listener, or one cluster; where certificates share a name, as those with keys of different kinds do, of the one that ceases
/// first: two series with the same labels would make metrics unreadable.
fn first_expiries(owner: &Owner, shown: &[Shown]) -> Vec<Expiry> {
    let mut first: BTreeMap<&str, i64> = BTreeMap::new();
    for shown in shown {
        let at = first.entry(shown.names.first().map_or("", String::as_str)).or_insert(shown.not_after);
        *at = shown.not_after.min(*at);
    }
    first.into_iter().map(|(name, at)| Expiry { owner: owner.clone(), name: name.to_owned(), at }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_one_name_have_one_expiry() {
        let shown = |name: &str, not_after| Shown { file: None, names: vec![name.into()], not_before: 0, not_after };
        let owner = Owner::Listener("public".into());
        let expiries = first_expiries(&owner, &[shown("a", 7), shown("b", 3), shown("a", 5)]);
        let told: Vec<_> = expiries.iter().map(|expiry| (&*expiry.name, expiry.at)).collect();
        assert_eq!(told, [("a", 5), ("b", 3)]);
    }
}
