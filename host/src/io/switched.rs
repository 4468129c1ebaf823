//! The other end of a connection that has changed from HTTP to another protocol.

use std::any::Any;
use std::time::Duration;

use bytes::Bytes;

use super::Io;

/// A connection to an endpoint that has agreed to speak another protocol, after its `101`.
pub struct Switched {
    pub io: Io,
    /// What came behind the answer's head.
    pub first: Bytes,
    /// For how long nothing may move in either direction.
    pub idle: Duration,
    /// What lasts as long as the connection: counts, limits, a line of the log. Dropped at its end.
    pub life: Vec<Box<dyn Any>>,
}
