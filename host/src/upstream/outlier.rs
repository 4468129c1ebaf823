//! Passive outlier ejection: an endpoint that fails its requests is left alone for a while, and longer each time, whatever
//! health checks say. (Envoy's documentation: Outlier detection.) Failures are counted where requests end; time is
//! kept, and success rates are compared, on the control thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::cluster::{Cluster, Member};
use crate::config::model::OutlierDetection;

/// Requests in an interval that make an endpoint's success rate mean something.
const VOLUME: u32 = 100;
/// Endpoints with such a rate that make up a crowd to stand out of.
const CROWD: usize = 5;
/// Standard deviations below the mean that stand out.
const DEVIATIONS: f64 = 1.9;
/// A rate that is good enough however good the others are.
const GOOD_ENOUGH: f64 = 0.95;

/// Answers in an interval that make an endpoint's mean time mean something.
const ANSWERS: u32 = 20;
/// Endpoints with such a time of which one can be slower than the others.
const FEW: usize = 3;
/// So many microseconds more than the others take is slow at least.
const LEAST_US: u64 = 10_000;

/// Why an endpoint is ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Consecutive,
    SuccessRate,
    Latency,
}

impl Why {
    /// As metrics and the admin API have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consecutive => "consecutive-failures",
            Self::SuccessRate => "success-rate",
            Self::Latency => "latency",
        }
    }
}

/// What is known of one endpoint. No two fields have to agree.
#[derive(Debug, Default)]
pub(super) struct Outlier {
    /// Failures in a row, bad statuses included.
    row: AtomicU32,
    /// Of this interval.
    good: AtomicU32,
    bad: AtomicU32,
    /// Answers of this interval, and the microseconds that all their heads took.
    answers: AtomicU32,
    time_us: AtomicU64,
    /// 0: it isn't ejected.
    why: AtomicU8,
    /// Ejections that it has to answer for.
    times: AtomicU32,
    /// In milliseconds of the endpoint's age.
    until: AtomicU64,
}

impl Outlier {
    pub fn why(&self) -> Option<Why> {
        match self.why.load(Acquire) {
            1 => Some(Why::Consecutive),
            2 => Some(Why::SuccessRate),
            3 => Some(Why::Latency),
            _ => None,
        }
    }

    /// Count a request that ended; how many in a row have failed.
    fn count(&self, good: bool) -> u32 {
        let counter = if good { &self.good } else { &self.bad };
        counter.fetch_add(1, Relaxed);
        if !good {
            return self.row.fetch_add(1, Relaxed).saturating_add(1);
        }
        if self.row.load(Relaxed) != 0 {
            self.row.store(0, Relaxed);
        }
        0
    }

    /// For how long, if that is its first ejection, its second, …
    fn eject(&self, now: u64, config: &OutlierDetection, why: Why) -> Duration {
        let times = self.times.fetch_add(1, Relaxed).saturating_add(1);
        let time = config.ejection.saturating_mul(times).min(config.max_ejection);
        self.until.store(now.saturating_add(millis(time)), Relaxed);
        let number = match why {
            Why::Consecutive => 1,
            Why::SuccessRate => 2,
            Why::Latency => 3,
        };
        self.why.store(number, Release);
        time
    }

    fn readmit(&self) {
        self.row.store(0, Relaxed);
        self.good.store(0, Relaxed);
        self.bad.store(0, Relaxed);
        self.answers.store(0, Relaxed);
        self.time_us.store(0, Relaxed);
        self.why.store(0, Release);
    }

    /// The success rate of the interval that ends now, if it means something.
    fn close_interval(&self) -> Option<f64> {
        let (good, bad) = (self.good.swap(0, Relaxed), self.bad.swap(0, Relaxed));
        let all = good.saturating_add(bad);
        (all >= VOLUME).then(|| f64::from(good) / f64::from(all))
    }

    /// The mean time of the interval that ends now in microseconds, if it means something.
    fn close_times(&self) -> Option<u64> {
        let (answers, time) = (self.answers.swap(0, Relaxed), self.time_us.swap(0, Relaxed));
        (answers >= ANSWERS).then(|| time / u64::from(answers.max(1)))
    }

