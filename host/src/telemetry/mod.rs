//! What the gateway says of itself: metrics, the logs, and what becomes known of single exchanges.

pub mod access;
pub mod log;
pub mod metrics;
pub mod refusals;
pub mod reloads;
pub mod timeline;
pub mod traces;
pub mod trail;
pub mod witness;
