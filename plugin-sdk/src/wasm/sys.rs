//! Handles and capabilities, as the SDK's types use them. The test double has a module of the same shape.

pub use super::bindings::capabilities::sluice::plugin::endpoints::{EndpointList, PickContext};
pub use super::bindings::capabilities::sluice::plugin::types::{Exchange, Request, Response};

pub use super::bindings::capabilities::sluice::plugin::clock::{monotonic, now};
pub use super::bindings::capabilities::sluice::plugin::crypto::{
    digest as crypto_digest, equal as crypto_equal, hmac as crypto_hmac, verify as crypto_verify,
};
pub use super::bindings::capabilities::sluice::plugin::http_client::{send, send_all};
pub use super::bindings::capabilities::sluice::plugin::kv::{
    delete as kv_delete, get as kv_get, increment as kv_increment, set as kv_set,
};
pub use super::bindings::capabilities::sluice::plugin::limiter::take as limiter_take;
pub use super::bindings::capabilities::sluice::plugin::log::log;
pub use super::bindings::capabilities::sluice::plugin::random::bytes as random_bytes;

use super::bindings::capabilities::sluice::plugin::metrics::{self, Label};

fn labels(labels: &[(&str, &str)]) -> Vec<Label> {
    labels.iter().map(|(name, value)| Label { name: (*name).to_owned(), value: (*value).to_owned() }).collect()
}

pub fn metrics_add(name: &str, pairs: &[(&str, &str)], by: u64) -> Result<(), String> {
    metrics::add(name, &labels(pairs), by)
}

pub fn metrics_set(name: &str, pairs: &[(&str, &str)], value: f64) -> Result<(), String> {
    metrics::set(name, &labels(pairs), value)
}

pub fn metrics_observe(name: &str, pairs: &[(&str, &str)], value: f64) -> Result<(), String> {
    metrics::observe(name, &labels(pairs), value)
}
