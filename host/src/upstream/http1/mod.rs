//! HTTP/1.1 as a client speaks it, as pure functions over bytes: how a request is written, how an answer's
//! head is read, how bodies are framed. Nothing here touches a socket, waits or keeps time.
//!
//! Reading is strict where laxness would let two parties see different messages (RFC 9112, sections 6 and 7):
//! contradicting or doubtful lengths are malformed, never guessed at.

pub(super) mod chunked;
mod request;
mod response;

pub(super) use request::{Framing, encode_head, encode_trailers};
pub(super) use response::{BodyKind, Head, parse};

/// The largest head of an answer, and the most of a request's head that is written at once.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// The most fields in an answer's head.
const MAX_FIELDS: usize = 100;

/// What came is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;
