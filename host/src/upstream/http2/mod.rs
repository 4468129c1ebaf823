//! HTTP/2 as a client speaks it (RFC 9113). Many exchanges share a connection, which a task of its own drives; each
//! exchange drives its own stream. A stream that is given up is reset, and its connection goes on.

mod driver;
mod head;
mod session;
mod sessions;
mod stream;
mod upload;

pub(super) use session::Session;
pub(super) use sessions::{Channel, Sessions};
pub(super) use stream::Stream;

/// What the endpoint may send of one answer before somebody reads it. Many that aren't read leave room for others, since
/// a connection has this much for each of its streams.
const STREAM_WINDOW: u32 = 128 << 10;

/// What is buffered of one request's body, once the endpoint has allowed it to be sent.
const SEND_BUFFER: usize = 128 << 10;

/// The largest head of an answer.
const MAX_HEAD: u32 = 64 << 10;
