//! Bodies of requests that are no longer than the operator wants, though they don't say how long they are.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{Body, BodyError, Stream};

/// A body that fails when it gets too long.
struct Limited {
    inner: Stream,
    left: u64,
    passed: Rc<Cell<bool>>,
}

/// Bound a body that streams. The cell, which is there if it is bounded, tells whether it was too long.
pub(super) fn limited(body: Body, most: Option<u64>) -> (Body, Option<Rc<Cell<bool>>>) {
    match (body, most) {
        (Body::Stream(inner), Some(left)) => {
            let passed = Rc::new(Cell::new(false));
            (Body::stream(Limited { inner, left, passed: Rc::clone(&passed) }), Some(passed))
        }
        (body, _) => (body, None),
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.inner.as_mut().poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(left) = self.left.checked_sub(length) else {
                self.passed.set(true);
                return Poll::Ready(Some(Err(BodyError::TooLarge)));
            };
            self.left = left;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[tokio::test]
    async fn what_is_too_long_fails_and_says_so() {
        for (most, fits) in [(Some(9), false), (Some(10), true), (None, true)] {
            let whole = Full::new(Bytes::from_static(b"helloworld")).map_err(|never| match never {});
            let (body, passed) = limited(Body::stream(whole), most);
            assert_eq!(body.collect(100).await.is_ok(), fits);
            assert_eq!(passed.is_some_and(|passed| passed.get()), !fits);
        }
    }
}
