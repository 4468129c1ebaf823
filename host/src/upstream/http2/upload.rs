//! A request's body on its way, as fast as the endpoint takes it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;

use crate::body::{Body, Stream};
use crate::upstream::clock::Clock;
use crate::upstream::sending::SendError;

/// What is still to be sent.
pub(super) struct Upload {
    /// None where the head was all.
    stream: Option<SendStream<Bytes>>,
    /// Taken from the body, and not sent yet.
    piece: Bytes,
    /// And what it has to come to, if that is known.
    body: Option<(Stream, Option<u64>)>,
    /// Whether anything of the body was taken.
    touched: bool,
    /// Whether it wasn't all sent as soon as it began.
    waited: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Sent,
    Broken(SendError),
}

/// What of a body has to be sent behind the head, taken out of it.
pub(super) struct Content {
    piece: Bytes,
    body: Option<(Stream, Option<u64>)>,
}

impl Content {
    /// A stream is taken out; the rest stays for another time. With the length, if that is known.
    pub fn take(body: &mut Body) -> (Self, Option<u64>) {
        match std::mem::take(body) {
            Body::Empty | Body::Switched(_) => (Self { piece: Bytes::new(), body: None }, Some(0)),
            Body::Full(bytes) => {
                *body = Body::Full(bytes.clone());
                let length = bytes.len() as u64;
                (Self { piece: bytes, body: None }, Some(length))
            }
            Body::Stream(stream) => {
                let length = stream.size_hint().exact();
                (Self { piece: Bytes::new(), body: Some((stream, length)) }, length)
            }
        }
    }

    /// Whether there is nothing behind the head.
    pub fn is_empty(&self) -> bool {
        let ended = |(stream, length): &(Stream, Option<u64>)| *length == Some(0) || stream.is_end_stream();
        self.piece.is_empty() && self.body.as_ref().is_none_or(ended)
    }

    /// Give a stream back that was never asked for anything.
    pub fn restore(self, body: &mut Body) {
        if let Some((stream, _)) = self.body {
            *body = Body::Stream(stream);
        }
    }
}

impl Upload {
    /// Send it behind the head. `stream` is none if there is nothing to send.
    pub fn new(content: Content, stream: Option<SendStream<Bytes>>, clock: &mut Clock) -> Self {
        let Content { piece, body } = content;
        let state = if stream.is_some() { State::Running } else { State::Sent };
        if state == State::Sent {
            clock.uploaded(true);
        }
        Self { stream, piece, body, touched: false, waited: false, state }
    }

    /// Give a body back of which nothing was taken. False if it is lost.
    pub fn restore(&mut self, body: &mut Body) -> bool {
        if self.touched {
            return false;
        }
        if let Some((stream, _)) = self.body.take() {
            *body = Body::Stream(stream);
        }
        true
    }

    /// There is an answer, so that nothing will be sent again.
    pub fn answered(&mut self) {
        if self.is_over() {
            self.body = None;
        }
    }

    /// All is sent, or nothing more can be.
    pub fn is_over(&self) -> bool {
        self.state != State::Running
    }

    pub fn broken(&self) -> Option<SendError> {
        if let State::Broken(error) = self.state { Some(error) } else { None }
    }

    /// Send as much as there is and as the endpoint takes. Once ready, it stays so.
    pub fn poll(&mut self, clock: &mut Clock, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        match self.state {
            State::Sent => return Poll::Ready(Ok(())),
            State::Broken(error) => return Poll::Ready(Err(error)),
            State::Running => {}
        }
        let polled = self.poll_all(clock, cx);
        match polled {
            Poll::Ready(Ok(())) => {
                self.state = State::Sent;
                clock.uploaded(!self.waited);
            }
            Poll::Ready(Err(error)) => {
                self.state = State::Broken(error);
                if let (SendError::Body, Some(stream)) = (error, &mut self.stream) {
                    // What there is mustn't look like all of it.
                    stream.send_reset(Reason::CANCEL);
                }
            }
            Poll::Pending => self.waited = true,
        }
        polled
    }

    fn poll_all(&mut self, clock: &mut Clock, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        loop {
            while !self.piece.is_empty() {
                stream.reserve_capacity(self.piece.len());
                let room = match stream.capacity() {
                    0 => match ready!(stream.poll_capacity(cx)) {
                        Some(Ok(room)) => room,
                        Some(Err(_)) | None => return Poll::Ready(Err(SendError::Connection)),
                    },
                    room => room,
                };
                let next = self.piece.split_to(room.min(self.piece.len()));
                let last = self.piece.is_empty() && self.body.is_none();
                stream.send_data(next, last).map_err(|_| SendError::Connection)?;
                if last {
                    return Poll::Ready(Ok(()));
                }
                clock.upload_moved();
            }
            // It may not want the rest.
            if stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(SendError::Connection));
            }
            let Some((body, left)) = &mut self.body else { return Poll::Ready(Ok(())) };
            let polled = body.as_mut().poll_frame(cx);
            self.touched |= polled.is_ready();
            let frame = match polled {
                Poll::Pending => {
                    clock.upload_waits_for_client();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(SendError::Body)),
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(None) => {
                    complete(*left)?;
                    return Poll::Ready(stream.send_data(Bytes::new(), true).map_err(|_| SendError::Connection));
                }
            };
            clock.upload_moved();
            match frame.into_data() {
                Ok(data) => {
                    if let Some(left) = left {
                        *left = left.checked_sub(data.len() as u64).ok_or(SendError::Body)?;
                    }
                    // With the last piece, so that no frame is spent on the end alone.
                    if !data.is_empty() && body.is_end_stream() {
                        complete(*left)?;
                        self.body = None;
                    }
                    self.piece = data;
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        complete(*left)?;
                        return Poll::Ready(stream.send_trailers(trailers).map_err(|_| SendError::Connection));
                    }
                }
            }
        }
    }
}

/// Whether a body that ends now is as long as it said.
fn complete(left: Option<u64>) -> Result<(), SendError> {
    if left.is_some_and(|left| left > 0) { Err(SendError::Body) } else { Ok(()) }
}
