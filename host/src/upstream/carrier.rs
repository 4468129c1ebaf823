//! What carries one exchange: a connection that it has to itself, or a stream on one that it shares.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use super::connection::{Broken, Connection};
use super::http2::Stream;
use super::sending::SendError;

/// An exchange whose answer has begun. Dropping it before its end closes the connection, or resets the stream.
pub(super) enum Carrier {
    Http1(Box<Connection>),
    Http2(Box<Stream>),
}

impl Carrier {
    /// What is there of the answer's body without reading any more. An error comes again when more is asked for.
    pub fn next(&mut self) -> Option<Frame<Bytes>> {
        match self {
            Self::Http1(connection) => connection.receiving().next().ok().flatten(),
            Self::Http2(stream) => stream.next(),
        }
    }

    /// Whether the answer's body is over.
    pub fn has_ended(&mut self) -> bool {
        match self {
            Self::Http1(connection) => connection.receiving().has_ended(),
            Self::Http2(stream) => stream.has_ended(),
        }
    }

    /// The bytes that are still to come, if that is known.
    pub fn remaining(&mut self) -> Option<u64> {
        match self {
            Self::Http1(connection) => connection.receiving().remaining(),
            Self::Http2(stream) => stream.remaining(),
        }
    }

    /// The next piece of the answer's body; none at its end.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        match self {
            Self::Http1(connection) => connection.poll_frame(cx),
            Self::Http2(stream) => stream.poll_frame(cx),
        }
    }

    /// Whether all of the request is sent, or can't be.
    pub fn has_sent(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.has_sent(),
            Self::Http2(stream) => stream.has_sent(),
        }
    }

    /// Send what is left of the request. Once ready, it stays so.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        match self {
            Self::Http1(connection) => connection.poll_send(cx),
            Self::Http2(stream) => stream.poll_send(cx),
        }
    }

    /// The answer is over, the request isn't: what is left of it has a time limit.
    pub fn answer_over(&mut self) {
        match self {
            Self::Http1(connection) => connection.answer_over(),
            Self::Http2(stream) => stream.answer_over(),
        }
    }

    /// Ready when what goes on takes too long.
    pub fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(connection) => connection.poll_deadline(cx),
            Self::Http2(stream) => stream.poll_deadline(cx),
        }
    }

    /// Both bodies have ended, or the request's can't be sent: a connection is given back if it can be used again.
    pub fn release(self) {
        match self {
            Self::Http1(connection) => connection.release(),
            Self::Http2(stream) => drop(stream),
        }
    }
}
