//! The reading side of a connection, which its task shares with the body of the request that is being answered: whoever
//! wants bytes reads them, so that a body nobody takes isn't read.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::parse::trailers;
use crate::body::BodyError;
use crate::error::Error;
use crate::io::Io;
use crate::server::scan::{Found, Limits, Piece, Scan};

/// How much is read at a time.
const READ: usize = 16 << 10;

thread_local! {
    /// Heads are read into this first, so that a connection that waits for one needs no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// What is read, and how far.
pub(super) struct Inlet {
    pub io: Io,
    /// Read, and not taken yet.
    buffer: BytesMut,
    scan: Scan,
    /// Which request of the connection is being read.
    number: u64,
    pub body: Progress,
    /// The client waits for a `100` before it sends the body.
    expects_continue: bool,
    /// The body was asked for meanwhile.
    is_asked: bool,
    /// The connection's task, which wants to know how the body goes on.
    waker: Option<Waker>,
}

/// How far a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Going,
    /// All of it was read, or there is none.
    Ended,
    /// It is malformed, or the client broke off.
    Broken,
}

impl Inlet {
    pub fn new(io: Io, limits: Limits) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
            scan: Scan::new(limits),
            number: 0,
            body: Progress::Ended,
            expects_continue: false,
            is_asked: false,
            waker: None,
        }
    }

    /// Bytes that were read and belong to nobody yet.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// The next head, if all of it is there, and how many fields it has.
    ///
    /// # Errors
    /// It isn't accepted.
    pub fn head(&mut self) -> Result<Option<(Bytes, usize)>, Error> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let Some(Found { length, fields, has_body }) = self.scan.head(&self.buffer)? else { return Ok(None) };
        let head = self.buffer.split_to(length.min(self.buffer.len())).freeze();
        self.rest();
        self.number += 1;
        self.body = if has_body { Progress::Going } else { Progress::Ended };
        (self.expects_continue, self.is_asked) = (false, false);
        Ok(Some((head, fields)))
    }

    /// Give up a buffer that is empty, and with it the memory of what was taken from it.
    pub fn rest(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Read what comes of a head: how many bytes; 0 at the end.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            self.buffer.extend_from_slice(buf.filled());
            Poll::Ready(Ok(buf.filled().len()))
        })
    }

    /// Tell the connection's task when the body has gone on.
    pub fn watch(&mut self, waker: &Waker) {
        if self.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    /// Whether the client has to be told to go on. Once for each request that wants it.
    pub fn takes_continue(&mut self) -> bool {
        let takes = self.expects_continue && self.is_asked;
        self.expects_continue &= !takes;
        takes
    }

    /// Forget what is here of a body that nobody wants.
    pub fn skip(&mut self) {
        while self.body == Progress::Going {
            match self.scan.piece(&mut self.buffer) {
                Ok(None) => return,
                Ok(Some(Piece::End)) => self.body = Progress::Ended,
                Ok(Some(_)) => {}
                Err(_) => self.body = Progress::Broken,
            }
        }
    }

    /// The connection and what was read of it that isn't HTTP any more.
    pub fn into_io(self) -> Io {
        let mut io = self.io;
        if !self.buffer.is_empty() {
            io.unread(self.buffer.freeze());
        }
        io
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        loop {
            match self.body {
                Progress::Going => {}
                // Who asks after its end hasn't had all of it: it was skipped.
                Progress::Ended | Progress::Broken => return Poll::Ready(Err(BodyError::Client)),
            }
            match self.scan.piece(&mut self.buffer) {
                Ok(Some(Piece::End)) => return Poll::Ready(self.over(Progress::Ended).map(|()| Piece::End)),
                Ok(Some(piece)) => return Poll::Ready(Ok(piece)),
                Ok(None) => {}
                Err(_) => return Poll::Ready(self.over(Progress::Broken).map(|()| Piece::End)),
            }
            if self.expects_continue && !self.is_asked {
                self.is_asked = true;
                self.tell();
            }
            self.buffer.reserve(READ);
            let read = ready!(pin!(self.io.read_buf(&mut self.buffer)).poll(cx));
            if !matches!(read, Ok(1..)) {
                return Poll::Ready(self.over(Progress::Broken).map(|()| Piece::End));
            }
        }
    }

    fn over(&mut self, progress: Progress) -> Result<(), BodyError> {
        self.body = progress;
        self.tell();
        if progress == Progress::Broken { Err(BodyError::Client) } else { Ok(()) }
    }

    fn tell(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The body of a client's request: whatever goes wrong in it is the client's fault.
pub(super) struct ClientBody {
    inlet: Rc<RefCell<Inlet>>,
    number: u64,
    /// So many bytes are still to come, if that is known.
    left: Option<u64>,
    ended: bool,
}

impl ClientBody {
    /// Of the request whose head was taken last.
    pub fn new(inlet: &Rc<RefCell<Inlet>>, expects_continue: bool) -> Self {
        let mut shared = inlet.borrow_mut();
        // Who has begun to send doesn't wait.
        shared.expects_continue = expects_continue && shared.buffer.is_empty();
        let (number, left) = (shared.number, shared.scan.left());
        drop(shared);
        Self { inlet: Rc::clone(inlet), number, left, ended: false }
    }
}

impl HttpBody for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let inlet = Rc::clone(&self.inlet);
        let mut inlet = inlet.borrow_mut();
        // The connection has gone on without it.
        if inlet.number != self.number {
            return Poll::Ready(Some(Err(BodyError::Client)));
        }
        Poll::Ready(match ready!(inlet.poll_piece(cx)) {
            Ok(Piece::Data(bytes)) => {
                self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
                // So that whoever sends it on needn't ask once more to know that it has ended.
                if self.left == Some(0) {
                    self.ended = true;
                    inlet.body = Progress::Ended;
                    inlet.tell();
                }
                Some(Ok(Frame::data(bytes)))
            }
            Ok(Piece::Trailers(lines)) => match trailers(&lines) {
                Ok(fields) => Some(Ok(Frame::trailers(fields))),
                Err(_) => Some(inlet.over(Progress::Broken).map(|()| Frame::data(Bytes::new()))),
            },
            Ok(Piece::End) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}
