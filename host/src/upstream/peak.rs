//! A latency that goes up at once and down with time, so that an endpoint that turns slow is left alone soon, and tried again
//! after a while (Finagle's documentation: Power of Two Choices + Peak EWMA).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// In so many microseconds what isn't confirmed loses 63 % of its weight.
const DECAY_US: f64 = 10_000_000.0;

/// The average and when it was so high. Two threads may overwrite each other's sample; the next one mends that.
#[derive(Debug, Default)]
pub(super) struct Peak {
    /// In microseconds; 0 if unknown.
    average: AtomicU64,
    at: AtomicU64,
}

impl Peak {
    /// A sample at the time `now`, both in microseconds.
    pub fn add(&self, sample: u64, now: u64) {
        let (old, since) = (self.average.load(Relaxed), now.saturating_sub(self.at.load(Relaxed)));
        let new = if sample >= old || old == 0 {
            sample
        } else {
            let kept = weight(since);
            (old as f64 * kept + sample as f64 * (1.0 - kept)) as u64
        };
        self.average.store(new.max(1), Relaxed);
        self.at.store(now, Relaxed);
    }

    /// Take `value` for what is known, at the time `now`.
    pub fn set(&self, value: u64, now: u64) {
        self.average.store(value, Relaxed);
        self.at.store(now, Relaxed);
    }

    /// What it has come down to by the time `now`; 0 if there was no sample yet.
    pub fn read(&self, now: u64) -> u64 {
        let (average, since) = (self.average.load(Relaxed), now.saturating_sub(self.at.load(Relaxed)));
        if average == 0 {
            return 0;
        }
        ((average as f64 * weight(since)) as u64).max(1)
    }
}

fn weight(since_us: u64) -> f64 {
    (-(since_us as f64) / DECAY_US).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_at_once_and_down_with_time() {
        let peak = Peak::default();
        assert_eq!(peak.read(0), 0);
        peak.add(1_000, 0);
        peak.add(200_000, 1_000);
        assert_eq!(peak.read(1_000), 200_000);
        peak.add(1_000, 2_000);
        assert!(peak.read(2_000) > 199_000, "one good answer proves little");
        assert!((70_000..80_000).contains(&peak.read(10_002_000)), "{}", peak.read(10_002_000));
        assert_eq!(peak.read(u64::MAX), 1, "and never unknown again");
    }
}
