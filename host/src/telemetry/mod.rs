//! What the gateway says of itself: metrics and log set-up.

pub mod log;
pub mod metrics;
