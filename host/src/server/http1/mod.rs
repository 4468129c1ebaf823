//! HTTP/1 with a client (RFC 9112): one connection is one task, which reads a head, lets it be answered, writes the answer,
//! and begins again. Between requests it holds no buffers. What is judged of requests' bytes is [`super::scan`]'s; what
//! becomes of requests is [`super::requests`]'s. It keeps no time: [`super::driver`] does.

mod connection;
mod encode;
mod inlet;
mod outlet;
mod parse;
#[cfg(test)]
mod tests;

pub(super) use connection::Connection;
