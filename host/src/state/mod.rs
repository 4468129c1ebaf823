//! State that a fleet of gateways shares, in Redis: small values and rate limits. One atomic round trip for each
//! operation, on a thread of its own ([`worker`]): whoever asks waits on a channel, and no data thread touches a
//! socket of this.
//!
//! Nothing here knows of plugins; a [`Space`] keeps one user's keys from all others'. What to do while the store is
//! away is the caller's to decide; that it is, is found out once and for all callers, and told at once
//! ([`Away`]).

mod command;
mod dial;
mod reply;
mod worker;

#[cfg(test)]
#[path = "../../../tests/integration/harness/redis.rs"]
pub(crate) mod redis_server;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::config::model::Redis;
use crate::telemetry::metrics::StateMetrics;
use command::Command;
use worker::{Job, Started};

/// Operations on their way at once; more are turned away, since their answers would come too late.
const MOST_WAITING: usize = 16 << 10;

/// How long a start waits to see whether the store answers.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// The store can't be had, or didn't answer in time. Whether the operation was carried out isn't known then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared store can't be reached")]
pub struct Away;

/// A handle on the store. Its thread ends with the last handle.
pub struct Remote {
    jobs: mpsc::UnboundedSender<Job>,
    waiting: Arc<AtomicUsize>,
    /// False while operations needn't be tried.
    up: Arc<AtomicBool>,
    settings: Arc<Redis>,
    metrics: Arc<StateMetrics>,
}

/// The beginning of one user's keys: `PREFIXkv:NAME:`. No other user's begin so.
#[derive(Debug, Clone)]
pub struct Space {
    kv: Box<str>,
    limiter: Box<str>,
}

/// `rate` tokens each `period_ms`, up to `burst` at once. All are at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub rate: u64,
    pub period_ms: u64,
    pub burst: u64,
}

/// What became of a limit's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub admitted: bool,
    pub remaining: u64,
    pub reset_ms: u64,
    pub retry_after_ms: u64,
}

/// What an increment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    Is(i64),
    /// The value is none that can be added to.
    NotACounter,
}

impl Remote {
    /// Start the store's thread, and wait a moment for it to be connected. Blocks for as long as that takes, a
    /// second at most; that the store is away is no error.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: &Arc<Redis>, metrics: &Arc<StateMetrics>) -> std::io::Result<Arc<Self>> {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let up = Arc::new(AtomicBool::new(false));
        let address = format!("{}/{}", settings.address, settings.database);
        let (looked, first_look) = std::sync::mpsc::sync_channel(1);
        let started = Started {
            settings: settings.clone(),
            jobs: receiver,
            up: up.clone(),
            reporter: metrics.store(&address),
            first_look: Some(looked),
        };
        started.spawn()?;
        // The other end is dropped, or has sent, by then; otherwise it goes on by itself.
        let _ = first_look.recv_timeout(FIRST_LOOK);
        let waiting = Arc::new(AtomicUsize::new(0));
        Ok(Arc::new(Self { jobs, waiting, up, settings: settings.clone(), metrics: metrics.clone() }))
    }

    pub fn settings(&self) -> &Arc<Redis> {
        &self.settings
    }

    pub fn metrics(&self) -> &StateMetrics {
        &self.metrics
    }

    /// The keys of the user `name`.
    pub fn space(&self, name: &str) -> Space {
        // Without the separator in it, no name and key together read like another name and key.
        let name = name.replace('%', "%25").replace(':', "%3A");
        let of = |kind: &str| format!("{}{kind}:{name}:", self.settings.prefix).into_boxed_str();
        Space { kv: of("kv"), limiter: of("limiter") }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// The store is away.
    pub async fn read(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, Away> {
        reply::value(self.ask(Command::get(&space.kv, key)).await?)
    }

    /// Keep `value` under `key`, for so many milliseconds if that is given.
    ///
    /// # Errors
    /// The store is away.
    pub async fn write(&self, space: &Space, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), Away> {
        self.ask(Command::set(&space.kv, key, value, ttl_ms)).await.map(drop)
    }

    /// Whether there was something to remove.
    ///
    /// # Errors
    /// The store is away.
    pub async fn remove(&self, space: &Space, key: &str) -> Result<bool, Away> {
        reply::removed(&self.ask(Command::delete(&space.kv, key)).await?)
    }

    /// Add to the counter `key`; a new one lives for so many milliseconds if that is given.
    ///
    /// # Errors
    /// The store is away.
    pub async fn add(&self, space: &Space, key: &str, by: i64, ttl_ms: Option<u64>) -> Result<Sum, Away> {
        reply::sum(&self.ask(Command::increment(&space.kv, key, by, ttl_ms)).await?)
    }

    /// Take `cost` tokens of `key`, or none of them.
    ///
    /// # Errors
    /// The store is away.
    pub async fn take(&self, space: &Space, key: &str, limit: Limit, cost: u64) -> Result<Taken, Away> {
        reply::taken(&self.ask(Command::take(&space.limiter, key, limit, cost)).await?)
    }

    async fn ask(&self, command: Command) -> Result<redis::Value, Away> {
        if !self.up.load(Ordering::Acquire) {
            return Err(Away);
        }
        let _place = Place::take(&self.waiting).ok_or(Away)?;
        let (reply, answer) = oneshot::channel();
        let begun = Instant::now();
        let job = Job { command, reply, begun, until: begun + self.settings.timeout };
        self.jobs.send(job).map_err(|_| Away)?;
        answer.await.unwrap_or(Err(Away))
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("address", &self.settings.address).finish_non_exhaustive()
    }
}

/// One operation on its way.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
