//! Handles and capabilities, as the SDK's types use them. The test double has a module of the same shape.

pub use super::bindings::capabilities::sluice::plugin::endpoints::{EndpointList, PickContext};
pub use super::bindings::capabilities::sluice::plugin::types::{Exchange, Request, Response};

pub use super::bindings::capabilities::sluice::plugin::clock::{monotonic, now};
pub use super::bindings::capabilities::sluice::plugin::http_client::{send, send_all};
pub use super::bindings::capabilities::sluice::plugin::kv::{
    delete as kv_delete, get as kv_get, increment as kv_increment, set as kv_set,
};
pub use super::bindings::capabilities::sluice::plugin::limiter::take as limiter_take;
pub use super::bindings::capabilities::sluice::plugin::log::log;
pub use super::bindings::capabilities::sluice::plugin::random::bytes as random_bytes;
