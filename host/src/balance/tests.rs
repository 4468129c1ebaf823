//! Distribution, with fixed seeds: chi-square where chance chooses, exact counts where it doesn't.

use super::*;
use crate::config::model::{Balance, HashKey};

#[derive(Clone)]
struct Fake {
    name: String,
    weight: u32,
    healthy: bool,
    in_flight: u32,
    peak_us: u64,
    priority: u8,
    zone: &'static str,
    ramp: u32,
}

struct Fleet {
    endpoints: Vec<Fake>,
    table: Option<Table>,
}

impl View for Fleet {
    fn len(&self) -> usize {
        self.endpoints.len()
    }

    fn get(&self, index: usize) -> Option<EndpointView<'_>> {
        let fake = self.endpoints.get(index)?;
        Some(EndpointView {
            weight: fake.weight,
            healthy: fake.healthy,
            in_flight: fake.in_flight,
            peak_us: fake.peak_us,
            priority: fake.priority,
            zone: Some(fake.zone),
            ramp: fake.ramp,
            ..EndpointView::new(&fake.name)
        })
    }

    fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }
}

fn fleet(weights: &[u32]) -> Fleet {
    let fake = |(n, weight): (usize, &u32)| Fake {
        name: format!("192.0.2.{n}:80"),
        weight: *weight,
        healthy: true,
        in_flight: 0,
        peak_us: 0,
        priority: 0,
        zone: "a",
        ramp: 1000,
    };
    Fleet { endpoints: weights.iter().enumerate().map(fake).collect(), table: None }
}

fn balancer(balance: &Balance) -> Balancer {
    Balancer::new(balance, Preference::default(), 0, 42)
}

fn pick(policy: &Balancer, fleet: &Fleet, tried: &[usize]) -> Option<usize> {
    let context = PickContext { cluster: "c", attempt: 1, tried, client: None, request: None };
    policy.pick(&context, fleet)
}

fn shares(policy: &Balancer, fleet: &Fleet, picks: usize) -> Vec<usize> {
    let mut shares = vec![0; fleet.len()];
    for _ in 0..picks {
        shares[pick(policy, fleet, &[]).unwrap()] += 1;
    }
    shares
}

/// Pearson's statistic against shares in these proportions.
fn chi_square(seen: &[usize], proportions: &[f64]) -> f64 {
    let (total, sum) = (seen.iter().sum::<usize>() as f64, proportions.iter().sum::<f64>());
    let term = |(seen, proportion): (&usize, &f64)| {
        let expected = total * proportion / sum;
        (*seen as f64 - expected).powi(2) / expected
    };
    seen.iter().zip(proportions).map(term).sum()
}

/// Exceeded once in a thousand by chance, with 9 degrees of freedom.
const CRITICAL_9: f64 = 27.88;

#[test]
fn round_robin_is_exact_in_every_round() {
    let policy = balancer(&Balance::RoundRobin);
    let fleet = fleet(&[5, 3, 1, 1]);
    for _ in 0..10 {
        assert_eq!(shares(&policy, &fleet, 10), [5, 3, 1, 1]);
    }
}

