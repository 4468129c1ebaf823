//! Rate limits that are exact under concurrency, by the generic cell rate algorithm (GCRA).
//! Private to this plugin. Grant: `limiter`.
//!
//! ```
//! use std::time::Duration;
//! use sluice_plugin::limiter::{self, Limit};
//! # use sluice_plugin::test::MockHost;
//! # MockHost::new().run(|| {
//! let limit = Limit::new(100, Duration::from_secs(60)).with_burst(20);
//! let verdict = limiter::take("alice", limit, 1)?.verdict("per-user", limit);
//! # assert!(matches!(verdict, sluice_plugin::Verdict::Admitted(Some(quota)) if quota.remaining == 19));
//! # Ok::<(), sluice_plugin::Error>(())
//! # }).unwrap();
//! ```

use std::fmt;
use std::time::Duration;

use crate::{Quota, Verdict, millis, sys};

/// `rate` tokens each `period_ms`; up to `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Tokens that come back in one period.
    pub rate: u64,
    /// The period in milliseconds.
    pub period_ms: u64,
    /// The most tokens there can be.
    pub burst: u64,
}

impl Limit {
    /// `rate` tokens each `period`, all of them at once if need be.
    #[must_use]
    pub fn new(rate: u64, period: Duration) -> Self {
        Self { rate, period_ms: millis(period), burst: rate }
    }

    /// Allow so many at once.
    #[must_use]
    pub fn with_burst(mut self, burst: u64) -> Self {
        self.burst = burst;
        self
    }
}

/// What became of a call of [`take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the tokens were there, and were taken.
    pub admitted: bool,
    /// Tokens left after this call.
    pub remaining: u64,
    /// Milliseconds until all tokens are back.
    pub reset_ms: u64,
    /// Milliseconds until `cost` tokens would be there; 0 if admitted.
    pub retry_after_ms: u64,
}

impl Outcome {
    /// What a [`RateLimit`](crate::RateLimit) hook returns for this.
    #[must_use]
    pub fn verdict(self, policy: impl Into<String>, limit: Limit) -> Verdict {
        let quota = Quota {
            policy: policy.into(),
            limit: limit.rate,
            window_ms: limit.period_ms,
            remaining: self.remaining,
            reset_ms: self.reset_ms,
            retry_after_ms: self.retry_after_ms,
        };
        if self.admitted { Verdict::Admitted(Some(quota)) } else { Verdict::Rejected(quota) }
    }
}

/// Take `cost` tokens of `key`, or none of them.
///
/// # Errors
/// Something is wrong with the arguments, or the store can't be reached; the text says which.
pub fn take(key: &str, limit: Limit, cost: u64) -> Result<Outcome, LimiterError> {
    sys::limiter_take(key, limit, cost).map_err(LimiterError)
}

/// Why the limiter can't tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimiterError(pub String);

impl fmt::Display for LimiterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limiter can't tell: {}", self.0)
    }
}

impl std::error::Error for LimiterError {}
