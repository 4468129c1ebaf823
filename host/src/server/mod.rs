//! Listeners and client connections: from a socket to requests and back. It is handed a [`Handler`] and
//! knows nothing of routes, plugins or clusters.

mod accept;
mod activity;
mod arrive;
mod client_hello;
mod connection;
mod detect;
mod drain;
mod driver;
mod extended;
mod flood;
mod frames;
mod gate;
mod http1;
mod linger;
mod listener;
mod pump;
mod requests;
mod scan;
mod streams;
mod taking;
#[cfg(test)]
mod tests;
pub mod tls;
mod tunnel;

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use accept::{accept, accept_waiting};
pub use arrive::Entrance;
pub use client_hello::{Hello, LONGEST as LONGEST_HELLO, read as read_hello};
pub use connection::Server;
pub use drain::Connections;
pub use gate::{Gate, Gates};
pub use listener::{BindError, Bound, adopt, bind, is_taken};
pub use pump::{Ending, pump};
pub use scan::{Limits, Refusal};
pub use streams::{StreamHandler, serve_stream};

use crate::body::Body;
use crate::config::model::Http;
use crate::overload::Guard;

/// What answers requests.
pub trait Handler: 'static {
    /// What the handler keeps for a connection.
    type Session: 'static;

    /// A connection was opened.
    fn open(&self, connection: Connection) -> Self::Session;

    /// Answer one request. The future is dropped when the client goes away.
    fn handle(
        self: Rc<Self>,
        request: http::Request<Body>,
        session: Rc<Self::Session>,
    ) -> impl Future<Output = http::Response<Body>> + 'static;

    /// Answer a request whose head isn't accepted. The connection is closed after it.
    fn refuse(&self, refusal: Refusal, session: &Self::Session) -> http::Response<Body>;
}

/// A client connection, the same for all its requests.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The listener that accepted it.
    pub listener: Arc<str>,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    /// `http`, `https` or `tcp`.
    pub scheme: &'static str,
    /// What the handshake of an encrypted connection told.
    pub tls: Option<Rc<tls::Facts>>,
}

/// How client connections are treated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// From the first byte of a request to the end of its head; also for the first bytes of a connection,
    /// which tell HTTP/1 from HTTP/2.
    pub head: Duration,
    /// Between an answer and the next request.
    pub keep_alive: Duration,
    /// For a client that doesn't read its answer.
    pub stalled: Duration,
    /// How large heads of HTTP/1 requests may be.
    pub heads: Limits,
    /// HTTP/2: streams at a time.
    pub max_streams: u32,
    /// What turns requests away when there are too many.
    pub guard: Arc<Guard>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(&Http::default(), Arc::default())
    }
}

impl Settings {
    /// As configured, with what turns requests away.
    pub fn new(http: &Http, guard: Arc<Guard>) -> Self {
        Self {
            head: http.head_timeout,
            keep_alive: http.keep_alive_timeout,
            stalled: http.send_timeout,
            heads: Limits { head: http.max_head, target: http.max_target, fields: http.max_fields },
            max_streams: http.max_streams,
            guard,
        }
    }
}
