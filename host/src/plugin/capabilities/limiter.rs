//! Rate limits by the generic cell rate algorithm (GCRA), for plugins with the grant `limiter`. Each
//! plugin has a limiter of its own, which all its instances share and which outlives reloads. Where state is shared by
//! a fleet, [`super::shared`] stands before it.
//!
//! A key's state is one number, its *theoretical arrival time*: the moment when all of its tokens will be
//! back. Arithmetic is in whole 2⁻³² nanoseconds, rounded so that never too much is admitted, and all
//! arguments are bounded so that nothing can overflow.

use super::table::Table;
use crate::plugin::wasm::bindings::limiter::{self, Limit, Outcome};
use crate::plugin::wasm::guest::Guest;

/// The longest key in bytes.
const MAX_KEY: usize = 256;
/// The most tokens in a rate, a burst or a cost.
const MAX_TOKENS: u64 = 1_000_000_000;
/// The longest period: 366 days in milliseconds.
const MAX_PERIOD: u64 = 366 * 24 * 3600 * 1000;
/// The most keys of one plugin. Past them, those that are nearest to having all their tokens are
/// forgotten, which errs on the side of admitting.
const MAX_KEYS: usize = 1 << 18;
/// Entries that are compared when one has to go.
const SAMPLE: usize = 8;

/// A point in time or a span in 2⁻³² nanoseconds. The largest sum here is a burst over the longest
/// periods, `10⁹ · 3.2·10¹⁶ ns · 2³²` < 2¹¹⁸, and a clock's 2⁹⁶.
type Fine = u128;
const NANO: Fine = 1 << 32;
const MILLI: Fine = 1_000_000 * NANO;

/// The limits of one plugin. Times are nanoseconds on any clock that never goes back.
pub(crate) struct Limiter {
    keys: Table<Fine>,
}

impl Limiter {
    pub(crate) fn new() -> Self {
        Self { keys: Table::new() }
    }

    /// Take `cost` tokens of `key`, or none.
    pub(super) fn take_at(&self, key: &str, limit: Limit, cost: u64, now: u64) -> Result<Outcome, String> {
        check(key, limit, cost)?;
        let now = Fine::from(now) * NANO;
        let mut shard = self.keys.shard(key);
        // A key that isn't known has all its tokens, as has one whose time has passed.
        let before = shard.map.get(key).copied().unwrap_or(0).max(now);
        let (outcome, after) = decide(limit, cost, before - now);
        if outcome.admitted && cost > 0 {
            match shard.map.get_mut(key) {
                Some(arrival) => *arrival = now + after,
                None => {
                    shard.sweep(2, |arrival| *arrival <= now, |_, _| {});
                    if shard.map.len() >= Table::<Fine>::share(MAX_KEYS) {
                        let fullest =
                            shard.next_few(SAMPLE).min_by_key(|index| shard.map.get_index(*index).map(|(_, at)| *at));
                        fullest.and_then(|index| shard.map.swap_remove_index(index));
                    }
                    shard.map.insert(key.into(), now + after);
                }
            }
        }
        Ok(outcome)
    }
}

/// The algorithm itself. `debt` is how far ahead of now the key's arrival time is; the new debt comes back.
fn decide(limit: Limit, cost: u64, debt: Fine) -> (Outcome, Fine) {
    // The time in which one token comes back, rounded up.
    let interval = (Fine::from(limit.period_ms) * MILLI).div_ceil(Fine::from(limit.rate));
    let capacity = interval * Fine::from(limit.burst);
    let wanted = debt + interval * Fine::from(cost);
    let admitted = wanted <= capacity;
    let after = if admitted { wanted } else { debt };
    let outcome = Outcome {
        admitted,
        remaining: u64::try_from(capacity.saturating_sub(after) / interval).unwrap_or(u64::MAX),
        reset_ms: millis(after),
        retry_after_ms: if admitted { 0 } else { millis(wanted - capacity) },
    };
    (outcome, after)
}

/// Rounded up: whoever waits that long isn't too early.
fn millis(span: Fine) -> u64 {
    u64::try_from(span.div_ceil(MILLI)).unwrap_or(u64::MAX)
}

pub(super) fn check(key: &str, limit: Limit, cost: u64) -> Result<(), String> {
    if key.len() > MAX_KEY {
        return Err(format!("the key has {} bytes; {MAX_KEY} are the most", key.len()));
    }
    if !(1..=MAX_TOKENS).contains(&limit.rate) {
        return Err(format!("`rate` is {}; it must be within 1 and {MAX_TOKENS}", limit.rate));
    }
    if !(1..=MAX_PERIOD).contains(&limit.period_ms) {
        return Err(format!("`period-ms` is {}; it must be within 1 and {MAX_PERIOD}", limit.period_ms));
    }
    if !(1..=MAX_TOKENS).contains(&limit.burst) {
        return Err(format!("`burst` is {}; it must be within 1 and {MAX_TOKENS}", limit.burst));
    }
    if cost > limit.burst {
        return Err(format!("the cost {cost} is more than `burst`, {}, so it could never be admitted", limit.burst));
    }
    Ok(())
}