    /// An interval without ejection makes up for one.
    fn forgive(&self) {
        let times = self.times.load(Relaxed);
        self.times.store(times.saturating_sub(1), Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Cluster {
    /// A request to the endpoint ended, and it was the endpoint's merit or fault.
    pub(super) fn observe(&self, member: &Member, good: bool) {
        let Some(config) = self.outlier_detection() else { return };
        let row = member.endpoint.outlier().count(good);
        if config.consecutive > 0 && row >= config.consecutive {
            self.eject(member, config, Why::Consecutive);
        }
    }

    /// An answer's head came after that time.
    pub(super) fn observe_time(&self, member: &Member, time: Duration) {
        if self.outlier_detection().is_some_and(|config| config.latency.is_some()) {
            let outlier = member.endpoint.outlier();
            outlier.answers.fetch_add(1, Relaxed);
            outlier.time_us.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
        }
    }

    fn eject(&self, member: &Member, config: &OutlierDetection, why: Why) {
        let endpoint = &member.endpoint;
        if endpoint.outlier().why().is_some() {
            return;
        }
        // One at a time, or the bound would be passed. Who comes in between fails once more and comes again.
        let Some(_turn) = self.turn() else { return };
        let ejected = self.members().iter().filter(|member| member.endpoint.outlier().why().is_some()).count();
        let most = self.members().len() * usize::try_from(config.max_ejected).unwrap_or(100) / 100;
        if ejected >= most.max(1) {
            return;
        }
        let time = endpoint.outlier().eject(endpoint.age_ms(), config, why);
        endpoint.changed();
        self.metrics().ejected(why.name());
        let (cluster, endpoint, seconds) = (&**self.name(), endpoint.text(), time.as_secs_f64());
        tracing::warn!(cluster, endpoint, reason = why.name(), seconds, "endpoint is ejected");
    }

    /// Who stands out by failing.
    fn compare(&self, config: &OutlierDetection) {
        let rates: Vec<(&Member, f64)> = self
            .members()
            .iter()
            .filter_map(|member| Some((member, member.endpoint.outlier().close_interval()?)))
            .filter(|(member, _)| member.endpoint.outlier().why().is_none())
            .collect();
        if rates.len() < CROWD || !config.success_rate {
            return;
        }
        let threshold = threshold(rates.iter().map(|(_, rate)| *rate));
        for (member, _) in rates.iter().filter(|(_, rate)| *rate < threshold.min(GOOD_ENOUGH)) {
            self.eject(member, config, Why::SuccessRate);
        }
    }

    /// Who stands out by being slow, the slowest first.
    fn compare_times(&self, config: &OutlierDetection) {
        let Some(factor) = config.latency else { return };
        let known = self
            .members()
            .iter()
            .filter_map(|member| Some((member, member.endpoint.outlier().close_times()?)))
            .filter(|(member, _)| member.endpoint.outlier().why().is_none());
        let mut known: Vec<(&Member, u64)> = known.collect();
        known.sort_unstable_by_key(|(_, time)| std::cmp::Reverse(*time));
        let times: Vec<u64> = known.iter().map(|(_, time)| *time).collect();
        for (place, (member, _)) in known.iter().enumerate() {
            if is_slow(&times, place, factor) {
                self.eject(member, config, Why::Latency);
            }
        }
    }
}

/// Whether the time at `place` is more than `factor` times the median of the others', and a good deal more.
fn is_slow(times: &[u64], place: usize, factor: u32) -> bool {
    let mut others: Vec<u64> = times.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, time)| *time).collect();
    others.sort_unstable();
    // Of an even number the larger one of the two in the middle, since it ejects fewer.
    let (Some(own), Some(median)) = (times.get(place), others.get(others.len() / 2)) else { return false };
    times.len() >= FEW && *own > median.saturating_mul(factor.into()) && own.saturating_sub(*median) >= LEAST_US
}

fn threshold(rates: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = rates.len() as f64;
    let mean = rates.clone().sum::<f64>() / count;
    let variance = rates.map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    mean - DEVIATIONS * variance.sqrt()
}

/// Readmit endpoints whose time is over, and compare the others now and then, of the cluster as it is at that time. Ends
/// with the sender.
pub(super) async fn run(mut clusters: watch::Receiver<Arc<Cluster>>) {
    let (mut looked, mut compared) = (Instant::now(), Instant::now());
    loop {
        let cluster = Arc::clone(&clusters.borrow_and_update());
        let Some(config) = cluster.outlier_detection() else {
            // Those that an earlier configuration has ejected.
            cluster.members().iter().for_each(|member| readmit(&cluster, member));
            if clusters.changed().await.is_err() {
                return;
            }
            continue;
        };
        let period =
            (config.ejection / 10).clamp(Duration::from_millis(10), Duration::from_secs(1)).min(config.interval);
        tokio::select! {
            () = tokio::time::sleep_until((looked + period).into()) => looked = Instant::now(),
            changed = clusters.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        }
        for member in cluster.members() {
            // Whether first, then until when: who was ejected in between isn't held to an earlier ejection's end.
            let outlier = member.endpoint.outlier();
            if outlier.why().is_some() && member.endpoint.age_ms() >= outlier.until.load(Relaxed) {
                readmit(&cluster, member);
            }
        }
        if compared.elapsed() >= config.interval {
            compared = Instant::now();
            cluster.compare(config);
            cluster.compare_times(config);
            let well = cluster.members().iter().map(|member| member.endpoint.outlier());
            well.filter(|outlier| outlier.why().is_none()).for_each(Outlier::forgive);
        }
    }
}

fn readmit(cluster: &Cluster, member: &Member) {
    let endpoint = &member.endpoint;
    if endpoint.outlier().why().is_none() {
        return;
    }
    endpoint.outlier().readmit();
    if cluster.slow_start().is_some() {
        endpoint.begin_ramp();
    }
    endpoint.changed();
    tracing::info!(cluster = &**cluster.name(), endpoint = endpoint.text(), "endpoint is tried again");
}

#[cfg(test)]
mod tests;
