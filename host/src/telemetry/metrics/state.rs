//! How the shared store of plugins' state does: its operations, whether it answers, and what was done without it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::series::{Counter, Histogram, Series};

/// Why a store is away that was never asked.
const NOT_YET: &str = "not connected yet";

/// Of the store that plugins share; there is one at a time.
#[derive(Debug, Default)]
pub struct StateMetrics {
    /// By operation and outcome.
    pub(super) operations: Series<(&'static str, &'static str), Histogram>,
    /// By what was done instead.
    pub(super) without: Series<&'static str, Counter>,
    /// Goes up with each store that is configured, so that one that is on its way out has no say.
    stores: AtomicU64,
    link: Mutex<Option<LinkState>>,
}

/// Whether a store answers.
#[derive(Debug, Clone)]
pub struct LinkState {
    /// Where it is, without credentials.
    pub address: Arc<str>,
    /// Why it is away; none if it isn't.
    pub away: Option<Arc<str>>,
    pub since: SystemTime,
}

/// What one store says of itself.
#[derive(Debug)]
pub struct StateReporter {
    metrics: Arc<StateMetrics>,
    number: u64,
    address: Arc<str>,
}

impl StateMetrics {
    /// A store is used from now on; it is away until it says otherwise.
    pub fn store(self: &Arc<Self>, address: &str) -> StateReporter {
        let number = self.stores.fetch_add(1, Ordering::AcqRel) + 1;
        let reporter = StateReporter { metrics: self.clone(), number, address: address.into() };
        reporter.report(Some(NOT_YET.into()), None);
        reporter
    }

    /// An operation ended: `ok`, `timeout` or `failed`. Those that were never begun, since the store was away, aren't among them.
    pub fn operation(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.operations.find((operation, outcome), ("other", "other")).record(took);
    }

    /// A call was served without the store: `closed`, `open` or `local`.
    pub fn without(&self, done: &'static str) {
        self.without.find(done, "other").add(1);
    }

    /// How the store is; none if none is configured.
    pub fn link(&self) -> Option<LinkState> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl StateReporter {
    pub fn metrics(&self) -> &StateMetrics {
        &self.metrics
    }

    /// Where it is, without credentials.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// It answers.
    pub fn is_up(&self) {
        self.report(None, None);
    }

    /// It doesn't. Whether that is news: it answered before, or was never asked.
    pub fn is_away(&self, reason: &str) -> bool {
        let known = self.metrics.link();
        let away = known.as_ref().and_then(|link| link.away.as_deref());
        let is_news = away.is_none_or(|known| known == NOT_YET);
        let since = known.filter(|_| !is_news).map(|link| link.since);
        self.report(Some(reason.into()), since);
        is_news
    }

    fn report(&self, away: Option<Arc<str>>, since: Option<SystemTime>) {
        if self.metrics.stores.load(Ordering::Acquire) != self.number {
            return;
        }
        let state = LinkState { address: self.address.clone(), away, since: since.unwrap_or_else(SystemTime::now) };
        *self.metrics.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }
}

impl Drop for StateReporter {
    fn drop(&mut self) {
        if self.metrics.stores.load(Ordering::Acquire) == self.number {
            *self.metrics.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
