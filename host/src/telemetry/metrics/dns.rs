//! How the endpoints of a cluster are looked up in DNS: for metrics and for the admin API.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::series::{Counter, Series};

/// Lookups of one cluster.
#[derive(Debug, Default)]
pub struct Lookups {
    outcomes: Series<&'static str, Counter>,
    last: Mutex<Reading>,
}

/// How they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// When the endpoints that serve were last confirmed, all of them.
    pub answered: Option<SystemTime>,
    /// What the lookup came to that failed last, and when.
    pub failed: Option<(&'static str, SystemTime)>,
    /// The last lookup failed, in part at least.
    pub is_failing: bool,
}

impl Reading {
    /// `current`; `stale` if the last answer serves on since there is no new one; `unresolved` if there never was any.
    pub fn state(&self) -> &'static str {
        match (self.is_failing, self.answered) {
            (false, Some(_)) => "current",
            (true, Some(_)) => "stale",
            (_, None) => "unresolved",
        }
    }
}

impl Lookups {
    /// A lookup ended: `ok`, or the kind of a failure.
    pub fn record(&self, outcome: &'static str) {
        self.outcomes.find(outcome, "other").add(1);
        let now = SystemTime::now();
        // Only the control thread is here, and who reads.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_failing = outcome != "ok";
        if last.is_failing {
            last.failed = Some((outcome, now));
        } else {
            last.answered = Some(now);
        }
    }

    /// Something else is looked up from now on.
    pub fn begin(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Reading::default();
    }

    pub fn read(&self) -> Reading {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Outcomes, and how often each.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.outcomes.iter().map(|(outcome, counter)| (outcome, counter.value()))
    }
}
