//! One instance of a component in a store of its own: how it starts, and how one call runs in it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use wasmtime::component::{ComponentNamedList, InstancePre, Lift, Lower, TypedFunc, WasmList};
use wasmtime::{PoolConcurrencyLimitError, Store, WasmBacktrace};

use super::component::Exports;
use super::guest::{Denied, Guest, Lent, Stopped, Subject, Time};
use super::meter::Meter;
use crate::plugin::capabilities::log;
use crate::plugin::http_client::HttpClient;
use crate::plugin::role::PluginError;

/// An instance is replaced after so many calls, so that what a guest leaks can't grow for ever.
const MOST_CALLS: u32 = 100_000;
/// It is also replaced when it has kept so many handles. Some toolchains never drop any; each costs 12
/// bytes here and as much in the guest.
const MOST_HANDLES: u32 = 8192;
/// A bound on what a guest can make in one call.
const MOST_HANDLES_EVER: usize = 4 * MOST_HANDLES as usize;
/// How much of an error's text is kept.
const MAX_TEXT: usize = 1 << 10;
/// How many of the guest's functions are named in a trap.
const MOST_FRAMES: usize = 8;

/// A running component.
pub(crate) struct Instance {
    store: Store<Guest>,
    instance: wasmtime::component::Instance,
    exports: Exports,
    meter: Arc<Meter>,
    calls: u32,
}

/// Why an instance didn't start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// It wanted so much more than it may have.
    Memory(Denied),
    Time,
    /// Nothing moved for the time that a whole call may take.
    Deadline,
    /// It refused its configuration.
    Refused(String),
    /// The engine's pool is used up.
    Exhausted,
    Failed(String),
}

/// What an instance is made of.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) pre: &'a InstancePre<Guest>,
    pub(crate) exports: &'a Exports,
    /// None if it starts configured.
    pub(crate) config: Option<&'a str>,
}

impl Instance {
    /// Start an instance and give it its configuration, within `time`.
    pub(crate) async fn start(
        source: Source<'_>,
        lent: Arc<Lent>,
        client: Option<Arc<dyn HttpClient>>,
        time: Time,
    ) -> Result<Box<Self>, StartError> {
        let Source { pre, exports, config } = source;
        let limits = lent.limits.clone();
        let mut store = Store::new(pre.engine(), Guest::new(lent, client));
        store.limiter(|guest| &mut guest.memory);
        store.epoch_deadline_callback(|mut context| context.data_mut().tick());
        store.set_max_component_handles(MOST_HANDLES_EVER);
        // A guest can't hand over more than it has, even if it points to the same bytes again and again.
        store.set_hostcall_fuel(limits.memory.max(1 << 20));
        store.set_epoch_deadline(1);
        store.data_mut().begin(Subject::Nothing, time);
        let meter = store.data().meter.clone();

        let started = {
            let starting = pin!(pre.instantiate_async(&mut store));
            bounded(&meter, limits.deadline, None, starting).await
        };
        let instance = match started {
            Ok(Ok(instance)) => instance,
            Ok(Err(error)) => return Err(start_error(&store, &error)),
            Err(DeadlinePassed) => return Err(StartError::Deadline),
        };
        let mut started = Box::new(Self { store, instance, exports: exports.clone(), meter, calls: 0 });
        if let Some(config) = config {
            started.configure(config, limits.deadline).await?;
        }
        started.store.data_mut().memory.mark_ready();
        started.end();
        Ok(started)
    }

    async fn configure(&mut self, config: &str, deadline: Duration) -> Result<(), StartError> {
        let configure = self.exports.configure.resolve(&mut self.store, &self.instance);
        let function: TypedFunc<(&str,), (Result<(), String>,)> = match configure {
            Ok(Some(function)) => function,
            Ok(None) => return Ok(()),
            Err(error) => return Err(StartError::Failed(format!("{error:#}"))),
        };
        let called = {
            let call = pin!(function.call_async(&mut self.store, (config,)));
            bounded(&self.meter, deadline, None, call).await
        };
        match called {
            Ok(Ok((Ok(()),))) => Ok(()),
            Ok(Ok((Err(text),))) => Err(StartError::Refused(log::escaped(&text, MAX_TEXT))),
            Ok(Err(error)) => Err(start_error(&self.store, &error)),
            Err(DeadlinePassed) => Err(StartError::Deadline),
        }
    }

    /// Resolve every function that the component exports, which checks their types.
    pub(crate) fn check(&mut self) -> wasmtime::Result<()> {
        self.exports.resolve_all(&mut self.store, &self.instance)
    }

    /// Call a function without parameters that no hook is, by its names.
    pub(crate) async fn read<R>(&mut self, interface: &str, function: &str, time: Time) -> wasmtime::Result<R>
    where
        R: Lift + Send + Sync + 'static,
    {
        self.begin(Subject::Nothing, time);
        let missing = || wasmtime::format_err!("there is no `{interface}.{function}`");
        let found = self.instance.get_export_index(&mut self.store, None, interface).ok_or_else(missing)?;
        let found = self.instance.get_export_index(&mut self.store, Some(&found), function).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (R,)>(&mut self.store, &found)?;
        let called = function.call_async(&mut self.store, ()).await;
        self.end();
        called.map(|(value,)| value)
    }

    /// The bytes of a list that [`Self::read`] has returned.
    pub(crate) fn bytes(&self, list: &WasmList<u8>) -> &[u8] {
        list.as_le_slice(&self.store)
    }

    /// Where the guest's requests go from now on.
    pub(crate) fn adopt(&mut self, client: Arc<dyn HttpClient>) {
        self.store.data_mut().client = Some(client);
    }