#[test]
fn round_robin_is_smooth() {
    let policy = balancer(&Balance::RoundRobin);
    let fleet = fleet(&[5, 1, 1]);
    let picks: Vec<_> = (0..7).map(|_| pick(&policy, &fleet, &[]).unwrap()).collect();
    assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn unhealthy_endpoints_are_left_out_and_come_back() {
    let policy = balancer(&Balance::RoundRobin);
    let mut fleet = fleet(&[1, 1, 2]);
    fleet.endpoints[1].healthy = false;
    assert_eq!(shares(&policy, &fleet, 300), [100, 0, 200]);
    fleet.endpoints[1].healthy = true;
    assert_eq!(shares(&policy, &fleet, 400), [100, 100, 200]);
}

#[test]
fn every_policy_uses_all_if_none_is_healthy_and_none_of_nothing() {
    for balance in all() {
        let policy = balancer(&balance);
        let mut fleet = fleet(&[1, 1, 1, 1]);
        fleet.table = table(&balance, &fleet);
        fleet.endpoints.iter_mut().for_each(|endpoint| endpoint.healthy = false);
        assert!(shares(&policy, &fleet, 200).iter().all(|share| *share > 20), "{balance:?}");
        assert_eq!(pick(&policy, &self::fleet(&[]), &[]), None);
        assert_eq!(pick(&Balancer::new(&balance, Preference::default(), 7, 1), &self::fleet(&[]), &[]), None);
    }
}

fn all() -> [Balance; 6] {
    [
        Balance::RoundRobin,
        Balance::Random,
        Balance::LeastRequest,
        Balance::PeakEwma,
        Balance::RingHash(vec![HashKey::Client]),
        Balance::Maglev(vec![HashKey::Client]),
    ]
}

fn table(balance: &Balance, fleet: &Fleet) -> Option<Table> {
    let endpoints: Vec<(&str, u32)> = fleet.endpoints.iter().map(|fake| (&*fake.name, fake.weight)).collect();
    match balance {
        Balance::RingHash(_) => Some(Table::ring(&endpoints)),
        Balance::Maglev(_) => Some(Table::maglev(&endpoints)),
        _ => None,
    }
}

#[test]
fn every_policy_retries_elsewhere_while_it_can_and_leaves_the_unhealthy_out() {
    for balance in all() {
        let policy = balancer(&balance);
        let mut fleet = fleet(&[1, 9, 1, 1]);
        fleet.table = table(&balance, &fleet);
        fleet.endpoints[2].healthy = false;
        for _ in 0..200 {
            assert_eq!(pick(&policy, &fleet, &[0, 1]), Some(3), "{balance:?}");
            assert!(matches!(pick(&policy, &fleet, &[0, 1, 3]), Some(0 | 1 | 3)), "{balance:?}: a healthy one");
            assert_ne!(pick(&policy, &fleet, &[]), Some(2), "{balance:?}");
        }
    }
}

#[test]
fn the_number_of_endpoints_may_change() {
    let policy = balancer(&Balance::RoundRobin);
    for (count, expected) in [(3, vec![10, 10, 10]), (5, vec![6; 5]), (2, vec![15, 15])] {
        assert_eq!(shares(&policy, &fleet(&vec![1; count]), 30), expected);
    }
}

#[test]
fn threads_begin_at_different_endpoints() {
    let fleet = fleet(&[1; 4]);
    let start = |thread| Balancer::new(&Balance::RoundRobin, Preference::default(), thread, 1);
    let first: Vec<_> = (0..6).map(|thread| pick(&start(thread), &fleet, &[]).unwrap()).collect();
    assert_eq!(first, [0, 1, 2, 3, 0, 1]);
}

#[test]
fn shares_hold_while_health_flaps_and_retries_happen() {
    let policy = balancer(&Balance::RoundRobin);
    let mut fleet = fleet(&[1, 2, 3, 4, 1, 2, 3, 4]);
    let mut seen = [0usize; 8];
    for round in 0..8_000usize {
        // Each endpoint is down one eighth of the time, and each third exchange is a retry.
        let down = |(index, endpoint): (usize, &mut Fake)| endpoint.healthy = (round / 40) % 8 != index;
        fleet.endpoints.iter_mut().enumerate().for_each(down);
        let tried = if round % 3 == 0 { vec![(round / 3) % 8] } else { vec![] };
        let index = pick(&policy, &fleet, &tried).unwrap();
        assert!(fleet.endpoints[index].healthy && !tried.contains(&index));
        seen[index] += 1;
    }
    for (index, endpoint) in fleet.endpoints.iter().enumerate() {
        let ideal = 8_000.0 * f64::from(endpoint.weight) / 20.0;
        let ratio = seen[index] as f64 / ideal;
        assert!((0.8..1.2).contains(&ratio), "{index}: {} of {ideal}", seen[index]);
    }
}

#[test]
fn random_is_as_weights_say() {
    for weights in [vec![1; 10], (1..=10).collect::<Vec<u32>>()] {
        let proportions: Vec<f64> = weights.iter().map(|weight| f64::from(*weight)).collect();
        let seen = shares(&balancer(&Balance::Random), &fleet(&weights), 100_000);
        assert!(chi_square(&seen, &proportions) < CRITICAL_9, "{seen:?}");
    }
}

#[test]
fn least_request_without_load_is_as_weights_say() {
    let weights: Vec<u32> = vec![3; 10];
    let seen = shares(&balancer(&Balance::LeastRequest), &fleet(&weights), 100_000);
    assert!(chi_square(&seen, &[1.0; 10]) < CRITICAL_9, "{seen:?}");
}

#[test]
fn least_request_keeps_the_longest_queue_short() {
    // 10,000 requests that never end on 100 endpoints: chance alone gives some endpoint 130 or so.
    let most = |balance| {
        let policy = balancer(&balance);
        let mut fleet = fleet(&[1; 100]);
        for _ in 0..10_000 {
            let index = pick(&policy, &fleet, &[]).unwrap();
            fleet.endpoints[index].in_flight += 1;
        }
        fleet.endpoints.iter().map(|endpoint| endpoint.in_flight).max().unwrap()
    };
    assert!(most(Balance::LeastRequest) <= 103);
    assert!(most(Balance::Random) > 115);
}

#[test]
fn least_request_fills_by_weight() {
    let policy = balancer(&Balance::LeastRequest);
    let mut fleet = fleet(&[1, 2, 4, 8]);
    for _ in 0..1500 {
        let index = pick(&policy, &fleet, &[]).unwrap();
        fleet.endpoints[index].in_flight += 1;
    }
    for endpoint in &fleet.endpoints {
        let ratio = f64::from(endpoint.in_flight) / f64::from(100 * endpoint.weight);
        assert!((0.9..1.1).contains(&ratio), "{} for {}", endpoint.in_flight, endpoint.weight);
    }
}

#[test]
fn peak_ewma_goes_round_a_slow_endpoint() {
    let policy = balancer(&Balance::PeakEwma);
    let mut fleet = fleet(&[1; 10]);
    fleet.endpoints.iter_mut().for_each(|endpoint| endpoint.peak_us = 1_000);
    fleet.endpoints[4].peak_us = 100_000;
    let seen = shares(&policy, &fleet, 10_000);
    assert_eq!(seen[4], 0, "it loses each comparison");
    // Until the others have a hundred times as much to do.
    fleet.endpoints.iter_mut().for_each(|endpoint| endpoint.in_flight = 150);
    fleet.endpoints[4].in_flight = 0;
    assert!(shares(&policy, &fleet, 10_000)[4] > 1_000);
}

#[test]
fn peak_ewma_tries_a_new_endpoint_once_and_waits_for_what_it_does() {
    let policy = balancer(&Balance::PeakEwma);
    let mut fleet = fleet(&[1; 4]);
    fleet.endpoints.iter_mut().for_each(|endpoint| endpoint.peak_us = 2_000);
    fleet.endpoints[0].peak_us = 0;
    assert!(shares(&policy, &fleet, 1_000)[0] > 400);
    fleet.endpoints[0].in_flight = 1;
    assert_eq!(shares(&policy, &fleet, 1_000)[0], 0);
}

#[test]
fn requests_of_one_client_stay_together_and_clients_are_spread() {
    for balance in &all()[4..] {
        let mut fleet = fleet(&[1; 10]);
        fleet.table = table(balance, &fleet);
        let of = |policy: &Balancer, client: u32| {
            let client = Some(std::net::IpAddr::from(client.to_be_bytes()));
            let context = PickContext { cluster: "c", attempt: 1, tried: &[], client, request: None };
            policy.pick(&context, &fleet).unwrap()
        };
        let mut seen = vec![0; 10];
        for client in 0..20_000u32 {
            let here = of(&balancer(balance), client);
            let there = Balancer::new(balance, Preference::default(), 3, 99);
            assert_eq!(here, of(&there, client), "on another thread or machine too");
            seen[here] += 1;
        }
        assert!(seen.iter().all(|share| (1_300..2_700).contains(share)), "{balance:?}: {seen:?}");
        // Without anything to hash, chance decides.
        let none = shares(&balancer(balance), &fleet, 1_000);
        assert!(none.iter().all(|share| *share > 20), "{none:?}");
    }
}

fn with_priorities(healthy_first: usize) -> Fleet {
    let mut fleet = fleet(&[1; 20]);
    fleet.endpoints.iter_mut().enumerate().for_each(|(index, endpoint)| {
        endpoint.priority = u8::from(index >= 10);
        endpoint.healthy = index >= 10 || index < healthy_first;
    });
    fleet
}

#[test]
fn a_priority_spills_over_when_less_than_five_sevenths_are_healthy() {
    for (healthy, first_share) in [(10, 1.0), (8, 1.0), (5, 0.7), (1, 0.14), (0, 0.0)] {
        for balance in [Balance::RoundRobin, Balance::Random, Balance::LeastRequest, Balance::PeakEwma] {
            let seen = shares(&balancer(&balance), &with_priorities(healthy), 20_000);
            let first: usize = seen[..10].iter().sum();
            let share = first as f64 / 20_000.0;
            assert!((share - first_share).abs() < 0.015, "{healthy}, {balance:?}: {share}");
            assert!(seen[healthy..10].iter().all(|share| *share == 0), "{seen:?}");
        }
    }
}

#[test]
fn hashes_spill_over_too() {
    let balance = Balance::Maglev(vec![HashKey::Client]);
    let mut fleet = with_priorities(5);
    fleet.table = table(&balance, &fleet);
    let seen = shares(&balancer(&balance), &fleet, 20_000);
    let share = seen[..10].iter().sum::<usize>() as f64 / 20_000.0;
    assert!((share - 0.7).abs() < 0.015, "{share}");
}

#[test]
fn below_the_panic_threshold_health_does_not_count() {
    let with = |panic_threshold| Balancer::new(&Balance::Random, Preference { panic_threshold, zone: None }, 0, 1);
    let mut fleet = fleet(&[1; 10]);
    fleet.endpoints[..6].iter_mut().for_each(|endpoint| endpoint.healthy = false);
    assert!(shares(&with(50), &fleet, 1_000).iter().all(|share| *share > 50));
    assert_eq!(shares(&with(40), &fleet, 1_000)[..6], [0; 6]);
    // Other priorities that can take everything come first.
    let seen = shares(&with(50), &with_priorities(1), 10_000);
    assert_eq!(seen[1..10], [0; 9]);
}

#[test]
fn the_own_zone_comes_first_and_spills_over() {
    let preference = Preference { panic_threshold: 0, zone: Some("a".into()) };
    let policy = Balancer::new(&Balance::RoundRobin, preference, 0, 1);
    let mut fleet = fleet(&[1; 10]);
    fleet.endpoints[4..].iter_mut().for_each(|endpoint| endpoint.zone = "b");
    assert_eq!(shares(&policy, &fleet, 400), [100, 100, 100, 100, 0, 0, 0, 0, 0, 0]);
    fleet.endpoints[..2].iter_mut().for_each(|endpoint| endpoint.healthy = false);
    let seen = shares(&policy, &fleet, 20_000);
    let own = seen[..4].iter().sum::<usize>() as f64 / 20_000.0;
    assert!((own - 0.7).abs() < 0.015, "{own}");
    fleet.endpoints[..4].iter_mut().for_each(|endpoint| endpoint.healthy = false);
    assert_eq!(shares(&policy, &fleet, 600)[4..], [100; 6]);
}

#[test]
fn an_endpoint_in_slow_start_gets_a_part_of_its_share() {
    for balance in [Balance::RoundRobin, Balance::Random] {
        let mut fleet = fleet(&[1; 5]);
        fleet.endpoints[2].ramp = 200;
        let seen = shares(&balancer(&balance), &fleet, 42_000);
        assert!((1_800..2_200).contains(&seen[2]), "{balance:?}: {seen:?}");
    }
}
