//! A plugin as a snapshot holds it: its component, what it was lent and its configuration. Makes instances,
//! and the part of the plugin that belongs to one thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::compile::Compiler;
use super::component::Component;
use super::error::ConfigureError;
use super::guest::{Denied, Lent, Time};
use super::image::Image;
use super::instance::{Instance, Source, StartError};
use super::pool::Pool;
use super::thread::Here;
use crate::config::model::{Capability, Isolation, OnError, Plugin as Configured, Secret};
use crate::plugin::http_client::HttpClient;
use crate::plugin::role::{Hooks, Plugin, PluginFactory};
use crate::telemetry::metrics::PluginMetrics;

/// How long a version has to be there before an image is made for it: that takes longer than many versions last while
/// somebody tries things out.
const SETTLED: Duration = Duration::from_secs(1);

/// Instances that take longer than this to start are started on threads of their own, before a request needs one where
/// that can be: Python's take 1.5-1.9 ms, QuickJS's 0.2-0.4.
const DEAR: Duration = Duration::from_micros(150);

/// Instances that take longer than this to start, and are started for each exchange, are worth an image: with one, they
/// start in 10-20 µs. Making it takes as long as compiling the component twice.
const WORTH_AN_IMAGE: Duration = Duration::from_micros(30);

/// The least time that an instance gets to start in while its thread waits for it.
const STARTS_NOW: Duration = Duration::from_millis(10);

/// Everything that instances of one plugin are made from.
pub(crate) struct Blueprint {
    pub(crate) component: Arc<Component>,
    pub(crate) lent: Arc<Lent>,
    pub(crate) isolation: Isolation,
    pub(crate) on_error: OnError,
    /// Over which `limits.instances` is spread.
    pub(crate) threads: usize,
    pub(crate) metrics: Arc<PluginMetrics>,
    config: Secret,
    dear: AtomicBool,
    /// What instances start from, configured; none inside: there can't be one.
    image: OnceLock<Option<Image>>,
    /// The instance that proved the plugin, for the first thread that wants one.
    spare: Mutex<Option<Box<Instance>>>,
}

/// A plugin that works.
pub(crate) struct Factory(Arc<Blueprint>);

impl Factory {
    /// Prove that the plugin works by starting one instance. Blocks for as long as that takes.
    pub(crate) fn prove(
        component: Arc<Component>,
        configured: &Configured,
        lent: Arc<Lent>,
        threads: usize,
        metrics: Arc<PluginMetrics>,
        images: Option<&Arc<Compiler>>,
    ) -> Result<Self, ConfigureError> {
        check_grants(&component, configured)?;
        if configured.has_config && !component.inspection().lifecycle {
            return Err(ConfigureError::TakesNoConfiguration);
        }
        let source = Source {
            pre: component.pre(lent.shared.is_some()),
            exports: component.exports(),
            config: Some(configured.config.reveal()),
        };
        let start = || measured(source, &lent).map_err(|error| explain(error, &lent));
        let (mut instance, mut cost) = start()?;
        // The first start of all touches everything for the first time; the next ones tell what it costs.
        for _ in 0..2 {
            if cost > WORTH_AN_IMAGE {
                cost = start()?.1.min(cost);
            }
        }
        instance.check().map_err(|error| ConfigureError::Failed(format!("{error:#}")))?;
        let chunks = Hooks::ON_REQUEST_CHUNK.with(Hooks::ON_RESPONSE_CHUNK);
        // Bodies of several exchanges are on their way at the same time, and guests keep parts of them in variables.
        let isolation =
            if component.inspection().hooks.intersects(chunks) { Isolation::Request } else { configured.isolation };
        let spare = (isolation == Isolation::Pooled).then_some(instance);
        let pays = isolation == Isolation::Request && component.inspection().lifecycle && cost > WORTH_AN_IMAGE;
        let blueprint = Arc::new(Blueprint {
            component,
            lent,
            isolation,
            on_error: configured.on_error,
            threads,
            metrics,
            config: configured.config.clone(),
            dear: AtomicBool::new(cost > DEAR),
            image: OnceLock::new(),
            spare: Mutex::new(spare),
        });
        if let Some(compiler) = images.filter(|_| pays) {
            Blueprint::make_image(&blueprint, compiler);
        }
        Ok(Self(blueprint))
    }

    #[cfg(test)]
    pub(crate) fn blueprint(&self) -> &Arc<Blueprint> {
        &self.0
    }
}

/// Start an instance, and say what it cost: the thread's own time, since a busy machine would make any look dear.
fn measured(source: Source<'_>, lent: &Arc<Lent>) -> Result<(Box<Instance>, Duration), StartError> {
    let time = Time::new(lent.limits.configure, true);
    let starting = Instance::start(source, lent.clone(), None, time);
    wait_for(async {
        let begun = thread_time();
        let instance = starting.await?;
        Ok((instance, thread_time().saturating_sub(begun)))
    })
}

impl Blueprint {
    pub(crate) fn hooks(&self) -> Hooks {
        self.component.inspection().hooks
    }

    pub(crate) fn take_spare(&self) -> Option<Box<Instance>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether instances are made on threads of their own.
    pub(crate) fn is_dear(&self) -> bool {
        self.dear.load(Ordering::Relaxed)
    }

    /// Make the image on a thread of its own. Until it is there, instances are configured one by one.
    fn make_image(self: &Arc<Self>, compiler: &Arc<Compiler>) {
        let (this, compiler) = (Arc::downgrade(self), Arc::downgrade(compiler));
        let make = move || {
            // What is replaced or gone by then isn't held for it, nor the engine's addresses.
            std::thread::sleep(SETTLED);
            let Some(compiler) = compiler.upgrade() else { return };
            let _alone = compiler.image_alone();
            // Replaced while another was made?
            let Some(this) = this.upgrade() else { return };
            let image = this.image_of(&compiler);
            drop(this.image.set(image));
        };
        if let Err(error) = std::thread::Builder::new().name("sluice-image".into()).spawn(make) {
            tracing::warn!(plugin = &*self.lent.name, %error, "no thread to make an image of a plugin on");
        }
    }

