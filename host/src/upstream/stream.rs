//! The two bodies of an upstream call on their way: each tells its connection whether it moves, and the
//! answer's gives the connection back when it ends.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::{Connection, State};
use super::endpoint::Endpoint;
use crate::body::{Body, BodyError, Stream};

/// Counts a request against its endpoint until it ends, however it ends.
pub(super) struct InFlight(Arc<Endpoint>);

impl InFlight {
    pub fn new(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.begin();
        Self(Arc::clone(endpoint))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A request's body while it is sent.
pub(super) struct Upload {
    pub inner: Stream,
    pub state: Rc<State>,
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.inner.as_mut().poll_frame(cx);
        match &polled {
            Poll::Pending => self.state.uploading(true),
            Poll::Ready(Some(Ok(_))) if self.inner.is_end_stream() => self.state.uploaded(),
            Poll::Ready(Some(Ok(_))) => self.state.uploading(false),
            Poll::Ready(None) => self.state.uploaded(),
            Poll::Ready(Some(Err(_))) => self.state.fail_upload(),
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

/// An answer's body while it comes. Dropped before its end, it closes the connection.
pub(super) struct Download {
    incoming: Incoming,
    /// What was there with the head.
    first: Option<Result<Frame<Bytes>, ()>>,
    lease: Option<(Connection, InFlight)>,
    state: Rc<State>,
}

impl Download {
    /// The body of an answer whose head is here. What came in one piece with the head is taken at
    /// once, so that small answers need no stream and their connection is free again.
    pub async fn receive(mut incoming: Incoming, connection: Connection, in_flight: InFlight) -> Body {
        let state = Rc::clone(connection.state());
        connection.answered();
        if incoming.is_end_stream() {
            connection.release();
            return Body::Empty;
        }
        let ready = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut incoming).poll_frame(cx))).await;
        let first = match ready {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if incoming.is_end_stream() => {
                    connection.release();
                    return Body::Full(data);
                }
                Ok(data) => Some(Ok(Frame::data(data))),
                Err(frame) => Some(Ok(frame)),
            },
            Poll::Ready(None) => {
                connection.release();
                return Body::Empty;
            }
            Poll::Ready(Some(Err(_))) => Some(Err(())),
            Poll::Pending => None,
        };
        Body::Stream(Box::pin(Self { incoming, first, lease: Some((connection, in_flight)), state }))
    }

    fn release(&mut self) {
        if let Some((connection, _)) = self.lease.take() {
            connection.release();
        }
    }

    /// The connection broke in the middle of the answer.
    fn fail(&mut self) -> BodyError {
        let lease = self.lease.take();
        if self.state.upload_failed() {
            return BodyError::Client;
        }
        if let Some((_, in_flight)) = &lease {
            in_flight.0.failed();
        }
        if self.state.cut().is_some() { BodyError::Idle } else { BodyError::Upstream }
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.first.take() {
            Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
            Some(Err(())) => return Poll::Ready(Some(Err(self.fail()))),
            None => {}
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending => {
                if self.lease.is_some() {
                    self.state.waiting();
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                if self.lease.is_some() {
                    self.state.moved();
                }
                if self.incoming.is_end_stream() {
                    self.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(self.fail()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.incoming.size_hint();
        if let Some(first) = self.first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref()) {
            let length = first.len() as u64;
            match hint.exact() {
                Some(rest) => hint.set_exact(rest + length),
                None => hint.set_lower(hint.lower() + length),
            }
        }
        hint
    }
}
