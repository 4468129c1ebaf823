//! Bodies of requests that do what a test wants.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::body::{Body, BodyError};

type Step = Result<Frame<Bytes>, BodyError>;

/// A piece of a body.
pub(super) fn data(text: &'static str) -> Step {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// A body of these frames, one at a time.
pub(super) struct Frames {
    frames: VecDeque<Step>,
    length: Option<u64>,
    ends: bool,
}

impl Frames {
    pub fn new(frames: Vec<Step>) -> Self {
        Self { frames: frames.into(), length: None, ends: true }
    }

    /// Says that it has so many bytes.
    pub fn of_length(length: u64, frames: Vec<Step>) -> Self {
        Self { length: Some(length), ..Self::new(frames) }
    }

    /// Never ends.
    pub fn open(frames: Vec<Step>) -> Self {
        Self { ends: false, ..Self::new(frames) }
    }
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Step>> {
        match self.frames.pop_front() {
            None if !self.ends => Poll::Pending,
            next => Poll::Ready(next),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

/// A body without anything, and what ends it.
pub(super) fn that_ends_when_told() -> (oneshot::Sender<()>, Body) {
    let (sender, receiver) = oneshot::channel();
    (sender, Body::stream(Ends(receiver)))
}

struct Ends(oneshot::Receiver<()>);

impl HttpBody for Ends {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        Pin::new(&mut self.0).poll(cx).map(|_| None)
    }
}
