//! An answer on its way from an endpoint: bytes that have come, and how far its body is.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, StatusCode};
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::http1::chunked::{Decoder, Piece};
use super::http1::{BodyKind, Head, MAX_HEAD, Malformed, parse};
use super::tls::fault;
use crate::error::TlsFault;
use crate::io::Io;

/// What the first read of an answer takes at most; more comes in larger pieces.
const FIRST_READ: usize = 16 << 10;

/// What one read of a body takes at most.
const READ: usize = 64 << 10;

/// Where the first bytes of answers are read into: one buffer for a thread, so that idle connections need none.
pub(super) struct Scratch(RefCell<Box<[u8]>>);

impl Scratch {
    pub fn new() -> Rc<Self> {
        Rc::new(Self(RefCell::new(vec![0; FIRST_READ].into())))
    }
}

/// An answer as far as it has come.
pub(super) struct Receiving {
    scratch: Rc<Scratch>,
    /// Whose answer this is.
    method: Method,
    /// Read and not used yet.
    rest: Bytes,
    /// Where bodies are read into.
    buffer: BytesMut,
    body: Progress,
    /// Whether anything of the answer has come.
    began: bool,
    keeps_alive: bool,
    /// How much of `rest` was looked at for a head, and isn't all of one.
    looked_at: usize,
    /// Another protocol was asked for.
    may_switch: bool,
}

enum Progress {
    Length(u64),
    Chunked(Decoder),
    ToEnd,
}

/// Why there is no more of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReceiveError {
    Malformed,
    /// The connection ended or broke.
    Closed,
    /// The endpoint didn't like the handshake after all.
    Tls(TlsFault),
}

impl From<Malformed> for ReceiveError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Receiving {
    pub fn new(scratch: Rc<Scratch>) -> Self {
        Self {
            scratch,
            method: Method::GET,
            rest: Bytes::new(),
            buffer: BytesMut::new(),
            body: Progress::Length(0),
            began: false,
            keeps_alive: true,
            looked_at: 0,
            may_switch: false,
        }
    }

    /// A request is sent, which asks for another protocol or doesn't.
    pub fn begin(&mut self, method: &Method, may_switch: bool) {
        self.method.clone_from(method);
        self.may_switch = may_switch;
        self.began = false;
        self.keeps_alive = false;
        self.looked_at = 0;
    }

    /// Whether anything of the answer has come.
    pub fn has_begun(&self) -> bool {
        self.began
    }

    /// Whether the answer is over and the connection can be used for another. Bytes behind an answer belong to
    /// nobody, and nothing after them can be trusted.
    pub fn is_reusable(&self) -> bool {
        self.keeps_alive && self.has_ended() && self.rest.is_empty()
    }

