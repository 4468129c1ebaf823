//! Chooses a version of each plugin for a configuration, and puts the snapshot together. Publishes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Builder;
use crate::config::Problem;
use crate::config::model::Config;
use crate::reload::choose::{Choice, NoVersion, Refused, Sources, needed};
use crate::snapshot::{Conflict, Snapshot};

/// Plugins chosen for a configuration, and the snapshot made of them.
pub(super) struct Assembled {
    pub choices: BTreeMap<Arc<str>, Choice>,
    pub snapshot: Snapshot,
}

impl Builder {
    pub(super) fn sources(&self) -> Sources<'_> {
        Sources {
            host: &self.host,
            components: &self.components,
            last_good: self.last_good.as_ref(),
            running: self.running.as_ref().map(|running| running.snapshot.plugins()),
        }
    }

    /// Choose a version of each plugin, and put the snapshot together.
    pub(super) fn assemble(&self, config: &Arc<Config>) -> Result<Assembled, Vec<Problem>> {
        let sources = self.sources();
        let mut choices = BTreeMap::new();
        let mut problems = Vec::new();
        for plugin in needed(config) {
            match sources.choose(&plugin, config) {
                Ok(choice) => drop(choices.insert(plugin.name, choice)),
                Err(NoVersion(problem)) => problems.push(problem),
            }
        }
        let certificates = match self.certificates.choose(config) {
            Ok(certificates) if problems.is_empty() => Arc::new(certificates),
            Ok(_) => return Err(problems),
            Err(refused) => return Err([problems, refused].concat()),
        };
        let previous = self.latest();
        let previous = previous.as_deref();
        // As they were last told; what has changed since comes right after.
        let discovered = previous.map(|running| Arc::clone(running.discovered())).unwrap_or_default();
        loop {
            let plugins = choices.iter().map(|(name, choice)| (name.clone(), choice.entry.clone())).collect();
            let (certificates, discovered) = (certificates.clone(), discovered.clone());
            let built = Snapshot::build(config.clone(), plugins, certificates, discovered, previous, &self.metrics);
            let conflicts = match built {
                Ok(snapshot) => return Ok(Assembled { choices, snapshot }),
                Err(conflicts) => conflicts,
            };
            if !go_back(&sources, config, &mut choices, &conflicts) {
                return Err(conflicts.into_iter().map(|conflict| conflict.problem).collect());
            }
        }
    }
}

/// Let plugins that don't fit their place go back to the version that does. Whether any could.
fn go_back(
    sources: &Sources<'_>,
    config: &Config,
    choices: &mut BTreeMap<Arc<str>, Choice>,
    conflicts: &[Conflict],
) -> bool {
    let mut any = false;
    for conflict in conflicts {
        let Some(choice) = choices.get_mut(&conflict.plugin).filter(|choice| choice.refused.is_none()) else {
            continue;
        };
        let running = || sources.running.and_then(|running| running.get(&conflict.plugin)).cloned();
        let Some(entry) = sources.last_good(&choice.entry.configured, config).or_else(running) else { continue };
        if entry.digest() != choice.entry.digest() {
            *choice = Choice { entry, refused: Some(Refused::Place(conflict.problem.clone())) };
            any = true;
        }
    }
    any
}
