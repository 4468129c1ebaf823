//! A connection through which only good requests come. A bad one is replaced by a stand-in, so that its answer takes
//! the usual way and its turn after those before it; then nothing more is heard of the client.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use http::Method;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::verdict::{Refusal, Verdict};
use super::{Limits, Scan, Step};
use crate::error::Error;
use crate::server::linger::Linger;

/// A scanned connection.
pub(in crate::server) struct Guarded<S> {
    inner: S,
    scan: Scan,
    verdict: Rc<Verdict>,
    /// A head that isn't complete, after `released` bytes that may be passed on.
    stash: BytesMut,
    released: usize,
    state: State,
    linger: Option<Box<Linger>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A head was refused.
    Refused,
    /// A body was.
    Broken,
}

impl<S> Guarded<S> {
    pub fn new(inner: S, limits: Limits, verdict: Rc<Verdict>) -> Self {
        let (scan, stash) = (Scan::new(limits), BytesMut::new());
        Self { inner, scan, verdict, stash, released: 0, state: State::Open, linger: None }
    }

    /// The connection, if it speaks another protocol from here. None if the client began with it before it was answered.
    pub fn into_switched(self) -> Option<S> {
        (self.verdict.has_switched() && self.state == State::Open && self.stash.is_empty()).then_some(self.inner)
    }

    /// Pass on what was released.
    fn release(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.released.min(buf.remaining());
        buf.put_slice(self.stash.get(..count).unwrap_or_default());
        self.stash.advance(count);
        self.released -= count;
        if self.stash.is_empty() {
            self.stash = BytesMut::new();
        }
    }

    /// Judge what was just read into `buf` after `before`; what can't be passed on yet is taken out.
    fn judge(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let new = buf.filled().get(before..).unwrap_or_default();
        if !self.stash.is_empty() {
            self.stash.extend_from_slice(new);
            buf.set_filled(before);
            return self.judge_stash();
        }
        let (good, error) = pass(&mut self.scan, &self.verdict, new);
        let rest = new.get(good..).unwrap_or_default();
        match error {
            None => self.stash.extend_from_slice(rest),
            Some(error) => self.refuse(error, rest),
        }
        buf.set_filled(before + good);
    }

    fn judge_stash(&mut self) {
        let (good, error) = pass(&mut self.scan, &self.verdict, &self.stash);
        self.released = good;
        if let Some(error) = error {
            let rest = self.stash.split_off(good.min(self.stash.len()));
            self.refuse(error, &rest);
        }
    }

    fn refuse(&mut self, error: Error, rest: &[u8]) {
        if error == Error::RequestBody {
            self.state = State::Broken;
            return;
        }
        let refusal = Refusal::new(error, rest);
        let stand_in: &[u8] = match refusal.method {
            Method::HEAD => b"HEAD / HTTP/1.1\r\nhost: refused\r\n\r\n",
            _ => b"GET / HTTP/1.1\r\nhost: refused\r\n\r\n",
        };
        self.stash.extend_from_slice(stand_in);
        self.released = self.stash.len();
        self.verdict.refuse(refusal);
        self.state = State::Refused;
    }

    /// Whether the client may be sending something that nobody will read.
    fn is_amid(&self) -> bool {
        self.state != State::Open || !self.stash.is_empty() || !self.scan.is_between()
    }
}

/// How many of these bytes may be passed on, and what is wrong with those that follow.
fn pass(scan: &mut Scan, verdict: &Verdict, bytes: &[u8]) -> (usize, Option<Error>) {
    let mut good = 0;
    while let Some(rest @ [_, ..]) = bytes.get(good..) {
        match scan.step(rest) {
            Ok(Step::Head(count)) => {
                verdict.pass();
                good += count;
            }
            Ok(Step::Body(count)) => good += count,
            Ok(Step::More) => break,
            Err(error) => return (good, Some(error)),
        }
    }
    (good, None)
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        loop {
            if this.released > 0 {
                this.release(buf);
                return Poll::Ready(Ok(()));
            }
            match this.state {
                State::Open => {}
                // Not the end, which would be taken for the client's going away, with no need of an answer.
                State::Refused => return Poll::Pending,
                State::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            if this.verdict.has_switched() && this.stash.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.judge(buf, before);
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            if !this.is_amid() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(Linger::new);
        linger.poll(&mut this.inner, cx).map(Ok)
    }
}
