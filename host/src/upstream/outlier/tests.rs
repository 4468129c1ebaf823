//! Who is ejected, and for how long.

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

const NOBODY: [usize; 0] = [];

fn time(cluster: &Cluster, times: &[(u32, u64)]) {
    for (member, (answers, milliseconds)) in cluster.members().iter().zip(times) {
        (0..*answers).for_each(|_| cluster.observe_time(member, Duration::from_millis(*milliseconds)));
    }
}

fn slow(times: &[(u32, u64)], config: OutlierDetection) -> Vec<usize> {
    let config = OutlierDetection { latency: Some(3), ..config };
    let cluster = cluster(u16::try_from(times.len()).unwrap(), config.clone());
    time(&cluster, times);
    cluster.compare_times(&config);
    ejected(&cluster)
}

#[test]
fn who_takes_much_longer_than_the_others_stands_out() {
    let slow = |times: &[(u32, u64)]| slow(times, OutlierDetection::default());
    assert_eq!(slow(&[(20, 10), (20, 12), (20, 50), (20, 9)]), [2]);
    assert_eq!(slow(&[(20, 10), (20, 12), (20, 30), (20, 9)]), NOBODY, "not three times as long");
    assert_eq!(slow(&[(20, 1), (20, 1), (20, 9)]), NOBODY, "nobody notices milliseconds");
    assert_eq!(slow(&[(20, 10), (20, 10), (19, 500)]), NOBODY, "too few answers");
    assert_eq!(slow(&[(20, 10), (20, 500)]), NOBODY, "which of two is the slow one?");
    assert_eq!(slow(&[(20, 500), (20, 500), (20, 500)]), NOBODY, "all are slow");
    assert_eq!(slow(&[(20, 500), (20, 500), (20, 10), (20, 500)]), NOBODY, "one is fast");
}

#[test]
fn the_slowest_are_ejected_within_the_bound_and_are_told_from_others() {
    let config = OutlierDetection { max_ejected: 34, latency: Some(3), ..OutlierDetection::default() };
    let times = [(20, 10), (20, 200), (20, 10), (20, 10), (20, 300), (20, 250), (20, 10), (20, 10)];
    assert_eq!(slow(&times, config.clone()), [4, 5]);
    let cluster = cluster(8, config.clone());
    time(&cluster, &times);
    cluster.compare_times(&config);
    assert_eq!(cluster.members()[4].endpoint.ejected().map(Why::name), Some("latency"));
    readmit(&cluster, &cluster.members()[4]);
    cluster.compare_times(&config);
    assert_eq!(ejected(&cluster), [5], "it begins anew");
}

#[test]
fn times_are_not_counted_where_nobody_compares_them() {
    let cluster = cluster(1, OutlierDetection::default());
    time(&cluster, &[(20, 10)]);
    assert_eq!(cluster.members()[0].endpoint.outlier().close_times(), None);
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
