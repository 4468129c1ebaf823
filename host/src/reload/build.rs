//! From files to the next snapshot. The unit of refusal is the file: a component that doesn't work keeps
//! its last good version, a configuration that doesn't work keeps the one that serves, and everything else
//! goes on. Blocks for as long as compiling takes; never call it on a thread that serves.

mod assemble;
mod check;
mod fixed;
mod publish;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fixed::Fixed;
pub(super) use publish::with_endpoints;
use read::{Read, read};

use super::certificates::{self, Store};
use super::choose::{Choice, dropped_plugin, needed};
use super::components::Components;
use super::lastgood::LastGood;
use super::load;
use super::report;
use super::watch::Watched;
use crate::config::Problem;
use crate::config::model::Config;
use crate::plugin::wasm::{HostError, Options, PluginHost};
use crate::snapshot::Snapshot;
use crate::snapshot::status::{ConfigurationStatus, Status};
use crate::telemetry::metrics::{Metrics, Reload};

/// What has to be done outside before a configuration can serve.
pub trait Prepare: Send + Sync {
    /// Bind the addresses that it listens on, as far as they aren't bound.
    ///
    /// # Errors
    /// What can't be bound.
    fn prepare(&self, config: &Config) -> Result<(), Vec<Problem>>;
}

/// Why there is no first snapshot.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
    #[error(transparent)]
    Host(#[from] HostError),
}

impl From<Vec<Problem>> for StartError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Builds one snapshot after the other.
pub struct Builder {
    path: PathBuf,
    host: Arc<PluginHost>,
    metrics: Arc<Metrics>,
    last_good: Option<LastGood>,
    components: Components,
    certificates: Store,
    /// What the configuration was made from when it was last read.
    read: Option<Read>,
    /// A configuration that is right by itself, but not with the components or addresses as they were.
    pending: Option<Read>,
    running: Option<Running>,
    interim: Interim,
    status: Status,
    /// Digest by plugin of what [`LastGood`] has.
    kept: BTreeMap<Arc<str>, String>,
}

/// What has been published while the builder was at work, until it takes it up.
pub(super) type Interim = Arc<Mutex<Option<Arc<Snapshot>>>>;

struct Running {
    snapshot: Arc<Snapshot>,
    digest: [u8; 32],
    /// What was configured at the start and can't change since.
    fixed: Fixed,
}

/// What came of one run.
#[derive(Debug)]
pub struct Built {
    /// What is to serve from now on, if that changes.
    pub snapshot: Option<Arc<Snapshot>>,
    pub status: Status,
    pub outcome: Reload,
    /// Something was refused that wasn't before, whatever else was published.
    pub newly_refused: bool,
    /// What is served differently, and what is refused that wasn't: for people.
    pub changes: Vec<String>,
    pub problems: Vec<String>,
    pub watched: Watched,
}

impl Builder {
    /// Read the configuration in the file `path`, and build the first snapshot.
    ///
    /// # Errors
    /// Everything that is wrong, as [`Builder::check`] finds it. That a plugin doesn't work is no error if it is all
    /// that is wrong; its status says so.
    pub fn start(
        path: &Path,
        metrics: Arc<Metrics>,
        prepare: impl FnOnce(&Config) -> Result<(), Vec<Problem>>,
    ) -> Result<(Self, Built), StartError> {
        Self::start_unless_wrong(path, metrics, prepare).map_err(|error| match error {
            StartError::Problems(problems) => check::with_others(path, problems).into(),
            StartError::Host(error) => StartError::Host(error),
        })
    }

