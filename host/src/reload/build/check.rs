//! All that is wrong at once, for those who ask before they serve.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Builder, StartError};
use crate::config::model::Config;
use crate::config::{self, Problem};
use crate::reload::choose::{Choice, needed};
use crate::server::{BindError, is_taken};
use crate::snapshot::status::{State, Status};
use crate::snapshot::{Plugins, Snapshot, check, problem};
use crate::telemetry::metrics::Metrics;

impl Builder {
    /// Everything that is wrong, with the configuration in the file `path`, with any component, certificate or
    /// address. Nothing is published or listened on.
    ///
    /// # Errors
    /// All of it.
    pub fn check(path: &Path) -> Result<(Arc<Config>, Status), StartError> {
        let loaded = config::load_watched(path);
        let (config, mut problems) = match (loaded.outcome, loaded.sound_part) {
            (Ok(config), _) => (Arc::new(config), Vec::new()),
            // Who mends the configuration wants to know what its plugins will say next.
            (Err(problems), Some(part)) => (Arc::new(part), problems),
            (Err(problems), None) => return Err(problems.into()),
        };
        let mut builder = Self::new(path, &config, Metrics::new(), false)?;
        builder.refresh(&[&config], &BTreeSet::new());
        let (status, mut others) = builder.check_components(&config);
        others.extend(builder.certificates.choose(&config).err().into_iter().flatten());
        others.extend(taken(&config));
        // An entry that isn't whole may only seem wrong.
        others.retain(|other| !problems.iter().any(|known| known.key.starts_with(subject(other))));
        problems.extend(others);
        sort(&mut problems);
        if problems.is_empty() { Ok((config, status)) } else { Err(problems.into()) }
    }

    /// A snapshot of what the files hold now, to look at: nothing is published or bound. Its plugins run as long
    /// as the builder lives.
    ///
    /// # Errors
    /// What keeps it from being built.
    pub fn preview(path: &Path, metrics: Arc<Metrics>) -> Result<(Self, Snapshot), StartError> {
        let (mut builder, config) = Self::open(path, metrics, false)?;
        builder.refresh(&[&config], &BTreeSet::new());
        let assembled = builder.assemble(&config)?;
        Ok((builder, assembled.snapshot))
    }

    fn check_components(&self, config: &Arc<Config>) -> (Status, Vec<Problem>) {
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
        (status, problems)
    }
}

/// What is wrong, and what else will be when that is mended.
pub(super) fn with_others(path: &Path, mut problems: Vec<Problem>) -> Vec<Problem> {
    if let Err(StartError::Problems(others)) = Builder::check(path) {
        let new: Vec<Problem> = others.into_iter().filter(|other| !problems.contains(other)).collect();
        problems.extend(new);
        sort(&mut problems);
    }
    problems
}

/// Addresses that another program has. A gateway that runs with this configuration is none.
fn taken(config: &Config) -> impl Iterator<Item = Problem> {
    let listeners = config.listeners.iter();
    let listeners = listeners
        .map(|listener| (listener.address, &listener.place, format!("listener \"{}\": address", listener.name)));
    let admin = config.admin.iter().map(|admin| (admin.address, &admin.place, "admin.address".to_owned()));
    listeners.chain(admin).filter(|(address, ..)| is_taken(*address)).map(|(address, place, key)| {
        let error = BindError::InUse(address).to_string();
        problem(place, key, error, "")
    })
}

/// The entry that a problem is about: `route "users"` of `route "users": plugins`.
fn subject(problem: &Problem) -> &str {
    problem.key.rfind("\": ").and_then(|quote| problem.key.get(..=quote)).unwrap_or(&problem.key)
}

/// File by file as they first come, line by line.
fn sort(problems: &mut [Problem]) {
    let mut files: Vec<PathBuf> = Vec::new();
    for problem in problems.iter() {
        if !files.contains(&problem.file) {
            files.push(problem.file.clone());
        }
    }
    problems.sort_by_key(|problem| (files.iter().position(|file| *file == problem.file), problem.line));
}