    /// Whether the connection is alive and silent, as it should be between requests. Who asks is woken when that
    /// changes.
    pub fn is_silent(io: &mut Io, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        let read = poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut ReadBuf::new(&mut byte)));
        // A task that has done its share for this turn would find every connection silent.
        pin!(tokio::task::unconstrained(read)).poll(cx).is_pending()
    }

    /// The head, informational ones passed over. Nobody switches protocols unasked.
    pub fn poll_head(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<Result<Head, ReceiveError>> {
        loop {
            if self.may_be_head()
                && let Some((head, length)) = parse(&self.rest, &self.method)?
            {
                self.rest.advance(length);
                self.looked_at = 0;
                let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
                if switches && !self.may_switch {
                    return Poll::Ready(Err(ReceiveError::Malformed));
                }
                if head.status.is_informational() && !switches {
                    continue;
                }
                self.keeps_alive = head.keeps_alive;
                self.body = match head.body {
                    BodyKind::Length(length) => Progress::Length(length),
                    BodyKind::Chunked => Progress::Chunked(Decoder::default()),
                    BodyKind::ToEnd => Progress::ToEnd,
                };
                return Poll::Ready(Ok(head));
            }
            if self.rest.len() >= MAX_HEAD {
                return Poll::Ready(Err(ReceiveError::Malformed));
            }
            ready!(self.poll_first(io, cx))?;
        }
    }

    /// Whether it is worthwhile to look for a head: one that comes in drops isn't parsed for each of them.
    fn may_be_head(&mut self) -> bool {
        let start = std::mem::replace(&mut self.looked_at, self.rest.len()).saturating_sub(2);
        let new = self.rest.get(start..).unwrap_or_default();
        !new.is_empty()
            && (start == 0
                || self.rest.len() >= MAX_HEAD
                || new.windows(2).any(|pair| pair == b"\n\r" || pair == b"\n\n"))
    }

    /// Read through the thread's buffer, since most answers are small.
    fn poll_first(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<Result<(), ReceiveError>> {
        let mut scratch = self.scratch.0.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        let read = ready!(Pin::new(io).poll_read(cx, &mut buffer));
        let bytes = buffer.filled();
        if let Err(error) = read {
            return Poll::Ready(Err(fault(&error).map_or(ReceiveError::Closed, ReceiveError::Tls)));
        }
        if bytes.is_empty() {
            return Poll::Ready(Err(ReceiveError::Closed));
        }
        self.began = true;
        self.rest = if self.rest.is_empty() {
            Bytes::copy_from_slice(bytes)
        } else {
            Bytes::from([&*self.rest, bytes].concat())
        };
        Poll::Ready(Ok(()))
    }

    /// What is there of the body without reading any more.
    pub fn next(&mut self) -> Result<Option<Frame<Bytes>>, ReceiveError> {
        match &mut self.body {
            Progress::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(self.rest.len());
                *left -= here as u64;
                Ok((here > 0).then(|| Frame::data(self.rest.split_to(here))))
            }
            Progress::Chunked(decoder) => Ok(match decoder.decode(&mut self.rest)? {
                Some(Piece::Data(data)) => Some(Frame::data(data)),
                Some(Piece::Trailers(trailers)) => Some(Frame::trailers(trailers)),
                Some(Piece::End) | None => None,
            }),
            Progress::ToEnd => Ok((!self.rest.is_empty()).then(|| Frame::data(std::mem::take(&mut self.rest)))),
        }
    }

    /// Whether the body is over.
    pub fn has_ended(&self) -> bool {
        match &self.body {
            Progress::Length(left) => *left == 0,
            Progress::Chunked(decoder) => decoder.has_ended(),
            Progress::ToEnd => false,
        }
    }

    /// The bytes that are still to come, if that is known.
    pub fn remaining(&self) -> Option<u64> {
        if let Progress::Length(left) = self.body { Some(left) } else { None }
    }

    /// The next piece of the body; none at its end.
    pub fn poll_frame(
        &mut self,
        io: &mut Io,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, ReceiveError>> {
        loop {
            if let Some(frame) = self.next()? {
                return Poll::Ready(Ok(Some(frame)));
            }
            if self.has_ended() {
                return Poll::Ready(Ok(None));
            }
            if !ready!(self.poll_more(io, cx))? {
                if matches!(self.body, Progress::ToEnd) {
                    self.body = Progress::Length(0);
                    return Poll::Ready(Ok(None));
                }
                return Poll::Ready(Err(ReceiveError::Closed));
            }
        }
    }

    /// Read into a buffer that becomes the body's piece. False at the end of the stream.
    fn poll_more(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<Result<bool, ReceiveError>> {
        let wanted = self.remaining().map_or(FIRST_READ, |left| usize::try_from(left).unwrap_or(READ).min(READ));
        if self.buffer.capacity() < wanted.min(FIRST_READ / 4) {
            self.buffer.reserve(wanted);
        }
        let read = ready!(pin!(io.read_buf(&mut self.buffer)).poll(cx));
        match read {
            Ok(0) => Poll::Ready(Ok(false)),
            Ok(_) => {
                // Only what is used up is followed by more.
                self.rest = self.buffer.split().freeze();
                Poll::Ready(Ok(true))
            }
            Err(_) => Poll::Ready(Err(ReceiveError::Closed)),
        }
    }

    /// What has come behind the head.
    pub fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    /// The answer is over; keep no buffer.
    pub fn finish(&mut self) {
        self.buffer = BytesMut::new();
        self.rest = Bytes::new();
    }
}