    /// As [`Builder::start`]; an error is what was found before something needed it to be right.
    fn start_unless_wrong(
        path: &Path,
        metrics: Arc<Metrics>,
        prepare: impl FnOnce(&Config) -> Result<(), Vec<Problem>>,
    ) -> Result<(Self, Built), StartError> {
        let (mut builder, config) = Self::open(path, metrics, true)?;
        builder.last_good = match LastGood::open(&config.plugins.cache) {
            Ok(last_good) => Some(last_good),
            Err(error) => {
                tracing::warn!(%error, "last good versions of plugins can't be kept on disk");
                None
            }
        };
        // Compiling can take seconds, and whoever waits wants to know for what.
        let plugins = needed(&config).len();
        if plugins > 0 {
            tracing::info!("preparing plugins: {plugins}; those that aren't in the cache are compiled");
        }
        builder.refresh(&[&config], &BTreeSet::new());
        let (assembled, prepared) = (builder.assemble(&config), prepare(&config));
        let assembled = match (assembled, prepared) {
            (Ok(assembled), Ok(())) => assembled,
            (assembled, prepared) => {
                let refused = [assembled.err(), prepared.err()];
                return Err(refused.into_iter().flatten().flatten().collect::<Vec<_>>().into());
            }
        };
        let digest = builder.read.as_ref().map_or([0; 32], |read| read.digest);
        let built = builder.settle(assembled, digest, Vec::new());
        Ok((builder, built))
    }

    /// Read the configuration and start what plugins run on. Only those that are to serve share their state.
    fn open(path: &Path, metrics: Arc<Metrics>, serves: bool) -> Result<(Self, Arc<Config>), StartError> {
        let (read, problems) = read(path, None);
        let Some(config) = read.config.clone() else { return Err(problems.into()) };
        let mut builder = Self::new(path, &config, metrics, serves)?;
        builder.read = Some(read);
        Ok((builder, config))
    }

    /// With what plugins run on, and nothing built.
    fn new(path: &Path, config: &Config, metrics: Arc<Metrics>, serves: bool) -> Result<Self, HostError> {
        let (cache, threads) = (config.plugins.cache.clone(), config.server.threads);
        let host = PluginHost::new(Options { cache, threads, metrics: metrics.clone(), shares_state: serves })?;
        Ok(Self {
            path: path.to_owned(),
            components: Components::new(host.clone()),
            certificates: Store::default(),
            host,
            metrics,
            last_good: None,
            read: None,
            pending: None,
            running: None,
            interim: Interim::default(),
            status: Status::default(),
            kept: BTreeMap::new(),
        })
    }

    /// The next snapshot, of what the files hold now. `unsettled` ones are left as they are. There must
    /// have been a first one.
    pub fn rebuild(&mut self, prepare: &dyn Prepare, unsettled: &BTreeSet<PathBuf>) -> Option<Built> {
        let running = self.running.as_ref()?;
        let (current, mut digest) = (running.snapshot.config().clone(), running.digest);
        let (candidate, mut problems) = self.candidate(unsettled);
        let next = candidate.as_ref().and_then(|read| read.config.clone());
        let configs: Vec<&Config> = [Some(&current), next.as_ref()].into_iter().flatten().map(|c| &**c).collect();
        self.refresh(&configs, unsettled);
        let mut assembled = None;
        if let (Some(read), Some(next)) = (candidate, next) {
            match self.assemble(&next).and_then(|assembled| prepare.prepare(&next).map(|()| assembled)) {
                Ok(new) => {
                    (assembled, digest, self.pending) = (Some(new), read.digest, None);
                    problems.clear();
                }
                Err(refused) => (self.pending, problems) = (Some(read), refused),
            }
        }
        let assembled = match assembled {
            Some(assembled) => assembled,
            // With the versions that serve, the configuration that serves always fits.
            None => match self.assemble(&current) {
                Ok(assembled) => assembled,
                Err(refused) => {
                    refused.iter().for_each(|problem| tracing::error!(%problem, "nothing new can be published"));
                    return None;
                }
            },
        };
        Some(self.settle(assembled, digest, problems))
    }

    /// The outcome of a run that came to nothing.
    pub fn nothing(&self) -> Built {
        let watched = self.running.as_ref().map(|running| self.watched(running.snapshot.config())).unwrap_or_default();
        let status = self.status.clone();
        let (changes, problems) = Default::default();
        Built { snapshot: None, status, outcome: Reload::Unchanged, newly_refused: false, changes, problems, watched }
    }

