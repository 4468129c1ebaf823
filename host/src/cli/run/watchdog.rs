//! Tells systemd that the data threads make progress, as often as it wants to hear it; and nobody else, so that a
//! gateway that hangs is ended and started anew.

use sluice::gateway::{Gateway, Pulse};
use sluice::process::{Notifier, watchdog};

/// Start, if the supervisor wants to hear it. It ends with the runtime.
pub fn start(gateway: &Gateway) {
    let Some(limit) = watchdog() else { return };
    let (pulse, notifier) = (gateway.pulse(), Notifier::from_environment());
    // Half of the limit, as sd_watchdog_enabled(3) recommends.
    tokio::spawn(watch(pulse, notifier, limit / 2));
}

async fn watch(pulse: Pulse, notifier: Notifier, interval: std::time::Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if tokio::time::timeout(interval, pulse.felt()).await.is_ok() {
            notifier.alive();
        } else {
            tracing::error!("a data thread makes no progress, and the supervisor isn't told that all is well");
        }
    }
}