impl limiter::Host for Guest {
    fn take(&mut self, key: String, limit: Limit, cost: u64) -> wasmtime::Result<Result<Outcome, String>> {
        Ok(self.lent.limiter.take_at(&key, limit, cost, self.nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limit(rate: u64, period_ms: u64, burst: u64) -> Limit {
        Limit { rate, period_ms, burst }
    }

    #[test]
    fn admits_a_burst_and_then_the_rate() {
        let limiter = Limiter::new();
        let take = |now| limiter.take_at("k", limit(10, 1000, 5), 1, now).unwrap();
        let first = take(SECOND);
        assert!(first.admitted && first.remaining == 4 && first.reset_ms == 100 && first.retry_after_ms == 0);
        assert_eq!((0..4).filter(|_| take(SECOND).admitted).count(), 4);
        let refused = take(SECOND);
        assert!(!refused.admitted);
        assert_eq!((refused.remaining, refused.reset_ms, refused.retry_after_ms), (0, 500, 100));
        assert!(!take(SECOND + 99_999_999).admitted);
        assert!(take(SECOND + 100_000_000).admitted);
        assert_eq!(take(10 * SECOND).remaining, 4);
    }

    #[test]
    fn takes_all_of_a_cost_or_nothing() {
        let limiter = Limiter::new();
        let take = |cost, now| limiter.take_at("k", limit(1, 1000, 10), cost, now).unwrap();
        assert_eq!(take(7, 0).remaining, 3);
        let refused = take(4, 0);
        assert_eq!((refused.admitted, refused.remaining, refused.retry_after_ms), (false, 3, 1000));
        assert_eq!(take(3, 0).remaining, 0);
        assert_eq!(take(0, 0).remaining, 0, "a cost of 0 only looks");
    }

    #[test]
    fn says_which_argument_is_wrong() {
        let limiter = Limiter::new();
        let told = |limit, cost| limiter.take_at("k", limit, cost, 0).unwrap_err();
        assert!(told(limit(0, 1, 1), 1).contains("rate"));
        assert!(told(limit(1, 0, 1), 1).contains("period-ms"));
        assert!(told(limit(1, 1, 0), 0).contains("burst"));
        assert!(told(limit(1, 1, 5), 6).contains("cost 6"));
        assert!(limiter.take_at(&"k".repeat(257), limit(1, 1, 1), 1, 0).unwrap_err().contains("key"));
    }

    /// Whatever the arguments, in every window exactly what the bucket allows is admitted.
    #[test]
    fn never_admits_more_than_the_bucket() {
        let mut random = 0x2545_f491_4f6c_dd1du64;
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        for _ in 0..300 {
            let (rate, period, burst) = (1 + next(2000), 1 + next(5000), 1 + next(500));
            let limiter = Limiter::new();
            let (mut now, mut taken) = (next(SECOND), 0u64);
            let start = now;
            for _ in 0..400 {
                let cost = next(burst + 1);
                let outcome = limiter.take_at("k", limit(rate, period, burst), cost, now).unwrap();
                if outcome.admitted {
                    taken += cost;
                } else {
                    let later = now + outcome.retry_after_ms * 1_000_000;
                    assert!(outcome.retry_after_ms > 0 && outcome.retry_after_ms <= outcome.reset_ms + period);
                    assert!(decide_at(&limiter, limit(rate, period, burst), cost, later), "told when to come back");
                }
                // burst + elapsed · rate / period, in whole numbers
                let earned = u128::from(now - start) * u128::from(rate) / (u128::from(period) * 1_000_000);
                assert!(u128::from(taken) <= u128::from(burst) + earned, "{taken} of {burst} + {earned}");
                now += next(period * 1_000_000 / rate * 3 + 2);
            }
        }
    }

    fn decide_at(limiter: &Limiter, limit: Limit, cost: u64, now: u64) -> bool {
        let arrival = limiter.keys.shard("k").map.get("k").copied().unwrap_or(0);
        decide(limit, cost, arrival.saturating_sub(Fine::from(now) * NANO)).0.admitted
    }

    #[test]
    fn extremes_do_not_overflow() {
        let limiter = Limiter::new();
        for (rate, period) in [(1, MAX_PERIOD), (MAX_TOKENS, 1), (1, 1), (MAX_TOKENS, MAX_PERIOD)] {
            for now in [0, u64::MAX] {
                let key = format!("{rate} {period} {now}");
                let outcome = limiter.take_at(&key, limit(rate, period, MAX_TOKENS), MAX_TOKENS, now).unwrap();
                assert!(outcome.admitted && outcome.remaining == 0);
                assert!(!limiter.take_at(&key, limit(rate, period, MAX_TOKENS), 1, now).unwrap().admitted);
            }
        }
    }

    #[test]
    fn is_exact_when_threads_compete() {
        let limiter = Limiter::new();
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let take = || limiter.take_at("k", limit(1, 1000, 1000), 1, SECOND).unwrap().admitted;
                        (0..1000).filter(|_| take()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1000);
    }

    #[test]
    fn forgets_keys_that_are_full_again_and_stays_bounded() {
        let limiter = Limiter::new();
        for index in 0..MAX_KEYS * 2 {
            limiter.take_at(&index.to_string(), limit(1, 1000, 10), 1, 0).unwrap();
        }
        let count = || limiter.keys.len();
        assert!(count() <= MAX_KEYS, "{}", count());
        for index in 0..1000 {
            limiter.take_at(&format!("new {index}"), limit(1, 1000, 10), 1, 5 * SECOND).unwrap();
        }
        assert!(count() < MAX_KEYS - 500, "{}", count());
    }
}
