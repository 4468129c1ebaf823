//! What the gateway says of itself: metrics, the log, and what becomes known of single exchanges.

pub mod log;
pub mod metrics;
pub mod trail;
