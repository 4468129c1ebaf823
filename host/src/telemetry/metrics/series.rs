//! The cells that recording adds to: counters, histograms, and small sets of either by label. Nothing
//! here takes a lock, and nothing is ever removed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::exemplar::Kept;
use crate::telemetry::traces::{SpanId, TraceId};

/// Upper bounds of the buckets in seconds: OpenTelemetry's for HTTP durations, with finer ones below,
/// since a gateway's neighbours answer in less than 5 ms.
pub(super) const BOUNDS: [f64; 18] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The same in nanoseconds.
const BOUNDS_NS: [u64; 18] = [
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// Sums are kept in units of 100 ns: in nanoseconds, ten thousand exchanges at once would overflow 64
/// bits within a month.
const SUM_UNIT_NS: u64 = 100;

/// Label values in one series; more than this count under a common one.
const MOST_VALUES: usize = 128;

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Goes up.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often which duration occurred.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// One for each bound, and one for what lies beyond all of them.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum: AtomicU64,
    pub(super) exemplars: Kept,
}

/// A histogram at one moment.
#[derive(Debug, PartialEq)]
pub(super) struct Distribution {
    pub(super) sum_seconds: f64,
    pub(super) count: u64,
    /// Upper bound in seconds and how many lie between it and the bound before.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    pub(super) fn record(&self, duration: Duration) {
        self.count(duration);
    }

    /// Of a request that is told to a collector of traces.
    pub(super) fn record_traced(&self, duration: Duration, ids: (TraceId, SpanId)) {
        let bucket = self.count(duration);
        self.exemplars.keep(bucket, duration.as_secs_f64(), ids);
    }

    /// Count it in its bucket, and tell which.
    fn count(&self, duration: Duration) -> usize {
        let ns = nanoseconds(duration);
        let index = BOUNDS_NS.iter().position(|bound| ns <= *bound).unwrap_or(BOUNDS_NS.len());
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(ns / SUM_UNIT_NS, Ordering::Relaxed);
        index
    }

    pub(super) fn read(&self) -> Distribution {
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        // The count is the sum of what was read, so that it fits the buckets while others record.
        let buckets: Vec<(f64, u64)> =
            bounds.zip(&self.buckets).map(|(bound, bucket)| (bound, bucket.load(Ordering::Relaxed))).collect();
        let sum = self.sum.load(Ordering::Relaxed);
        Distribution {
            sum_seconds: sum as f64 * (SUM_UNIT_NS as f64 / 1e9),
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

/// One cell for each value of a label. Values are few, and added when they first occur.
#[derive(Debug)]
pub(super) struct Series<K, M>(OnceLock<Box<Link<K, M>>>);

#[derive(Debug)]
struct Link<K, M> {
    key: K,
    cell: M,
    next: OnceLock<Box<Link<K, M>>>,
}

impl<K, M> Default for Series<K, M> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<K: Copy + PartialEq, M: Default> Series<K, M> {
    /// The cell for `key`, or the one for `other` if there are too many.
    pub(super) fn find(&self, key: K, other: K) -> &M {
        let mut place = &self.0;
        let mut position = 0;
        loop {
            let wanted = if position < MOST_VALUES { key } else { other };
            let link = place.get_or_init(|| Box::new(Link { key: wanted, cell: M::default(), next: OnceLock::new() }));
            if link.key == wanted || position == MOST_VALUES {
                return &link.cell;
            }
            place = &link.next;
            position += 1;
        }
    }

    /// All cells in the order in which they came to be.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &M)> {
        std::iter::successors(self.0.get(), |link| link.next.get()).map(|link| (link.key, &link.cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_bucket_that_it_fits_exactly() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_millis(5));
        histogram.record(Duration::from_millis(5) + Duration::from_nanos(1));
        histogram.record(Duration::from_secs(3600));
        let read = histogram.read();
        let filled: Vec<_> = read.buckets.iter().filter(|(_, count)| *count > 0).copied().collect();
        assert_eq!(filled, [(0.005, 1), (0.01, 1), (f64::INFINITY, 1)]);
        assert_eq!(read.count, 3);
        assert!((read.sum_seconds - 3600.01).abs() < 1e-6, "{}", read.sum_seconds);
    }

    #[test]
    fn both_lists_of_bounds_say_the_same() {
        for (seconds, ns) in BOUNDS.iter().zip(BOUNDS_NS) {
            assert!((seconds * 1e9 - ns as f64).abs() < 1e-3, "{seconds} and {ns}");
        }
        assert!(BOUNDS_NS.is_sorted());
    }

    #[test]
    fn a_series_finds_the_same_cell_again() {
        let series = Series::<u16, Counter>::default();
        series.find(200, 0).add(1);
        series.find(404, 0).add(1);
        series.find(200, 0).add(1);
        let all: Vec<_> = series.iter().map(|(status, counter)| (status, counter.value())).collect();
        assert_eq!(all, [(200, 2), (404, 1)]);
    }

    #[test]
    fn too_many_values_share_one_cell() {
        let series = Series::<u16, Counter>::default();
        for status in 100..600 {
            series.find(status, 0).add(1);
        }
        assert_eq!(series.iter().count(), MOST_VALUES + 1);
        let rest = series.iter().last().map(|(status, counter)| (status, counter.value()));
        assert_eq!(rest, Some((0, 500 - MOST_VALUES as u64)));
    }

    #[test]
    fn threads_lose_no_count() {
        let series = Series::<u16, Counter>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|n| series.find(n % 40, 999).add(1)));
            }
        });
        assert_eq!(series.iter().map(|(_, counter)| counter.value()).sum::<u64>(), 40_000);
        assert_eq!(series.iter().count(), 40);
    }
}