    /// A configuration that might replace the one that serves, or what is wrong with it.
    fn candidate(&mut self, unsettled: &BTreeSet<PathBuf>) -> (Option<Read>, Vec<Problem>) {
        let known = |builder: &Self| (builder.pending.clone(), builder.status.configuration.problems.clone());
        let is_part = |file: &PathBuf| {
            self.read.as_ref().is_some_and(|read| {
                let included = file.parent().is_some_and(|parent| read.include_directories.iter().any(|d| d == parent));
                included || read.files.contains(file)
            })
        };
        if unsettled.iter().any(is_part) {
            return known(self);
        }
        let running = self.running.as_ref().map(|running| &**running.snapshot.config());
        let (read, problems) = read(&self.path, running);
        let same = |before: &Read| (before.digest, &before.dropped) == (read.digest, &read.dropped);
        if self.read.as_ref().is_some_and(same) {
            return known(self);
        }
        self.read = Some(read.clone());
        self.pending = None;
        let serves = self.running.as_ref().is_some_and(|running| running.digest == read.digest);
        if read.config.is_none() {
            (None, problems)
        } else if serves {
            (None, Vec::new())
        } else {
            (Some(read), Vec::new())
        }
    }

    /// Bring the certificates and components up to date that any of these configurations needs.
    fn refresh(&mut self, configs: &[&Config], unsettled: &BTreeSet<PathBuf>) {
        self.certificates.refresh(configs, unsettled);
        // The last one decides about files that nothing names.
        let Some(directory) = configs.last().map(|config| config.plugins.directory.clone()) else { return };
        let mut used: BTreeMap<&Path, BTreeSet<PathBuf>> = BTreeMap::new();
        for config in configs {
            let files = used.entry(&config.plugins.directory).or_default();
            files.extend(needed(config).into_iter().map(|plugin| plugin.component));
        }
        self.components.begin();
        for (directory, files) in &used {
            self.components.refresh(directory, files, true, unsettled);
        }
        let mut others: BTreeSet<PathBuf> = load::list(&directory).into_iter().collect();
        if let Some(used) = used.get(&*directory) {
            others.retain(|file| !used.contains(file));
        }
        self.components.refresh(&directory, &others, false, unsettled);
        self.components.end();
    }

    fn watched(&self, config: &Config) -> Watched {
        let mut watched = Watched { files: Vec::new(), directories: vec![config.plugins.directory.clone()] };
        let mut configs = vec![config];
        if let Some(read) = &self.read {
            watched.files.extend(read.files.iter().cloned());
            watched.directories.extend(read.include_directories.iter().cloned());
            configs.extend(read.config.as_deref());
        }
        for config in configs {
            let directory = &config.plugins.directory;
            watched.files.extend(certificates::files(config).cloned());
            watched.files.extend(config.plugin.iter().map(|plugin| directory.join(&plugin.component)));
            watched.directories.push(directory.clone());
        }
        watched.files.sort_unstable();
        watched.files.dedup();
        watched.directories.sort_unstable();
        watched.directories.dedup();
        watched
    }

    fn describe(&self, config: &Config, choices: &BTreeMap<Arc<str>, Choice>, problems: Vec<Problem>) -> Status {
        let fixed = self.running.as_ref().map(|running| &running.fixed);
        let configuration = ConfigurationStatus {
            file: config.path.clone(),
            problems,
            needs_restart: fixed.map_or_else(Vec::new, |fixed| fixed.differences(&Fixed::of(config))),
        };
        let mut plugins = Vec::new();
        let mut used = BTreeSet::new();
        for plugin in needed(config) {
            used.insert(plugin.component.clone());
            if let Some(choice) = choices.get(&plugin.name) {
                plugins.push(report::describe_choice(&plugin, choice));
            }
        }
        for file in load::list(&config.plugins.directory).into_iter().filter(|file| !used.contains(file)) {
            let Some(stem) = file.file_stem().and_then(|stem| stem.to_str()) else { continue };
            let version = self.components.version(&config.plugins.directory, &file);
            let plugin = dropped_plugin(&stem.into(), &config.plugins.directory);
            plugins.push(report::describe_unused(&plugin, version));
        }
        Status { configuration, plugins, certificates: self.certificates.describe(config) }
    }
}
