//! Sends each request to the endpoint with the fewest pending requests for its weight.

use sluice_plugin::prelude::*;

/// The state of one thread of the gateway.
struct LeastPending {
    /// Counts picks, so that equals take turns.
    turn: usize,
}

impl Plugin for LeastPending {
    type Config = sluice_plugin::config::Empty;

    fn configure(_: Self::Config) -> Result<Self> {
        Ok(Self { turn: 0 })
    }
}

impl Balance for LeastPending {
    fn pick(&mut self, context: &PickContext, endpoints: &Endpoints) -> Option<u32> {
        let mut best = Load { pending: u64::MAX, weight: 1 };
        let mut equals = Vec::new();
        for (index, endpoint) in endpoints.iter() {
            if !endpoint.healthy || endpoint.weight == 0 || context.tried(index) {
                continue;
            }
            // With this request.
            let load = Load { pending: u64::from(endpoint.in_flight) + 1, weight: u64::from(endpoint.weight) };
            if load.is_less_than(best) {
                best = load;
                equals.clear();
            } else if best.is_less_than(load) {
                continue;
            }
            equals.push(index);
        }
        self.turn = self.turn.wrapping_add(1);
        equals.get(self.turn.checked_rem(equals.len())?).copied()
    }
}

/// Pending requests for each unit of weight, compared without rounding.
#[derive(Clone, Copy)]
struct Load {
    pending: u64,
    weight: u64,
}

impl Load {
    fn is_less_than(self, other: Self) -> bool {
        u128::from(self.pending) * u128::from(other.weight) < u128::from(other.pending) * u128::from(self.weight)
    }
}

sluice_plugin::export!(LeastPending: Balance);

#[cfg(test)]
mod tests {
    use sluice_plugin::test::{MockHost, TestPick, TestPlugin};

    use super::*;

    fn plugin() -> TestPlugin<LeastPending> {
        MockHost::new().configure(json!({})).unwrap()
    }

    fn unhealthy() -> Endpoint {
        Endpoint { weight: 1, in_flight: 0, latency_us: 0, healthy: false, failures: 3 }
    }

    #[test]
    fn picks_the_least_pending() {
        assert_eq!(plugin().pick(&TestPick::new().endpoint(1, 5).endpoint(1, 2).endpoint(1, 3)), Some(1));
    }

    #[test]
    fn counts_by_weight() {
        // (5+1)/4 is less than (1+1)/1; (7+1)/4 isn't less than (1+1)/1, and equals take turns.
        assert_eq!(plugin().pick(&TestPick::new().endpoint(1, 1).endpoint(4, 5)), Some(1));
        assert_eq!(plugin().pick(&TestPick::new().endpoint(1, 1).endpoint(4, 8)), Some(0));
    }

    #[test]
    fn leaves_out_the_unhealthy_the_tried_and_the_weightless() {
        let pick = TestPick::new().with_endpoint(unhealthy()).endpoint(0, 0).endpoint(1, 1).endpoint(1, 9);
        assert_eq!(plugin().pick(&pick), Some(2));
        assert_eq!(plugin().pick(&pick.tried(2)), Some(3));
    }

    #[test]
    fn leaves_the_choice_to_the_gateway_if_there_is_none() {
        assert_eq!(plugin().pick(&TestPick::new()), None);
        assert_eq!(plugin().pick(&TestPick::new().with_endpoint(unhealthy()).endpoint(1, 0).tried(1)), None);
    }

    #[test]
    fn equals_take_turns_evenly() {
        let mut plugin = plugin();
        let pick = TestPick::new().endpoint(1, 0).endpoint(1, 7).endpoint(1, 0).endpoint(2, 1);
        let mut counts = [0; 4];
        for _ in 0..30 {
            let index = plugin.pick(&pick).unwrap();
            counts[index as usize] += 1;
        }
        assert_eq!(counts, [10, 0, 10, 10]);
    }
}
