//! Trailers on their way through, in both directions, under the same rules as heads.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{Body, BodyError, Stream};
use crate::config::model::IdentityFields;
use crate::fields::remove_forbidden_trailers;

/// The same body with trailers that mayn't pass taken out. Bodies of known length have no trailers over
/// HTTP/1, and whole ones nowhere.
pub(super) fn checked(body: Body, identity: &Rc<IdentityFields>) -> Body {
    match body {
        Body::Stream(inner) if inner.size_hint().exact().is_none() => {
            Body::Stream(Box::pin(Checked { inner, identity: Rc::clone(identity) }))
        }
        other => other,
    }
}

struct Checked {
    inner: Stream,
    identity: Rc<IdentityFields>,
}

impl HttpBody for Checked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.inner.as_mut().poll_frame(cx);
        let Poll::Ready(Some(Ok(mut frame))) = polled else { return polled };
        if let Some(trailers) = frame.trailers_mut() {
            remove_forbidden_trailers(trailers, &self.identity);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
