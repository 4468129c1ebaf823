//! The plugin host: one engine, one compiler, and what plugins keep over reloads.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use super::cache::Cache;
use super::compile::Compiler;
use super::component::Component;
use super::engine;
use super::error::{ConfigureError, HostError, LoadError};
use super::factory::Factory;
use super::guest::Lent;
use super::unavailable::Unavailable;
use crate::config::model::{IdentityFields, Plugin, Redis, State};
use crate::plugin::capabilities::{kv, limiter, shared};
use crate::plugin::role::PluginFactory;
use crate::state::Remote;
use crate::telemetry::metrics::Metrics;

/// What a plugin host is made with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where compiled components are kept; made with mode 0700 if it isn't there.
    pub cache: PathBuf,
    /// The data threads, over which each plugin's `limits.instances` is spread. At least 1.
    pub threads: usize,
    pub metrics: Arc<Metrics>,
    /// Let plugins share their state as they are configured to, and prepare for many requests; else each has this
    /// gateway's memory, for those who only look and mustn't count.
    pub shares_state: bool,
}

/// Loads components and makes plugins of them. One for a gateway; its engine lives as long as any plugin.
pub struct PluginHost {
    compiler: Arc<Compiler>,
    threads: usize,
    metrics: Arc<Metrics>,
    shares_state: bool,
    /// The shared store that was configured last, as long as a plugin uses it.
    remote: Mutex<Weak<Remote>>,
    /// By plugin name: what outlives reloads.
    kept: Mutex<HashMap<Arc<str>, Kept>>,
    /// Where all plugins' monotonic clocks start.
    origin: Instant,
}

/// What a plugin keeps over reloads.
#[derive(Clone)]
struct Kept {
    kv: Arc<kv::Store>,
    limiter: Arc<limiter::Limiter>,
}

impl PluginHost {
    /// Start the engine.
    ///
    /// # Errors
    /// The cache directory isn't safe, or the machine can't run the engine.
    pub fn new(options: Options) -> Result<Arc<Self>, HostError> {
        let cache = Cache::open(&options.cache)?;
        let compiler = Arc::new(Compiler::new(engine::build()?, cache)?);
        Ok(Arc::new(Self {
            compiler,
            threads: options.threads.max(1),
            metrics: options.metrics,
            shares_state: options.shares_state,
            remote: Mutex::default(),
            kept: Mutex::default(),
            origin: Instant::now(),
        }))
    }

    /// Check and compile a file's bytes, or find what was made of the same bytes before. May take seconds:
    /// never call it on a data thread.
    ///
    /// # Errors
    /// It is no plugin that this gateway can serve; the error says why.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Component>, LoadError> {
        self.compiler.load(bytes)
    }

    /// Make a plugin of a component: one instance is started and takes the configuration. Blocks for as
    /// long as that takes: never call it on a data thread.
    ///
    /// # Errors
    /// The component needs more than the plugin is granted, doesn't start, or refuses its configuration.
    pub fn configure(
        &self,
        component: Arc<Component>,
        plugin: &Plugin,
        identity: &IdentityFields,
    ) -> Result<Arc<dyn PluginFactory>, ConfigureError> {
        Ok(Arc::new(self.prove(component, plugin, identity)?))
    }

    pub(crate) fn prove(
        &self,
        component: Arc<Component>,
        plugin: &Plugin,
        identity: &IdentityFields,
    ) -> Result<Factory, ConfigureError> {
        let kept = self.kept(&plugin.name);
        let metrics = self.metrics.plugin(&plugin.name);
        let shared = match &plugin.state {
            State::Redis(redis) if self.shares_state => Some(self.remote(redis)?),
            _ => None,
        };
        let lent = Lent {
            name: plugin.name.clone(),
            grants: plugin.grants.clone(),
            limits: plugin.limits.clone(),
            identity: identity.clone(),
            kv: kept.kv,
            limiter: kept.limiter,
            shared: shared.map(|remote| Arc::new(shared::Shared::new(remote, &plugin.name))),
            metrics: metrics.clone(),
            origin: self.origin,
        };
        // Those who only look don't stay long enough for an image to pay.
        let images = self.shares_state.then_some(&self.compiler);
        Factory::prove(component, plugin, Arc::new(lent), self.threads, metrics, images)
    }

    /// A plugin that has no version that works: all its calls fail with
    /// [`crate::plugin::role::PluginError::Unavailable`], which no chain passes over, whatever its `on_error`:
    /// what it would have decided isn't known.
    pub fn unavailable(&self, plugin: &Plugin) -> Arc<dyn PluginFactory> {
        Arc::new(Unavailable {
            name: plugin.name.clone(),
            on_error: plugin.on_error,
            metrics: self.metrics.plugin(&plugin.name),
        })
    }

    /// The store with these settings.
    fn remote(&self, settings: &Arc<Redis>) -> Result<Arc<Remote>, ConfigureError> {
        let mut known = self.remote.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remote) = known.upgrade().filter(|remote| remote.settings() == settings) {
            return Ok(remote);
        }
        let remote = Remote::start(settings, self.metrics.state())
            .map_err(|error| ConfigureError::Failed(format!("the shared store has no thread: {error}")))?;
        *known = Arc::downgrade(&remote);
        Ok(remote)
    }

    #[cfg(test)]
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn kept(&self, name: &Arc<str>) -> Kept {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What only this map holds belongs to plugins that are gone from every snapshot.
        kept.retain(|known, kept| known == name || Arc::strong_count(&kept.kv) > 1);
        let fresh = || Kept { kv: Arc::new(kv::Store::new()), limiter: Arc::new(limiter::Limiter::new()) };
        kept.entry(name.clone()).or_insert_with(fresh).clone()
    }
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginHost").field("threads", &self.threads).finish_non_exhaustive()
    }
}
