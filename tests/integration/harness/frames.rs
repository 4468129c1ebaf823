//! A body whose pieces come when the test wants it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct Frames(UnboundedReceiver<Frame<Bytes>>);

/// A body, and where to put its pieces; it ends when that is dropped.
pub fn frames() -> (UnboundedSender<Frame<Bytes>>, Frames) {
    let (sender, receiver) = unbounded_channel();
    (sender, Frames(receiver))
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}
