//! The built-in policy for the endpoints of a cluster.

use std::cell::Cell;

use super::smooth::Credits;
use super::{EndpointView, PickContext, Policy, View};

/// Smooth weighted round-robin over the endpoints that are fit to be asked: the first of these sets that
/// isn't empty.
///
/// 1. Healthy endpoints that this exchange hasn't tried.
/// 2. Healthy endpoints: all have been tried, and one that is well may have failed by chance.
/// 3. Endpoints that it hasn't tried: none is healthy, and it is likelier that the checks are wrong
///    than that every endpoint is down ("panic").
/// 4. All of them.
///
/// One for each cluster and thread. Endpoints may come and go between picks; credits belong to
/// places in the list, so for some picks after such a change shares may be off by a place's weight.
#[derive(Debug, Default)]
pub struct RoundRobin {
    credits: Credits,
    /// Picks to make for nothing before the first one.
    ahead: Cell<u32>,
}

impl RoundRobin {
    /// A policy that starts where another one would be after `ahead` picks. Giving each thread its own number keeps
    /// them from all beginning with the same endpoint.
    pub fn starting_at(ahead: u32) -> Self {
        Self { credits: Credits::default(), ahead: Cell::new(ahead) }
    }

    fn choose(&self, context: &PickContext<'_>, endpoints: &dyn View) -> Option<usize> {
        let untried = |index: usize| !context.tried.contains(&index);
        let among = |fit: &dyn Fn(usize, &EndpointView<'_>) -> bool| {
            self.credits.choose(endpoints.len(), |index| {
                endpoints.get(index).filter(|endpoint| fit(index, endpoint)).map(|endpoint| endpoint.weight.max(1))
            })
        };
        among(&|index, endpoint| endpoint.healthy && untried(index))
            .or_else(|| among(&|_, endpoint| endpoint.healthy))
            .or_else(|| among(&|index, _| untried(index)))
            .or_else(|| among(&|_, _| true))
    }
}

impl Policy for RoundRobin {
    fn pick(&self, context: &PickContext<'_>, endpoints: &dyn View) -> Option<usize> {
        let ahead = self.ahead.take();
        if ahead > 0 {
            // Enough to begin at another endpoint; more would only come round again.
            let round = u32::try_from(endpoints.len()).unwrap_or(u32::MAX).max(1);
            for _ in 0..ahead % round {
                self.choose(context, endpoints);
            }
        }
        self.choose(context, endpoints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weight and health.
    struct Fleet(Vec<(u32, bool)>);

    impl View for Fleet {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn get(&self, index: usize) -> Option<EndpointView<'_>> {
            let (weight, healthy) = *self.0.get(index)?;
            let address = "192.0.2.1:80";
            Some(EndpointView { address, weight, in_flight: 0, latency_us: 0, healthy, failures: 0 })
        }
    }

    fn pick(policy: &RoundRobin, fleet: &Fleet, tried: &[usize]) -> Option<usize> {
        let context = PickContext { cluster: "c", attempt: 1, tried, client: None, request: None };
        policy.pick(&context, fleet)
    }

    fn shares(policy: &RoundRobin, fleet: &Fleet, picks: usize) -> Vec<usize> {
        let mut shares = vec![0; fleet.len()];
        for _ in 0..picks {
            shares[pick(policy, fleet, &[]).unwrap()] += 1;
        }
        shares
    }

    #[test]
    fn shares_are_as_weights_say_in_every_round() {
        let policy = RoundRobin::default();
        let fleet = Fleet(vec![(5, true), (3, true), (1, true), (1, true)]);
        for _ in 0..10 {
            assert_eq!(shares(&policy, &fleet, 10), [5, 3, 1, 1]);
        }
    }

    #[test]
    fn unhealthy_endpoints_are_left_out_and_come_back() {
        let policy = RoundRobin::default();
        let mut fleet = Fleet(vec![(1, true), (1, false), (2, true)]);
        assert_eq!(shares(&policy, &fleet, 300), [100, 0, 200]);
        fleet.0[1].1 = true;
        assert_eq!(shares(&policy, &fleet, 400), [100, 100, 200]);
    }

    #[test]
    fn if_none_is_healthy_all_are_used() {
        let fleet = Fleet(vec![(1, false), (3, false)]);
        assert_eq!(shares(&RoundRobin::default(), &fleet, 40), [10, 30]);
        assert_eq!(pick(&RoundRobin::default(), &fleet, &[1]), Some(0));
        assert!(pick(&RoundRobin::default(), &fleet, &[0, 1]).is_some());
    }

    #[test]
    fn a_retry_goes_elsewhere_while_it_can() {
        let fleet = Fleet(vec![(1, true), (9, true), (1, false)]);
        for tried in [&[1usize][..], &[1, 2]] {
            assert_eq!(pick(&RoundRobin::default(), &fleet, tried), Some(0), "{tried:?}");
        }
        // Both healthy ones failed: again a healthy one.
        assert_eq!(pick(&RoundRobin::default(), &fleet, &[0, 1]), Some(1));
    }

    #[test]
    fn no_endpoints_no_pick() {
        assert_eq!(pick(&RoundRobin::default(), &Fleet(vec![]), &[]), None);
        assert_eq!(pick(&RoundRobin::starting_at(7), &Fleet(vec![]), &[]), None);
    }

    #[test]
    fn the_number_of_endpoints_may_change() {
        let policy = RoundRobin::default();
        for (count, expected) in [(3, vec![10, 10, 10]), (5, vec![6; 5]), (2, vec![15, 15])] {
            let fleet = Fleet(vec![(1, true); count]);
            // What is left from the fleet before evens out.
            shares(&policy, &fleet, count * 3);
            assert_eq!(shares(&policy, &fleet, 30), expected);
        }
    }

    #[test]
    fn threads_begin_at_different_endpoints() {
        let fleet = Fleet(vec![(1, true); 4]);
        let first: Vec<_> = (0..6).map(|thread| pick(&RoundRobin::starting_at(thread), &fleet, &[]).unwrap()).collect();
        assert_eq!(first, [0, 1, 2, 3, 0, 1]);
    }

    #[test]
    fn shares_hold_while_health_flaps_and_retries_happen() {
        let policy = RoundRobin::default();
        let mut fleet = Fleet((0..8).map(|n| (n % 4 + 1, true)).collect());
        let mut seen = [0usize; 8];
        for round in 0..8_000usize {
            // Each endpoint is down one eighth of the time, and each third exchange is a retry.
            fleet.0.iter_mut().enumerate().for_each(|(index, endpoint)| endpoint.1 = (round / 40) % 8 != index);
            let tried = if round % 3 == 0 { vec![(round / 3) % 8] } else { vec![] };
            let index = pick(&policy, &fleet, &tried).unwrap();
            assert!(fleet.0[index].1 && !tried.contains(&index));
            seen[index] += 1;
        }
        let total: u32 = fleet.0.iter().map(|(weight, _)| weight).sum();
        for (index, (weight, _)) in fleet.0.iter().enumerate() {
            let ideal = 8_000.0 * f64::from(*weight) / f64::from(total);
            let ratio = seen[index] as f64 / ideal;
            assert!((0.85..1.15).contains(&ratio), "{index}: {} of {ideal}", seen[index]);
        }
    }
}
