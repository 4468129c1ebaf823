//! How long a call has really run: monotonic time on its fiber, suspensions left out.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A stop watch that the future of a call starts and stops at each poll, and that the guest's side reads.
/// Only one thread at a time uses it; the atomics are there because the guest's store has to be `Send`.
#[derive(Debug)]
pub(crate) struct Meter {
    origin: Instant,
    /// Nanoseconds that were measured before the last start.
    before: AtomicU64,
    /// When it was started last, in nanoseconds since `origin`.
    started: AtomicU64,
    /// Nanoseconds that the call waited.
    waited: AtomicU64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            before: AtomicU64::new(0),
            started: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        }
    }

    pub(crate) fn reset(&self) {
        self.before.store(0, Relaxed);
        if self.waited.load(Relaxed) != 0 {
            self.waited.store(0, Relaxed);
        }
    }

    /// The call waited for so long.
    pub(crate) fn wait(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.waited.store(self.waited.load(Relaxed).saturating_add(time), Relaxed);
    }

    /// The sum of all waits; zero for most calls.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Relaxed))
    }

    pub(crate) fn start(&self) {
        self.started.store(self.now(), Relaxed);
    }

    pub(crate) fn stop(&self) {
        self.before.store(self.running_nanos(), Relaxed);
    }

    /// The sum of all times between start and stop.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.before.load(Relaxed))
    }

    /// The same and the time since the last start; for use while it runs.
    pub(crate) fn running(&self) -> Duration {
        Duration::from_nanos(self.running_nanos())
    }

    fn running_nanos(&self) -> u64 {
        self.before.load(Relaxed) + self.now().saturating_sub(self.started.load(Relaxed))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