    fn image_of(&self, compiler: &Compiler) -> Option<Image> {
        let plugin = &*self.lent.name;
        let make = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            let image = Image::make(compiler, &self.component, &self.lent, self.config.reveal());
            runtime.block_on(image).map_err(|error| error.to_string())
        };
        // What freezes components has forms that it doesn't know of.
        let made = catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|_| Err("making it failed".to_owned()));
        let measured = made.and_then(|image| match measured(image.source(), &self.lent) {
            Ok((_, cost)) => Ok((image, cost)),
            Err(error) => Err(format!("no instance starts from it: {error:?}")),
        });
        match measured {
            Ok((image, cost)) => {
                tracing::info!(plugin, ?cost, "instances start configured from now on");
                self.dear.store(cost > DEAR, Ordering::Relaxed);
                Some(image)
            }
            Err(reason) => {
                tracing::debug!(
                    plugin,
                    reason,
                    "there is no image of this plugin; its instances are configured one by one"
                );
                None
            }
        }
    }

    /// Whether the image is there; none if that isn't known yet.
    #[cfg(test)]
    pub(crate) fn has_image(&self) -> Option<bool> {
        self.image.get().map(Option::is_some)
    }

    /// Start one more instance.
    pub(crate) async fn start(self: &Arc<Self>, client: Arc<dyn HttpClient>) -> Result<Box<Instance>, StartError> {
        if !self.is_dear() {
            return self.start_here(client).await;
        }
        let this = self.clone();
        let runtime = tokio::runtime::Handle::current();
        let started = tokio::task::spawn_blocking(move || runtime.block_on(this.start_here(client)));
        started
            .await
            .unwrap_or_else(|error| Err(StartError::Failed(format!("the thread that started it failed: {error}"))))
    }

    /// The same for a caller that can't wait: the guest doesn't yield, so it gets little time.
    pub(crate) fn start_now(&self, client: Arc<dyn HttpClient>) -> Result<Box<Instance>, StartError> {
        let limit = self.lent.limits.configure.min(self.lent.limits.time.max(STARTS_NOW));
        let starting = pin!(self.start_within(client, Time::new(limit, false)));
        match starting.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(started) => started,
            Poll::Pending => Err(StartError::Deadline),
        }
    }

    /// The same on this thread.
    pub(crate) async fn start_here(&self, client: Arc<dyn HttpClient>) -> Result<Box<Instance>, StartError> {
        self.start_within(client, Time::new(self.lent.limits.configure, true)).await
    }

    async fn start_within(&self, client: Arc<dyn HttpClient>, time: Time) -> Result<Box<Instance>, StartError> {
        let source = match self.image.get() {
            Some(Some(image)) => image.source(),
            _ => Source {
                pre: self.component.pre(self.lent.shared.is_some()),
                exports: self.component.exports(),
                config: Some(self.config.reveal()),
            },
        };
        Instance::start(source, self.lent.clone(), Some(client), time).await
    }
}

impl PluginFactory for Factory {
    fn name(&self) -> &Arc<str> {
        &self.0.lent.name
    }

    fn hooks(&self) -> Hooks {
        self.0.hooks()
    }

    fn on_error(&self) -> OnError {
        self.0.on_error
    }

    fn on_thread(&self, client: Arc<dyn HttpClient>) -> Rc<dyn Plugin> {
        Rc::new(Here { blueprint: self.0.clone(), pool: Pool::new(self.0.clone(), client) })
    }
}

fn check_grants(component: &Component, configured: &Configured) -> Result<(), ConfigureError> {
    let imports = &component.inspection().imports;
    let lacks = |capability: &Capability| imports.contains(capability.name()) && !configured.grants.has(*capability);
    match Capability::ALL.into_iter().find(lacks) {
        Some(capability) => Err(ConfigureError::NotGranted { capability }),
        None => Ok(()),
    }
}

fn explain(error: StartError, lent: &Lent) -> ConfigureError {
    match error {
        StartError::Memory(Denied::Bytes(wanted)) => {
            ConfigureError::Memory { needed: mebibytes(wanted), allowed: mebibytes(lent.limits.memory) }
        }
        StartError::Memory(Denied::Elements(needed)) => ConfigureError::Tables { needed, allowed: lent.limits.tables },
        StartError::Time | StartError::Deadline => ConfigureError::Time,
        StartError::Refused(text) => ConfigureError::Refused(text),
        StartError::Exhausted => ConfigureError::Failed("the engine has no room for one more instance".into()),
        StartError::Failed(text) => ConfigureError::Failed(text),
    }
}

/// As one would write it in the configuration, rounded up.
fn mebibytes(bytes: usize) -> String {
    format!("\"{}MiB\"", bytes.div_ceil(1 << 20))
}

/// How long the processor has worked for this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Run a future to its end on this thread, wherever it is called from.
fn wait_for<T: Send>(future: impl Future<Output = Result<T, StartError>> + Send) -> Result<T, StartError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        match runtime {
            Ok(runtime) => runtime.block_on(future),
            Err(error) => Err(StartError::Failed(format!("no runtime to start it on: {error}"))),
        }
    };
    if tokio::runtime::Handle::try_current().is_err() {
        return run();
    }
    // A runtime can't be entered from within another one, so this takes a thread of its own.
    std::thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|_| Err(StartError::Failed("the thread that started it failed".into())))
}
