//! What a store holds besides the guest itself: what the plugin was lent, the call in progress, and the
//! bounds on memory and time.
//!
//! The guest's handles are numbers: the number of the call that they were made for. They reach what
//! [`Current`] holds as long as that call lasts, and nothing afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{ResourceLimiter, UpdateDeadline};

use super::meter::Meter;
use super::pick::Pick;
use crate::config::model::{Grants, IdentityFields, Limits};
use crate::plugin::capabilities::{kv, limiter, log, shared, wasi};
use crate::plugin::exchange::Exchange;
use crate::plugin::http_client::HttpClient;
use crate::telemetry::metrics::{InstanceLife, PluginMetrics};

/// What all instances of a plugin share.
pub(crate) struct Lent {
    pub(crate) name: Arc<str>,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    /// Fields that no plugin may write.
    pub(crate) identity: IdentityFields,
    pub(crate) kv: Arc<kv::Store>,
    pub(crate) limiter: Arc<limiter::Limiter>,
    /// What stands before these two where a fleet shares its state.
    pub(crate) shared: Option<Arc<shared::Shared>>,
    pub(crate) metrics: Arc<PluginMetrics>,
    /// Where the monotonic clocks start.
    pub(crate) origin: Instant,
}

/// The data of one store.
pub(crate) struct Guest {
    pub(crate) lent: Arc<Lent>,
    /// None while an instance is only proven.
    pub(crate) client: Option<Arc<dyn HttpClient>>,
    /// Only once the guest has used WASI.
    pub(crate) wasi: Option<Box<wasi::Wasi>>,
    pub(crate) current: Current,
    pub(crate) memory: Memory,
    pub(crate) meter: Arc<Meter>,
    /// Handles that were given to the guest and that it hasn't dropped.
    pub(crate) handles: u32,
    time: Time,
}

/// The call in progress.
pub(crate) struct Current {
    /// The number of the call. Handles carry it.
    pub(crate) number: u32,
    pub(crate) subject: Subject,
    pub(crate) log: log::Budget,
}

/// What a call is about.
pub(crate) enum Subject {
    /// No call, or `configure`.
    Nothing,
    Exchange {
        exchange: Box<Exchange>,
        writable: Writable,
    },
    Pick(Pick),
}

/// Which head may be edited in this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writable {
    Request,
    Response,
    /// Nothing at all, attributes and state included.
    Nothing,
}

/// How a call's time is bounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) limit: Duration,
    /// Let neighbours run at each tick; false where the caller can't wait.
    pub(crate) yields: bool,
    ticks: u32,
}

impl Time {
    pub(crate) fn new(limit: Duration, yields: bool) -> Self {
        Self { limit, yields, ticks: 0 }
    }
}

/// The guest was stopped by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("ran longer than its time limit")]
    Time,
}

impl Guest {
    pub(crate) fn new(lent: Arc<Lent>, client: Option<Arc<dyn HttpClient>>) -> Self {
        Self {
            client,
            wasi: None,
            current: Current { number: 0, subject: Subject::Nothing, log: log::Budget::new(lent.limits.log) },
            memory: Memory {
                limit: lent.limits.memory,
                most_elements: lent.limits.tables,
                used: 0,
                elements: 0,
                ready: 0,
                asked: 0,
                denied: None,
                life: lent.metrics.instance(),
            },
            meter: Arc::new(Meter::new()),
            handles: 0,
            time: Time::new(lent.limits.configure, true),
            lent,
        }
    }

    /// Begin a call, whose number is returned.
    pub(crate) fn begin(&mut self, subject: Subject, time: Time) -> u32 {
        self.current.number = self.current.number.wrapping_add(1);
        self.current.subject = subject;
        self.current.log = log::Budget::new(self.lent.limits.log);
        self.memory.denied = None;
        self.time = time;
        self.meter.reset();
        self.current.number
    }

    /// End a call: its handles are dead from now on.
    pub(crate) fn end(&mut self) -> Subject {
        log::flush_stdio(self);
        self.current.number = self.current.number.wrapping_add(1);
        std::mem::replace(&mut self.current.subject, Subject::Nothing)
    }

    /// The engine's clock ticked while the guest ran.
    ///
    /// The guest has used up its time when both measures say so: its own ticks, which a machine under
    /// load can't inflate, and the time on its fiber, which neighbours that run between ticks can't.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.time.ticks = self.time.ticks.saturating_add(1);
        let ticked = super::engine::TICK.saturating_mul(self.time.ticks);
        if ticked > self.time.limit && self.meter.running() >= self.time.limit {
            return Err(Stopped::Time.into());
        }
        if self.time.yields {
            // Tokio's own yield lets the thread look at its sockets before it comes back here; a plain
            // wake-up would only go to the end of the queue.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        } else {
            Ok(UpdateDeadline::Continue(1))
        }
    }

    /// Whether whoever made the current call can wait for it.
    pub(crate) fn can_wait(&self) -> bool {
        self.time.yields
    }

    /// The exchange of the current call, if there is one.
    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        match &self.current.subject {
            Subject::Exchange { exchange, .. } => Some(exchange),
            Subject::Nothing | Subject::Pick(_) => None,
        }
    }
}

/// Linear memory and tables of one store, counted together in bytes.
pub(crate) struct Memory {
    pub(crate) limit: usize,
    most_elements: usize,
    used: usize,
    /// In all tables.
    elements: usize,
    /// What was in use when the instance was configured.
    ready: usize,
    /// The last growth that was allowed.
    asked: usize,
    /// What would have been in use when a growth was denied during this call.
    pub(crate) denied: Option<Denied>,
    /// Where the most is noted, and the instance counted.
    life: InstanceLife,
}

/// More than an instance may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    Bytes(usize),
    Elements(usize),
}

/// What a table's element takes.
const ELEMENT: usize = size_of::<usize>();

impl Memory {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        self.asked = desired.saturating_sub(current);
        let wanted = self.used.saturating_add(self.asked);
        if wanted > self.limit {
            self.denied = Some(Denied::Bytes(wanted));
            return false;
        }
        self.used = wanted;
        self.life.uses(wanted);
        true
    }

    fn failed(&mut self) {
        self.used = self.used.saturating_sub(self.asked);
        self.denied = Some(Denied::Bytes(self.used.saturating_add(self.asked)));
    }

    /// The instance is configured; what it takes from now on is for its calls.
    pub(crate) fn mark_ready(&mut self) {
        self.ready = self.used;
    }

    /// Whether calls have taken more than half of what was left for them. Memory of a guest never shrinks: one that
    /// leaks would reach its limit in the middle of somebody's exchange.
    pub(crate) fn has_grown(&self) -> bool {
        self.used.saturating_sub(self.ready) > self.limit.saturating_sub(self.ready) / 2
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.failed();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.elements.saturating_add(desired.saturating_sub(current));
        if elements > self.most_elements {
            self.denied = Some(Denied::Elements(elements));
            return Ok(false);
        }
        let grown = self.grow(current.saturating_mul(ELEMENT), desired.saturating_mul(ELEMENT));
        if grown {
            self.elements = elements;
        }
        Ok(grown)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.elements = self.elements.saturating_sub(self.asked / ELEMENT);
        self.failed();
        Ok(())
    }

    fn instances(&self) -> usize {
        super::engine::MAX_CORE_INSTANCES as usize
    }
}
