//! Slow start: an endpoint that comes, or comes back, gets its share little by little, since caches are cold and code isn't compiled
//! yet. (Envoy's documentation: Slow start mode; HAProxy's: slowstart.) Runs on the control thread.

use std::sync::Arc;
use std::time::Duration;

use super::endpoint::{Endpoint, WHOLE_RAMP};

/// Thousandths of its weight at the beginning.
pub(super) const FIRST: u32 = 100;

/// Steps to the whole weight.
const STEPS: u32 = 18;

/// See that the endpoint's share grows whenever it is less than the whole. For ever.
pub(super) async fn run(endpoint: Arc<Endpoint>, window: Duration) {
    let mut step = tokio::time::interval(window / STEPS);
    step.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        step.tick().await;
        let ramp = endpoint.ramp();
        if ramp < WHOLE_RAMP && endpoint.is_healthy() {
            endpoint.set_ramp((ramp + (WHOLE_RAMP - FIRST) / STEPS).min(WHOLE_RAMP));
        }
    }
}
