//! A request on its way to an endpoint: what is encoded and not yet written, and the body behind it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Request;
use http_body::Body as _;
use tokio::io::AsyncWrite;

use super::clock::Clock;
use super::http1::{Framing, encode_head, encode_trailers};
use crate::body::{Body, Stream};
use crate::fields::digits::chunk_size;
use crate::io::Io;

/// Capacity that an idle connection keeps.
const KEPT: usize = 2 << 10;

/// What is still to be sent. One for a connection, used again for each request.
#[derive(Default)]
pub(super) struct Sending {
    /// Heads and frames of chunks; written from `start` on.
    frame: Vec<u8>,
    start: usize,
    /// A piece of the body, written behind the frame.
    data: Bytes,
    /// Written behind the piece.
    tail: &'static [u8],
    body: Option<(Stream, Framing)>,
    /// Whether the body's stream was asked for anything.
    body_touched: bool,
    /// Whether any byte went out.
    began: bool,
    /// Whether it wasn't all sent as soon as it began.
    waited: bool,
    /// Whether TLS may hold back what was written.
    unflushed: bool,
    broken: Option<SendError>,
}

/// Why a request couldn't be sent to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendError {
    /// The client broke off, or its body isn't what it said.
    Body,
    /// The endpoint doesn't take any more.
    Connection,
}

impl Sending {
    /// Begin with a request. A body that is a stream is taken out of it.
    pub fn begin(&mut self, request: &mut Request<Body>) {
        self.frame.clear();
        self.start = 0;
        self.tail = b"";
        self.body_touched = false;
        self.began = false;
        self.waited = false;
        self.unflushed = false;
        self.broken = None;
        let framing = encode_head(request, &mut self.frame);
        self.data = if let Body::Full(bytes) = request.body() { bytes.clone() } else { Bytes::new() };
        self.body = match std::mem::take(request.body_mut()) {
            Body::Stream(stream) => Some((stream, framing)),
            whole => {
                *request.body_mut() = whole;
                None
            }
        };
    }

    /// Give a body back that was never asked for anything. False if it is lost.
    pub fn restore(&mut self, request: &mut Request<Body>) -> bool {
        if self.body_touched {
            return false;
        }
        if let Some((stream, _)) = self.body.take() {
            *request.body_mut() = Body::Stream(stream);
        }
        true
    }

    /// Whether any byte of the request went out.
    pub fn has_begun(&self) -> bool {
        self.began
    }

    /// All is sent, or nothing more can be.
    pub fn is_over(&self) -> bool {
        self.broken.is_some() || self.is_all_sent()
    }

    /// All is sent.
    pub fn is_complete(&self) -> bool {
        self.broken.is_none() && self.is_all_sent()
    }

    pub fn broken(&self) -> Option<SendError> {
        self.broken
    }

    /// The request is over; keep little.
    pub fn finish(&mut self) {
        self.frame.shrink_to(KEPT);
    }

    /// Send as much as there is and as the endpoint takes. Once ready, it stays so.
    pub fn poll(&mut self, io: &mut Io, clock: &mut Clock, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if let Some(error) = self.broken {
            return Poll::Ready(Err(error));
        }
        if self.is_all_sent() {
            return Poll::Ready(Ok(()));
        }
        let polled = self.poll_all(io, clock, cx);
        match polled {
            Poll::Ready(Ok(())) => clock.uploaded(!self.waited),
            Poll::Ready(Err(error)) => {
                self.broken = Some(error);
                self.body = None;
            }
            Poll::Pending => self.waited = true,
        }
        polled
    }

    fn is_all_sent(&self) -> bool {
        self.is_written() && !self.unflushed && self.body.is_none()
    }

    fn is_written(&self) -> bool {
        self.start == self.frame.len() && self.data.is_empty() && self.tail.is_empty()
    }

    fn poll_all(&mut self, io: &mut Io, clock: &mut Clock, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        loop {
            // First, so that the head and what there is of the body go out together.
            let waits = self.data.is_empty() && self.tail.is_empty() && self.poll_fill(clock, cx)?.is_pending();
            while !self.is_written() {
                match ready!(self.poll_write(io, cx)) {
                    Ok(count) if count > 0 => {
                        self.written(count);
                        // A large piece that goes out slowly moves all the same.
                        if !self.is_written() {
                            clock.upload_moved();
                        }
                    }
                    _ => return Poll::Ready(Err(SendError::Connection)),
                }
            }
            // Nothing at all to do for a socket.
            if self.unflushed {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(|_| SendError::Connection)?;
                self.unflushed = false;
            }
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
            if waits {
                return Poll::Pending;
            }
        }
    }

