//! Which version of each plugin serves: the file's if it fits, else the last good one. Nothing here
//! publishes anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::components::{Components, Refusal};
use super::lastgood::LastGood;
use crate::config::Problem;
use crate::config::model::{Balance, Config, Grants, Isolation, Limits, OnError, Plugin, Secret, State};
use crate::plugin::wasm::{Component, ConfigureError, PluginHost};
use crate::snapshot::{PluginEntry, Plugins, problem};

/// What versions can be taken from.
pub struct Sources<'a> {
    pub host: &'a PluginHost,
    pub components: &'a Components,
    /// None for a mere check.
    pub last_good: Option<&'a LastGood>,
    /// The plugins that serve now; none before the start.
    pub running: Option<&'a Plugins>,
}

/// The version of a plugin that is to serve.
#[derive(Debug, Clone)]
pub struct Choice {
    pub entry: Arc<PluginEntry>,
    /// Why it isn't the file's version, if it isn't.
    pub refused: Option<Refused>,
}

/// Why a version of a plugin can't serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The file is no plugin.
    File(Refusal),
    /// The file is a plugin, but not one that can be what the configuration makes of it.
    Fit(ConfigureError),
    /// It has no place in its routes or clusters.
    Place(Problem),
}

impl Refused {
    /// What follows the file's name.
    pub fn reason(&self) -> String {
        match self {
            Self::File(refusal) => refusal.to_string(),
            Self::Fit(error) => error.to_string(),
            Self::Place(problem) => format!("doesn't fit its place: {problem}"),
        }
    }

    /// As a problem of the file, or of the entry that configures it.
    pub fn problem(&self, plugin: &Plugin) -> Problem {
        let name = format!("plugin \"{}\"", plugin.name);
        match self {
            // Where the entry is that names the file; for a dropped one, which has none, it is the file itself.
            Self::File(refusal) => {
                let file = plugin.component.display();
                problem(&plugin.place, name, format!("{file} {refusal}"), refusal.remedy())
            }
            Self::Fit(error) => problem(&plugin.place, name, format!("{} {error}", plugin.component.display()), ""),
            Self::Place(problem) => problem.clone(),
        }
    }
}

/// A plugin for which there is neither a version that works nor an excuse: its configuration is new.
#[derive(Debug)]
pub struct NoVersion(pub Problem);

/// Every plugin that the configuration needs: configured ones, and dropped files that it names.
pub fn needed(config: &Config) -> Vec<Plugin> {
    let mut needed = config.plugin.clone();
    let mut dropped: BTreeMap<Arc<str>, Plugin> = BTreeMap::new();
    let by_clusters = config.clusters.iter().filter_map(|cluster| match &cluster.balance {
        Balance::Plugin(name) => Some(name),
        _ => None,
    });
    for name in config.routes.iter().flat_map(|route| &route.plugins).chain(by_clusters) {
        if !config.plugin.iter().any(|plugin| plugin.name == *name) {
            dropped.entry(name.clone()).or_insert_with(|| dropped_plugin(name, &config.plugins.directory));
        }
    }
    needed.extend(dropped.into_values());
    needed
}

/// A dropped file as a plugin: under its stem, without configuration or grants.
pub fn dropped_plugin(stem: &Arc<str>, directory: &Path) -> Plugin {
    let component = PathBuf::from(format!("{stem}.wasm"));
    Plugin {
        name: stem.clone(),
        config: Secret::new("{}"),
        has_config: false,
        grants: Grants::default(),
        limits: Limits::default(),
        isolation: Isolation::default(),
        on_error: OnError::default(),
        state: State::Memory,
        place: directory.join(&component).display().to_string().into(),
        component,
    }
}

impl Sources<'_> {
    /// The version of one plugin.
    ///
    /// # Errors
    /// No version works, and the plugin is new or configured anew, which can be refused.
    pub fn choose(&self, plugin: &Plugin, config: &Config) -> Result<Choice, NoVersion> {
        let refused = match self.load_file(plugin, config) {
            Ok(entry) => return Ok(Choice { entry, refused: None }),
            Err(refused) => refused,
        };
        if let Some(entry) = self.last_good(plugin, config) {
            return Ok(Choice { entry, refused: Some(refused) });
        }
        let running = self.running.and_then(|running| running.get(&plugin.name));
        match running {
            Some(running) if running.is_configured_as(plugin) && running.identity == config.identity => {
                Ok(Choice { entry: running.clone(), refused: Some(refused) })
            }
            _ if self.running.is_some() => Err(NoVersion(refused.problem(plugin))),
            // A start isn't stopped by one plugin.
            _ => Ok(Choice { entry: self.unavailable(plugin, config), refused: Some(refused) }),
        }
    }

    /// An older version, of those that served under the plugin's name.
    pub fn last_good(&self, plugin: &Plugin, config: &Config) -> Option<Arc<PluginEntry>> {
        let running = self.running.and_then(|running| running.get(&plugin.name));
        let component = match running.and_then(|running| running.component.clone()) {
            Some(component) => component,
            None => {
                let bytes = self.last_good?.load(&plugin.name)?;
                self.components.load(&bytes).ok()?
            }
        };
        self.fit(plugin, component, config).ok()
    }

    /// The version that is in the file.
    ///
    /// # Errors
    /// Why it can't serve.
    pub fn load_file(&self, plugin: &Plugin, config: &Config) -> Result<Arc<PluginEntry>, Refused> {
        use super::components::Version;
        match self.components.version(&config.plugins.directory, &plugin.component).map_err(Refused::File)? {
            Version::Loaded(component, _) => self.fit(plugin, component.clone(), config).map_err(Refused::Fit),
            // Files of needed plugins are loaded by every refresh.
            Version::Inspected(_) => Err(Refused::File(Refusal::Unsettled)),
        }
    }

    /// Make a plugin of a component, or take the one that serves if it would be the same.
    fn fit(
        &self,
        plugin: &Plugin,
        component: Arc<Component>,
        config: &Config,
    ) -> Result<Arc<PluginEntry>, ConfigureError> {
        let digest = &component.inspection().digest;
        let running = self.running.and_then(|running| running.get(&plugin.name));
        if let Some(running) = running.filter(|running| running.is_same(digest, plugin, &config.identity)) {
            return Ok(running.clone());
        }
        let factory = self.host.configure(component.clone(), plugin, &config.identity)?;
        let (configured, identity) = (plugin.clone(), config.identity.clone());
        Ok(Arc::new(PluginEntry { factory, configured, identity, component: Some(component) }))
    }

    fn unavailable(&self, plugin: &Plugin, config: &Config) -> Arc<PluginEntry> {
        let factory = self.host.unavailable(plugin);
        Arc::new(PluginEntry {
            factory,
            configured: plugin.clone(),
            identity: config.identity.clone(),
            component: None,
        })
    }
}