    /// Begin a call: from now on until [`Self::end`] the guest's handles reach `subject`.
    pub(crate) fn begin(&mut self, subject: Subject, time: Time) -> &mut Guest {
        // An instance that sees a body piece by piece has as many calls as the body has pieces.
        self.calls = self.calls.saturating_add(1);
        self.store.set_epoch_deadline(1);
        let guest = self.store.data_mut();
        guest.begin(subject, time);
        guest
    }

    /// End the call, after its future is gone.
    pub(crate) fn end(&mut self) -> Subject {
        self.store.data_mut().end()
    }

    /// A function of this instance. Its parameters may live shorter than the export's type says.
    pub(crate) fn function<P, R>(&mut self, select: Select<P, R>) -> Result<TypedFunc<P, R>, PluginError>
    where
        P: ComponentNamedList + Lower + 'static,
        R: ComponentNamedList + Lift + 'static,
    {
        match select(&mut self.exports).resolve(&mut self.store, &self.instance) {
            Ok(Some(function)) => Ok(function),
            Ok(None) => Err(PluginError::Trap("the component doesn't export this hook".into())),
            Err(error) => Err(PluginError::Trap(log::escaped(&format!("{error:#}"), MAX_TEXT))),
        }
    }

    /// Run a call that has begun, at most for `limit` of wall-clock time and not past `end`.
    pub(crate) async fn call<P, R>(
        &mut self,
        function: TypedFunc<P, R>,
        params: P,
        limit: Duration,
        end: Option<Instant>,
    ) -> Result<R, PluginError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let called = {
            let call = pin!(function.call_async(&mut self.store, params));
            bounded(&self.meter, limit, end, call).await
        };
        match called {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(self.fault(&error)),
            Err(DeadlinePassed) => Err(PluginError::Deadline),
        }
    }

    /// The same without ever waiting: the guest doesn't yield, and if it has to wait the call fails.
    pub(crate) fn call_now<P, R>(&mut self, function: TypedFunc<P, R>, params: P) -> Result<R, PluginError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        self.meter.start();
        let polled = {
            let mut call = pin!(function.call_async(&mut self.store, params));
            call.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        };
        self.meter.stop();
        match polled {
            Poll::Ready(Ok(result)) => Ok(result),
            Poll::Ready(Err(error)) => Err(self.fault(&error)),
            Poll::Pending => Err(PluginError::Trap("it waited where it can't".into())),
        }
    }

    /// Time on the fiber since the call began.
    pub(crate) fn busy(&self) -> Duration {
        self.meter.total()
    }

    /// Time that the call waited since it began.
    pub(crate) fn waited(&self) -> Duration {
        self.meter.waited()
    }

    /// Whether it has served long enough.
    pub(crate) fn is_worn(&self) -> bool {
        let guest = self.store.data();
        self.calls >= MOST_CALLS || guest.handles >= MOST_HANDLES || guest.memory.has_grown()
    }

    fn fault(&self, error: &wasmtime::Error) -> PluginError {
        match error.downcast_ref::<Stopped>() {
            Some(Stopped::Time) => PluginError::Time,
            None if self.store.data().memory.denied.is_some() => PluginError::Memory,
            None => PluginError::Trap(describe(error)),
        }
    }
}

/// How a call names its function.
pub(crate) type Select<P, R> = fn(&mut Exports) -> &mut super::component::Export<P, R>;

struct DeadlinePassed;

/// Run `call`, measured by `meter`, at most for `limit` after it had to wait for the first time and not past
/// `end`. Most calls never wait, so only then a timer is made.
async fn bounded<F: Future>(
    meter: &Meter,
    limit: Duration,
    end: Option<Instant>,
    mut call: Pin<&mut F>,
) -> Result<F::Output, DeadlinePassed> {
    let mut alarm = None;
    let mut suspended: Option<Instant> = None;
    poll_fn(|context| {
        if let Some(since) = suspended.take() {
            meter.wait(since.elapsed());
        }
        meter.start();
        let polled = call.as_mut().poll(context);
        meter.stop();
        if let Poll::Ready(result) = polled {
            return Poll::Ready(Ok(result));
        }
        suspended = Some(Instant::now());
        if tokio::runtime::Handle::try_current().is_err() {
            // Nobody can wake a call outside of a runtime.
            return Poll::Ready(Err(DeadlinePassed));
        }
        let alarm = alarm.get_or_insert_with(|| {
            let latest = Instant::now() + limit;
            Box::pin(tokio::time::sleep_until(end.map_or(latest, |end| end.min(latest)).into()))
        });
        alarm.as_mut().poll(context).map(|()| Err(DeadlinePassed))
    })
    .await
}

fn start_error(store: &Store<Guest>, error: &wasmtime::Error) -> StartError {
    if error.downcast_ref::<Stopped>().is_some() {
        StartError::Time
    } else if let Some(wanted) = store.data().memory.denied {
        StartError::Memory(wanted)
    } else if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        StartError::Exhausted
    } else {
        StartError::Failed(describe(error))
    }
}

/// The cause of a trap and where in the guest it happened, on one line.
fn describe(error: &wasmtime::Error) -> String {
    let mut text = error.root_cause().to_string();
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let named = backtrace.frames().iter().filter_map(|frame| frame.func_name()).take(MOST_FRAMES);
        // As its author wrote it, without the hash that makes it unique.
        let named: Vec<String> = named.map(|name| format!("{:#}", rustc_demangle::demangle(name))).collect();
        if !named.is_empty() {
            text.push_str("; in ");
            text.push_str(&named.join(" < "));
        }
    }
    log::escaped(&text, MAX_TEXT)
}
