//! The one body type of requests and answers: absent, whole in memory, or a stream.
//!
//! Every stage passes a [`Body`] on without looking into it; only a plugin's body hook collects one.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::io::Switched;

/// What a failed body says of its cause; it decides between 400, 408, 413, 502 and 504.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The client sent a malformed body, or too little of it.
    #[error("the request's body is malformed or incomplete")]
    Client,
    /// The endpoint sent a malformed answer body, or broke off.
    #[error("the upstream's body is malformed or incomplete")]
    Upstream,
    /// Nothing moved within the idle timeout.
    #[error("the body stalled")]
    Idle,
    /// A plugin failed on a piece of it.
    #[error("a plugin failed on the body")]
    Plugin,
    /// A bound on a collected body was passed.
    #[error("the body is larger than allowed")]
    TooLarge,
}

/// A stream of frames from a connection, with the checks that stand on its way.
pub type Stream = Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError>>>;

/// A body of a request or an answer.
#[derive(Default)]
pub enum Body {
    /// There is none.
    #[default]
    Empty,
    /// All of it, in memory.
    Full(Bytes),
    /// As it comes.
    Stream(Stream),
    /// None: after this answer's head, which is a `101`, the connection speaks another protocol.
    Switched(Box<Switched>),
}

impl Body {
    /// Wrap a stream.
    pub fn stream(stream: impl HttpBody<Data = Bytes, Error = BodyError> + 'static) -> Self {
        if stream.is_end_stream() { Self::Empty } else { Self::Stream(Box::pin(stream)) }
    }

    /// Read all of it, at most `limit` bytes. Trailers are dropped, since a whole body has none.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past the limit, and whatever the stream fails with.
    pub async fn collect(self, limit: usize) -> Result<Bytes, BodyError> {
        let mut stream = match self {
            Self::Empty | Self::Switched(_) => return Ok(Bytes::new()),
            Self::Full(bytes) if bytes.len() > limit => return Err(BodyError::TooLarge),
            Self::Full(bytes) => return Ok(bytes),
            Self::Stream(stream) => stream,
        };
        if stream.size_hint().lower() > limit as u64 {
            return Err(BodyError::TooLarge);
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = stream.frame().await {
            if let Ok(data) = frame?.into_data() {
                if whole.len() + data.len() > limit {
                    return Err(BodyError::TooLarge);
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty | Self::Switched(_) => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Switched(_) => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Switched(_) => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

impl std::fmt::Debug for Body {
    /// The kind and size only: contents may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Switched(_) => f.write_str("Switched"),
        }
    }
}
