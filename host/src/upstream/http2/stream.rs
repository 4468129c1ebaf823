//! One exchange on a connection that others share: its stream. Dropping it before its end resets the stream.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Frame;

use super::head;
use super::session::Lease;
use super::upload::{Content, Upload};
use crate::body::Body;
use crate::config::model::Timeouts;
use crate::error::Error;
use crate::upstream::clock::{Clock, Cut};
use crate::upstream::connection::{Broken, Failure};
use crate::upstream::sending::SendError;

/// An exchange whose answer has begun.
pub(in crate::upstream) struct Stream {
    upload: Upload,
    answer: RecvStream,
    /// Bytes of the answer's body that are still to come, if that is known.
    remaining: Option<u64>,
    ended: bool,
    clock: Clock,
    /// Last, so that the stream is over before its room is free.
    lease: Lease,
}

/// An exchange whose answer hasn't begun.
struct Waiting {
    upload: Upload,
    response: ResponseFuture,
    clock: Clock,
    lease: Lease,
}

impl Stream {
    /// Send a request and wait for the head of its answer. The request is left as it was but for a body that comes as a
    /// stream. `fallback` is whom it is for if `Host` doesn't say.
    ///
    /// # Errors
    /// What [`Error`] says of upstreams and of request bodies.
    pub async fn exchange(
        lease: Lease,
        request: &mut Request<Body>,
        timeouts: &Timeouts,
        scheme: Scheme,
        fallback: &str,
    ) -> Result<(Response<()>, Box<Self>), Failure> {
        let mut clock = Clock::new(Instant::now());
        clock.begin(timeouts, Instant::now());
        let (content, length) = Content::take(request.body_mut());
        let ends = content.is_empty();
        let head = head::encode(request, length, scheme, fallback);
        let (response, stream) = match lease.send(head, ends) {
            Ok(sent) => sent,
            Err(_) => {
                content.restore(request.body_mut());
                return Err(Failure { error: Error::Reset, unanswered: true, unsent: true, restored: true });
            }
        };
        let upload = Upload::new(content, (!ends).then_some(stream), &mut clock);
        let mut waiting = Waiting { upload, response, clock, lease };
        match poll_fn(|cx| waiting.poll(cx)).await {
            Ok(answer) => {
                let (parts, answer) = answer.into_parts();
                let Waiting { mut upload, clock, lease, .. } = waiting;
                upload.answered();
                let remaining = length_of(&parts, request.method());
                let stream = Self { upload, answer, remaining, ended: false, clock, lease };
                Ok((Response::from_parts(parts, ()), Box::new(stream)))
            }
            Err(Lost { error, unanswered, unprocessed }) => {
                if error == Error::FirstByteTimeout {
                    // The endpoint may be gone without a word. Who is on it already may be luckier.
                    waiting.lease.session().retire();
                }
                let restored = waiting.upload.restore(request.body_mut());
                Err(Failure { error, unanswered, unsent: unprocessed, restored })
            }
        }
    }

    /// Send what is left of the request. Once ready, it stays so.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.upload.poll(&mut self.clock, cx)
    }

    /// Whether all of the request is sent, or can't be.
    pub fn has_sent(&self) -> bool {
        self.upload.is_over()
    }

    /// What is there of the answer's body without waiting.
    pub fn next(&mut self) -> Option<Frame<Bytes>> {
        match self.poll_piece(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(Ok(frame)) => frame,
            // An error comes again when more is asked for.
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ended || self.answer.is_end_stream()
    }

    /// The bytes that are still to come, if that is known.
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }

    /// The next piece of the answer's body; none at its end.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        if self.upload.broken() == Some(SendError::Body) {
            return Poll::Ready(Err(Broken::Client));
        }
        match self.poll_piece(cx) {
            Poll::Ready(Ok(frame)) => {
                self.clock.answer_moved();
                Poll::Ready(Ok(frame))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Broken::Endpoint)),
            Poll::Pending => {
                self.clock.answer_waits();
                self.clock.poll(cx).map(|_| Err(Broken::Stalled))
            }
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, h2::Error>> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        loop {
            match self.answer.poll_data(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(Some(Ok(data))) => {
                    self.lease.session().hear();
                    // Whoever asks for the next piece has passed this one on: the endpoint may send as much again.
                    let _ = self.answer.flow_control().release_capacity(data.len());
                    if data.is_empty() {
                        continue;
                    }
                    if let Some(left) = &mut self.remaining {
                        *left = left.saturating_sub(data.len() as u64);
                    }
                    return Poll::Ready(Ok(Some(Frame::data(data))));
                }
                Poll::Ready(None) => {
                    return self.answer.poll_trailers(cx).map_ok(|trailers| {
                        self.ended = true;
                        trailers.map(Frame::trailers)
                    });
                }
            }
        }
    }

    /// The answer is over, the request isn't: what is left of it has a time limit.
    pub fn answer_over(&mut self) {
        self.clock.answer_over();
    }

    /// Ready when what goes on takes too long.
    pub fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.clock.poll(cx).map(|_| ())
    }
}

/// Why there is no answer.
struct Lost {
    error: Error,
    /// The connection ended, and nothing of an answer had come.
    unanswered: bool,
    /// It is certain that the endpoint hasn't begun with the request (RFC 9113, section 8.7).
    unprocessed: bool,
}

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, Lost>> {
        let lost = |error| Poll::Ready(Err(Lost { error, unanswered: false, unprocessed: false }));
        // An endpoint may answer before it has taken the whole request.
        if let Poll::Ready(Err(SendError::Body)) = self.upload.poll(&mut self.clock, cx) {
            return lost(Error::RequestBody);
        }
        match Pin::new(&mut self.response).poll(cx) {
            // Nothing was to be switched to (RFC 9113, section 8.6).
            Poll::Ready(Ok(answer)) if answer.status().is_informational() => lost(Error::Malformed),
            Poll::Ready(Ok(answer)) => {
                self.lease.session().hear();
                self.clock.answer_moved();
                Poll::Ready(Ok(answer))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Lost::of(&error))),
            Poll::Pending => match self.clock.poll(cx) {
                Poll::Ready(Cut::FirstByte) => lost(Error::FirstByteTimeout),
                Poll::Ready(Cut::ClientStalled) => lost(Error::RequestTimeout),
                Poll::Ready(Cut::Stalled) => lost(Error::UpstreamStalled),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl Lost {
    fn of(error: &h2::Error) -> Self {
        if let Some(error) = error.get_io() {
            let error = crate::upstream::tls::fault(error).map_or(Error::Reset, Error::Tls);
            return Self { unanswered: error == Error::Reset, error, unprocessed: false };
        }
        if !error.is_remote() {
            // It broke the rules of HTTP/2.
            return Self { error: Error::Malformed, unanswered: false, unprocessed: false };
        }
        // What went away tells only those streams whose requests it won't look at.
        let unprocessed = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
        Self { error: Error::Reset, unanswered: unprocessed, unprocessed }
    }
}

/// How long the answer's body says that it is.
fn length_of(parts: &http::response::Parts, method: &Method) -> Option<u64> {
    let bodiless = method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
    let length = || parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    if bodiless { None } else { length() }
}