    /// Take up the next piece of the body, if there is a body.
    fn poll_fill(&mut self, clock: &mut Clock, cx: &mut Context<'_>) -> Result<Poll<()>, SendError> {
        let Some((stream, framing)) = &mut self.body else { return Ok(Poll::Ready(())) };
        if matches!(framing, Framing::Length(0) | Framing::None) {
            self.body = None;
            return Ok(Poll::Ready(()));
        }
        self.body_touched = true;
        match stream.as_mut().poll_frame(cx) {
            Poll::Pending => {
                clock.upload_waits_for_client();
                return Ok(Poll::Pending);
            }
            Poll::Ready(Some(Ok(frame))) => {
                let last = stream.is_end_stream();
                clock.upload_moved();
                self.frame(frame)?;
                if last {
                    self.end()?;
                }
            }
            Poll::Ready(None) => self.end()?,
            Poll::Ready(Some(Err(_))) => return Err(SendError::Body),
        }
        Ok(Poll::Ready(()))
    }

    /// Take up a piece of the body.
    fn frame(&mut self, frame: http_body::Frame<Bytes>) -> Result<(), SendError> {
        let Some((_, framing)) = &mut self.body else { return Ok(()) };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                // Only chunked bodies have room for trailers.
                if let (Framing::Chunked, Ok(trailers)) = (*framing, frame.into_trailers()) {
                    encode_trailers(&trailers, &mut self.frame);
                    self.body = None;
                }
                return Ok(());
            }
        };
        match framing {
            Framing::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(SendError::Body)?;
                self.data = data;
            }
            // An empty chunk would end the body.
            _ if data.is_empty() => {}
            _ => {
                chunk_size(data.len(), &mut self.frame);
                self.frame.extend_from_slice(b"\r\n");
                self.data = data;
                self.tail = b"\r\n";
            }
        }
        Ok(())
    }

    /// The body has no more.
    fn end(&mut self) -> Result<(), SendError> {
        match self.body.take() {
            Some((_, Framing::Length(left))) if left > 0 => Err(SendError::Body),
            Some((_, Framing::Chunked)) => {
                self.tail = if self.tail.is_empty() { b"0\r\n\r\n" } else { b"\r\n0\r\n\r\n" };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn poll_write(&self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let frame = self.frame.get(self.start..).unwrap_or_default();
        let parts = [frame, &*self.data, self.tail];
        let mut full = parts.into_iter().filter(|part| !part.is_empty());
        match (full.next(), full.next()) {
            (Some(only), None) => Pin::new(io).poll_write(cx, only),
            _ => Pin::new(io).poll_write_vectored(cx, &parts.map(IoSlice::new)),
        }
    }

    fn written(&mut self, count: usize) {
        self.began = true;
        self.unflushed = true;
        let of_frame = count.min(self.frame.len() - self.start);
        self.start += of_frame;
        if self.start == self.frame.len() {
            self.frame.clear();
            self.start = 0;
        }
        let of_data = (count - of_frame).min(self.data.len());
        self.data.advance(of_data);
        self.tail = self.tail.get(count - of_frame - of_data..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::config::model::Timeouts;

    #[tokio::test]
    async fn a_piece_that_goes_out_slowly_is_no_stall() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let _reads_nothing = listener.accept().await.unwrap();
        let mut io = Io::new(stream, Rc::default());
        // More than any socket takes at once.
        let body = Body::Full(vec![0; 256 << 20].into());
        let mut request = Request::post("/").body(body).unwrap();
        let (mut sending, long_ago) = (Sending::default(), Instant::now() - Duration::from_secs(3600));
        let mut clock = Clock::new(long_ago);
        clock.begin(&Timeouts::default(), long_ago);
        sending.begin(&mut request);
        poll_fn(|cx| {
            assert!(sending.poll(&mut io, &mut clock, cx).is_pending(), "the socket took everything");
            assert!(sending.has_begun());
            assert!(clock.poll(cx).is_pending(), "what moved a moment ago was cut");
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn an_endpoint_has_its_time_after_a_body_that_went_out_slowly() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut reader, _) = listener.accept().await.unwrap();
        let reading = tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
        let mut io = Io::new(stream, Rc::default());
        let mut request = Request::post("/").body(Body::Full(vec![0; 64 << 20].into())).unwrap();
        let (mut sending, long_ago) = (Sending::default(), Instant::now() - Duration::from_secs(3600));
        let mut clock = Clock::new(long_ago);
        clock.begin(&Timeouts::default(), long_ago);
        sending.begin(&mut request);
        poll_fn(|cx| sending.poll(&mut io, &mut clock, cx)).await.unwrap();
        let cut = poll_fn(|cx| Poll::Ready(clock.poll(cx).is_ready())).await;
        assert!(!cut, "it counts from before the body was sent");
        drop(io);
        assert!(reading.await.unwrap().unwrap() > 64 << 20);
    }
}
