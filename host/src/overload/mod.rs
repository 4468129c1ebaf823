//! Turns requests away before the process runs out of memory or of time for all of them: better a quick 503 for some
//! than none for anybody. Memory is looked at now and then, by a thread that serves nobody; a request costs a look at
//! a flag. It knows nothing of how requests are answered.

mod groups;
mod memory;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::config::model::{MemoryLimit, Overload};
use memory::Memory;

/// Between two looks at memory.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// Looks until limits that others set are read anew.
const LOOKS: u32 = 100;
/// Requests are let in again when so many percent of the limit are in use: not at once below it, or every other
/// request would decide anew.
const AGAIN: u64 = 90;

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Memory,
    Requests,
}

/// What keeps a gateway from taking more than it can bear. One for all threads.
#[derive(Debug, Default)]
pub struct Guard {
    is_full: AtomicBool,
    /// Requests at a time; 0 is no limit, and nobody counts.
    most: AtomicU64,
    in_flight: AtomicU64,
    /// Seconds.
    retry_after: AtomicU64,
    shed: [AtomicU64; 2],
    /// Bytes at the last look.
    used: AtomicU64,
    limit: AtomicU64,
    watch: Mutex<Watch>,
}

#[derive(Debug)]
struct Watch {
    limit: MemoryLimit,
    looks: u32,
    memory: Memory,
}

impl Default for Watch {
    fn default() -> Self {
        Self { limit: MemoryLimit::Off, looks: 0, memory: Memory::find() }
    }
}

/// A request that was let in, until it is dropped.
#[derive(Debug, Default)]
pub struct Permit(Option<Arc<Guard>>);

/// What metrics tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// By reason.
    pub shed: [(&'static str, u64); 2],
    pub is_full: bool,
    /// Bytes; 0 while nobody looks.
    pub used: u64,
    pub limit: u64,
}

impl Guard {
    /// Obey these limits from now on.
    pub fn set(&self, overload: &Overload) {
        self.most.store(overload.requests.unwrap_or_default(), Ordering::Relaxed);
        self.retry_after.store(overload.retry_after.as_secs().max(1), Ordering::Relaxed);
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.limit = overload.memory;
        // Whoever changes the limit wants to see it obeyed.
        watch.looks = 0;
        drop(watch);
        self.look();
    }

    /// Let a request in.
    ///
    /// # Errors
    /// Why it can't be; it is counted.
    pub fn enter(self: &Arc<Self>) -> Result<Permit, Reason> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(self.turned_away(Reason::Memory));
        }
        let most = self.most.load(Ordering::Relaxed);
        if most == 0 {
            return Ok(Permit(None));
        }
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(Some(self.clone()));
        if before >= most { Err(self.turned_away(Reason::Requests)) } else { Ok(permit) }
    }

    /// Seconds after which another try makes sense.
    pub fn retry_after(&self) -> u64 {
        self.retry_after.load(Ordering::Relaxed).max(1)
    }

    /// Look at memory for ever; drop the future to stop.
    pub async fn watch(&self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    pub fn reading(&self) -> Reading {
        let [memory, requests] = &self.shed;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            shed: [("memory", count(memory)), ("requests", count(requests))],
            is_full: self.is_full.load(Ordering::Relaxed),
            used: count(&self.used),
            limit: count(&self.limit),
        }
    }

    fn turned_away(&self, reason: Reason) -> Reason {
        let [memory, requests] = &self.shed;
        let counter = if reason == Reason::Memory { memory } else { requests };
        counter.fetch_add(1, Ordering::Relaxed);
        reason
    }

    fn look(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.limit == MemoryLimit::Off {
            self.found(0, 0);
            return;
        }
        if watch.looks == 0 {
            watch.memory = Memory::find();
        }
        watch.looks = (watch.looks + 1) % LOOKS;
        let limit = watch.memory.limit(watch.limit);
        let used = watch.memory.used(watch.limit);
        drop(watch);
        self.found(used, limit);
    }

    /// So many bytes are in use of those that may be; a limit of 0 is none.
    fn found(&self, used: u64, limit: u64) {
        self.used.store(used, Ordering::Relaxed);
        self.limit.store(limit, Ordering::Relaxed);
        let was_full = self.is_full.load(Ordering::Relaxed);
        let is_full = limit > 0 && used >= if was_full { limit / 100 * AGAIN } else { limit };
        if is_full == was_full {
            return;
        }
        self.is_full.store(is_full, Ordering::Relaxed);
        if is_full {
            tracing::error!(used, limit, "too much memory is in use: requests are answered 503 until there is less");
        } else {
            tracing::info!(used, limit, "there is memory again: requests are let in");
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(guard) = &self.0 {
            guard.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_let_in_again_when_there_is_room_to_spare() {
        let guard = Arc::<Guard>::default();
        guard.found(999, 1000);
        assert!(guard.enter().is_ok());
        guard.found(1000, 1000);
        assert_eq!(guard.enter().unwrap_err(), Reason::Memory);
        guard.found(950, 1000);
        assert_eq!(guard.enter().unwrap_err(), Reason::Memory, "nearly as much as before");
        guard.found(899, 1000);
        assert!(guard.enter().is_ok());
        assert_eq!(guard.reading().shed, [("memory", 2), ("requests", 0)]);
    }

    #[test]
    fn no_more_requests_than_the_limit_are_let_in_at_a_time() {
        let guard = Arc::<Guard>::default();
        let limit = |requests| Overload { memory: MemoryLimit::Off, requests, ..Overload::default() };
        guard.set(&limit(Some(2)));
        let first = guard.enter().unwrap();
        let _second = guard.enter().unwrap();
        assert_eq!(guard.enter().unwrap_err(), Reason::Requests);
        drop(first);
        let _third = guard.enter().unwrap();
        guard.set(&limit(None));
        let _many: Vec<Permit> = (0..9).map(|_| guard.enter().unwrap()).collect();
        assert_eq!(guard.reading().shed, [("memory", 0), ("requests", 1)]);
    }

    #[test]
    fn this_process_is_measured() {
        let guard = Arc::<Guard>::default();
        guard.set(&Overload { memory: MemoryLimit::Bytes(1), ..Overload::default() });
        let reading = guard.reading();
        assert!(reading.is_full && reading.limit == 1 && reading.used > 1 << 20, "{reading:?}");
        guard.set(&Overload { memory: MemoryLimit::Off, ..Overload::default() });
        assert!(guard.enter().is_ok());
        guard.set(&Overload { memory: MemoryLimit::Share(100), ..Overload::default() });
        assert!(guard.reading().limit > 1 << 20);
    }
}
