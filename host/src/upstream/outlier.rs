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

/// Why an endpoint is ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Consecutive,
    SuccessRate,
}

impl Why {
    /// As metrics and the admin API have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consecutive => "consecutive-failures",
            Self::SuccessRate => "success-rate",
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
        self.why.store(if why == Why::Consecutive { 1 } else { 2 }, Release);
        time
    }

    fn readmit(&self) {
        self.row.store(0, Relaxed);
        self.good.store(0, Relaxed);
        self.bad.store(0, Relaxed);
        self.why.store(0, Release);
    }

    /// The success rate of the interval that ends now, if it means something.
    fn close_interval(&self) -> Option<f64> {
        let (good, bad) = (self.good.swap(0, Relaxed), self.bad.swap(0, Relaxed));
        let all = good.saturating_add(bad);
        (all >= VOLUME).then(|| f64::from(good) / f64::from(all))
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
mod tests {
    use super::*;
    use crate::config::model;

    fn cluster(count: u16, config: OutlierDetection) -> Cluster {
        let address = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port)).into();
        let config = model::Cluster {
            endpoints: (1..=count).map(address).collect(),
            outlier_detection: Some(config),
            ..model::Cluster::default()
        };
        Cluster::new(&config, None, None, Arc::default())
    }

    fn ejected(cluster: &Cluster) -> Vec<usize> {
        let members = cluster.members().iter().enumerate();
        members.filter(|(_, member)| member.endpoint.outlier().why().is_some()).map(|(index, _)| index).collect()
    }

    fn observe(cluster: &Cluster, index: usize, good: u32, bad: u32) {
        // Mixed, so that there is no row.
        let mut left = (good, bad);
        while left != (0, 0) {
            let next = left.0 > 0 && (left.1 == 0 || left.0 * bad.max(1) >= left.1 * good.max(1));
            if next {
                left.0 -= 1
            } else {
                left.1 -= 1
            }
            cluster.observe(&cluster.members()[index], next);
        }
    }

    #[test]
    fn a_row_of_failures_ejects_and_a_success_breaks_it() {
        let cluster = cluster(3, OutlierDetection::default());
        for good in [false, false, false, false, true, false, false, false, false] {
            cluster.observe(&cluster.members()[1], good);
        }
        assert!(ejected(&cluster).is_empty());
        cluster.observe(&cluster.members()[1], false);
        assert_eq!(ejected(&cluster), [1]);
        assert!(!cluster.members()[1].endpoint.is_available());
    }

    #[test]
    fn no_more_than_the_share_is_ejected_and_one_always_may_be() {
        let fail_all = |count, max_ejected| {
            let cluster = cluster(count, OutlierDetection { max_ejected, ..OutlierDetection::default() });
            for index in 0..usize::from(count) {
                observe(&cluster, index, 0, 20);
            }
            ejected(&cluster).len()
        };
        assert_eq!((fail_all(10, 30), fail_all(3, 10), fail_all(4, 50), fail_all(4, 100)), (3, 1, 2, 4));
    }

    #[test]
    fn each_ejection_is_longer_until_the_longest() {
        let config = OutlierDetection { max_ejection: Duration::from_secs(70), ..OutlierDetection::default() };
        let outlier = Outlier::default();
        let times: Vec<u64> = (0..4).map(|_| outlier.eject(0, &config, Why::Consecutive).as_secs()).collect();
        assert_eq!(times, [30, 60, 70, 70]);
        (0..4).for_each(|_| outlier.forgive());
        assert_eq!(outlier.eject(0, &config, Why::Consecutive).as_secs(), 30);
    }

    #[test]
    fn who_succeeds_much_less_often_than_the_others_stands_out() {
        let config = OutlierDetection { consecutive: 0, ..OutlierDetection::default() };
        let cluster = cluster(6, config.clone());
        for index in 0..5 {
            observe(&cluster, index, 99, 1);
        }
        observe(&cluster, 5, 70, 30);
        cluster.compare(&config);
        assert_eq!(ejected(&cluster), [5]);
        assert_eq!(cluster.members()[5].endpoint.outlier().why(), Some(Why::SuccessRate));
    }

    #[test]
    fn nobody_stands_out_of_too_few_or_for_too_little() {
        let config = OutlierDetection { consecutive: 0, ..OutlierDetection::default() };
        let few = cluster(4, config.clone());
        (0..3).for_each(|index| observe(&few, index, 100, 0));
        observe(&few, 3, 50, 50);
        few.compare(&config);
        assert!(ejected(&few).is_empty());
        let good = cluster(6, config.clone());
        (0..5).for_each(|index| observe(&good, index, 200, 0));
        observe(&good, 5, 196, 4);
        good.compare(&config);
        assert!(ejected(&good).is_empty(), "98 % is good enough");
    }
}
