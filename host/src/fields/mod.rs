//! The rules for header fields that a gateway has to follow whatever the route: which belong to one
//! connection, which are the gateway's own, how it says that it forwarded a message, and what a `Host`
//! is. Everything works in place on a head; nothing here knows routes, plugins or connections.
//!
//! The order for a request, all of it before any plugin runs: [`valid_host`], [`Peer::client`],
//! [`remove_hop_by_hop`], [`remove_client_fields`], [`set_forwarding`], [`Pseudonym::append_via`]. For an answer from
//! upstream: [`remove_hop_by_hop`] (its error is the upstream's fault) and `append_via`. For trailers of
//! either: [`remove_forbidden_trailers`].

pub mod digits;
mod forward;
mod grpc;
mod hop;
mod host;
mod list;
mod owned;
mod pseudonym;
#[cfg(test)]
mod tests;
mod websocket;

pub use forward::{Peer, set_forwarding};
pub use grpc::{grpc_timeout, is_grpc, tell_grpc};
pub use hop::{ConnectionError, is_hop_by_hop, remove_hop_by_hop};
pub use host::valid_host;
pub use list::members_of;
pub use owned::{is_gateway_owned, remove_client_fields, remove_forbidden_trailers};
pub use pseudonym::Pseudonym;
pub use websocket::{agrees_to_websocket, asks_for_websocket, set_websocket};
