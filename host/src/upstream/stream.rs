//! An answer's body on its way: it drives its connection, and gives it back when it ends.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::carrier::Carrier;
use super::connection::Broken;
use super::duplex::Duplex;
use super::endpoint::Endpoint;
use crate::body::{Body, BodyError};

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

/// An answer's body while it comes. Dropped before its end, it closes the connection.
pub(super) struct Download {
    /// What was there with the head.
    first: Option<Frame<Bytes>>,
    second: Option<Frame<Bytes>>,
    source: Source,
    in_flight: Option<InFlight>,
    /// Bytes that come behind `first`, if that is known.
    remaining: Option<u64>,
    /// Why it broke off, until that is told.
    broken: Option<BodyError>,
}

/// Where the body comes from.
enum Source {
    Alone(Carrier),
    /// The request's body is still being sent, by a task of its own.
    Shared(Rc<Duplex>),
    Ended,
}

impl Download {
    /// The body of an answer whose head is here. What came in one piece with the head is taken at
    /// once, so that small answers need no stream and their connection is free again.
    pub fn receive(mut carrier: Carrier, in_flight: InFlight) -> Body {
        let first = carrier.next();
        // What ends the body may be there too.
        let second = if first.is_some() { carrier.next() } else { None };
        let (ended, remaining) = (carrier.has_ended(), carrier.remaining());
        let source = match (ended, carrier.has_sent()) {
            (true, true) => {
                carrier.release();
                Source::Ended
            }
            (true, false) => {
                Duplex::start(carrier).answer_over();
                Source::Ended
            }
            (false, true) => Source::Alone(carrier),
            (false, false) => Source::Shared(Duplex::start(carrier)),
        };
        match (first, second) {
            (None, _) if ended => Body::Empty,
            (Some(first), None) if ended && first.is_data() => Body::Full(first.into_data().unwrap_or_default()),
            (first, second) => {
                let in_flight = (!ended).then_some(in_flight);
                Body::Stream(Box::pin(Self { first, second, source, in_flight, remaining, broken: None }))
            }
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        match &mut self.source {
            Source::Alone(carrier) => carrier.poll_frame(cx),
            Source::Shared(duplex) => duplex.poll_frame(cx),
            Source::Ended => Poll::Ready(Ok(None)),
        }
    }

    fn has_ended(&mut self) -> bool {
        match &mut self.source {
            Source::Alone(carrier) => carrier.has_ended(),
            Source::Shared(duplex) => duplex.has_ended(),
            Source::Ended => true,
        }
    }

    /// The answer is over.
    fn release(&mut self) {
        self.in_flight = None;
        match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Alone(carrier) => carrier.release(),
            Source::Shared(duplex) => duplex.answer_over(),
            Source::Ended => {}
        }
    }

    /// The connection broke in the middle of the answer.
    fn fail(&mut self, broken: Broken) -> BodyError {
        let in_flight = self.in_flight.take();
        if let Source::Shared(duplex) = std::mem::replace(&mut self.source, Source::Ended) {
            duplex.close();
        }
        match (broken, in_flight) {
            (Broken::Client, _) => return BodyError::Client,
            (_, Some(in_flight)) => in_flight.0.failed(),
            _ => {}
        }
        if broken == Broken::Stalled { BodyError::Idle } else { BodyError::Upstream }
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(frame) = this.first.take() {
            this.first = this.second.take();
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(this.poll_source(cx)) {
            Ok(Some(frame)) => {
                if let (Some(left), Some(data)) = (&mut this.remaining, frame.data_ref()) {
                    *left = left.saturating_sub(data.len() as u64);
                }
                if this.has_ended() {
                    this.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(None) => {
                this.release();
                Poll::Ready(None)
            }
            Err(broken) => {
                // A turn later, so that what came before is sent on: an error makes hyper throw it away.
                this.broken = Some(this.fail(broken));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.broken.is_none() && matches!(self.source, Source::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        match self.remaining {
            Some(remaining) => SizeHint::with_exact(first + remaining),
            None => {
                let mut hint = SizeHint::new();
                hint.set_lower(first);
                hint
            }
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Source::Shared(duplex) = &self.source {
            duplex.close();
        }
    }
}
