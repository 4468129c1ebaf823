//! All that is wrong at once, for those who ask before they serve.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::{Builder, StartError};
use crate::config::Problem;
use crate::config::model::Config;
use crate::reload::choose::{Choice, needed};
use crate::snapshot::status::{State, Status};
use crate::snapshot::{Plugins, Snapshot, check};
use crate::telemetry::metrics::Metrics;

impl Builder {
    /// Everything that is wrong, with the configuration in the file `path` or with any component. Nothing
    /// is published or bound.
    ///
    /// # Errors
    /// All of it.
    pub fn check(path: &Path) -> Result<(Arc<Config>, Status), StartError> {
        let (mut builder, config) = Self::open(path, Metrics::new())?;
        builder.refresh(&[&config], &BTreeSet::new());
        builder.check_components(&config).map(|status| (config, status)).map_err(StartError::from)
    }

    /// A snapshot of what the files hold now, to look at: nothing is published or bound. Its plugins run as long
    /// as the builder lives.
    ///
    /// # Errors
    /// What keeps it from being built.
    pub fn preview(path: &Path, metrics: Arc<Metrics>) -> Result<(Self, Snapshot), StartError> {
        let (mut builder, config) = Self::open(path, metrics)?;
        builder.refresh(&[&config], &BTreeSet::new());
        let assembled = builder.assemble(&config)?;
        Ok((builder, assembled.snapshot))
    }

    fn check_components(&self, config: &Arc<Config>) -> Result<Status, Vec<Problem>> {
        let directory = &config.plugins.directory;
        let mut problems = Vec::new();
        let mut choices = BTreeMap::new();
        for plugin in needed(config) {
            match self.sources().load_file(&plugin, config) {
                Ok(entry) => drop(choices.insert(plugin.name.clone(), Choice { entry, refused: None })),
                Err(refused) => problems.push(refused.problem(&plugin)),
            }
        }
        let plugins: Plugins = choices.iter().map(|(name, choice)| (name.clone(), choice.entry.clone())).collect();
        problems.extend(check(config, &plugins).into_iter().map(|conflict| conflict.problem));
        let status = self.describe(config, &choices, Vec::new());
        for file in status.plugins.iter().filter(|plugin| plugin.state == State::Refused) {
            problems.push(Problem {
                file: directory.join(&file.file),
                line: 0,
                key: format!("plugin \"{}\"", file.name),
                message: file.reason.clone().unwrap_or_default(),
                remedy: "mend the file, or take it out of the plugin directory".to_owned(),
            });
        }
        if problems.is_empty() { Ok(status) } else { Err(problems) }
    }
}
