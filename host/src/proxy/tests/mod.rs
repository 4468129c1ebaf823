//! The whole path, from a client's socket to an endpoint's and back.

mod entry;
mod failures;
mod gateway;
mod http2;
mod passing;
