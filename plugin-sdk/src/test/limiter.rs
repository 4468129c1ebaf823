//! The generic cell rate algorithm on the mock's clock, in nanoseconds.

use std::collections::HashMap;

use crate::limiter::{Limit, Outcome};

/// For each key, when all its tokens are back.
#[derive(Default)]
pub(super) struct Limiter(HashMap<String, u128>);

impl Limiter {
    pub(super) fn take(&mut self, key: &str, limit: Limit, cost: u64, now: u64) -> Result<Outcome, String> {
        if key.len() > 256 {
            return Err("the key has more than 256 bytes".into());
        }
        if limit.rate == 0 || limit.period_ms == 0 || limit.burst == 0 {
            return Err("`rate`, `period-ms` and `burst` must be at least 1".into());
        }
        if cost > limit.burst {
            return Err("the cost is more than `burst`, so it could never be admitted".into());
        }
        let now = u128::from(now);
        let interval = (u128::from(limit.period_ms) * 1_000_000).div_ceil(u128::from(limit.rate));
        let capacity = interval * u128::from(limit.burst);
        let debt = self.0.get(key).map_or(0, |full| full.saturating_sub(now));
        let wanted = debt + interval * u128::from(cost);
        let admitted = wanted <= capacity;
        let debt = if admitted { wanted } else { debt };
        if admitted {
            self.0.insert(key.to_owned(), now + debt);
        }
        Ok(Outcome {
            admitted,
            remaining: narrow((capacity - debt) / interval),
            reset_ms: narrow(debt.div_ceil(1_000_000)),
            retry_after_ms: if admitted { 0 } else { narrow((wanted - capacity).div_ceil(1_000_000)) },
        })
    }
}

fn narrow(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_a_burst_and_then_the_rate() {
        let mut limiter = Limiter::default();
        let limit = Limit { rate: 10, period_ms: 1000, burst: 3 };
        let mut take = |millis: u64| limiter.take("k", limit, 1, millis * 1_000_000).unwrap();
        assert_eq!((0..4).map(|_| take(0).admitted).collect::<Vec<_>>(), [true, true, true, false]);
        assert_eq!(take(0), Outcome { admitted: false, remaining: 0, reset_ms: 300, retry_after_ms: 100 });
        assert!(!take(99).admitted);
        assert!(take(100).admitted);
        assert_eq!(take(1000).remaining, 2);
    }
}
