//! An answer's body that has to end in time, or that counts against a limit until it does.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::limit::Room;
use crate::body::{Body, BodyError, Stream};

/// The body, with what it holds.
pub(super) fn guarded(body: Body, room: Option<Room>, deadline: Option<Instant>) -> Body {
    match body {
        Body::Stream(inner) => {
            let deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
            Body::Stream(Box::pin(Guarded { inner, deadline, _room: room }))
        }
        // It lasts as long as both sides want.
        Body::Switched(mut switched) => {
            switched.life.push(Box::new(room));
            Body::Switched(switched)
        }
        // It is all here: the endpoint has nothing more to do.
        whole => whole,
    }
}

struct Guarded {
    inner: Stream,
    deadline: Option<Pin<Box<Sleep>>>,
    _room: Option<Room>,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(BodyError::Idle)));
        }
        self.inner.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
