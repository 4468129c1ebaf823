//! A connection of HTTP/2 whose frames are counted. One that costs too much gets a GOAWAY between two frames; then
//! nothing more is heard of the client.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::allowance::{Allowance, Verdict};
use super::follow::Follow;
use crate::server::activity::Activity;
use crate::server::linger::Linger;

/// The connection preface (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// `HEADERS`.
const HEADERS: u8 = 1;
/// A GOAWAY but for the last stream's number and the code.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A watched connection.
pub(in crate::server) struct Watched<S> {
    inner: S,
    activity: Rc<Activity>,
    incoming: Follow,
    outgoing: Follow,
    allowance: Allowance,
    verdict: Option<Verdict>,
    /// The last stream that the client began.
    last: u32,
    farewell: Option<Box<Farewell>>,
}

/// How far the end has come.
struct Farewell {
    goaway: [u8; GOAWAY.len()],
    written: usize,
    shut: bool,
    linger: Box<Linger>,
}

impl<S> Watched<S> {
    pub fn new(inner: S, activity: Rc<Activity>) -> Self {
        Self {
            inner,
            activity,
            incoming: Follow::after(PREFACE),
            outgoing: Follow::default(),
            allowance: Allowance::new(Instant::now()),
            verdict: None,
            last: 0,
            farewell: None,
        }
    }

    /// Look at what came.
    fn receive(&mut self, bytes: &[u8]) {
        let Self { incoming, allowance, last, verdict, .. } = self;
        incoming.pass(bytes, |frame| {
            if frame.kind == HEADERS {
                *last = frame.stream.max(*last);
            }
            if verdict.is_none() {
                *verdict = allowance.received(frame, Instant::now).err();
            }
        });
    }

    /// Look at what was sent.
    fn send(&mut self, bytes: &[u8]) {
        let Self { outgoing, allowance, verdict, .. } = self;
        outgoing.pass(bytes, |frame| {
            if verdict.is_none() {
                *verdict = allowance.sent(frame, Instant::now).err();
            }
        });
    }

    fn say_farewell(&mut self, code: u8) {
        let mut goaway = GOAWAY;
        let [.., a, b, c, d, _, _, _, place] = &mut goaway;
        [*a, *b, *c, *d] = self.last.to_be_bytes();
        *place = code;
        self.farewell = Some(Box::new(Farewell { goaway, written: 0, shut: false, linger: Linger::new() }));
    }
}

impl Farewell {
    /// Ready when the client had its time to hear it.
    fn poll<S: AsyncRead + AsyncWrite + Unpin>(&mut self, inner: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.goaway.get(self.written..) {
            self.written += match ready!(Pin::new(&mut *inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => count,
            };
        }
        if !self.shut {
            ready!(Pin::new(&mut *inner).poll_shutdown(cx))?;
            self.shut = true;
        }
        self.linger.poll(inner, cx).map(Ok)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.farewell.is_none() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            this.receive(buf.filled().get(before..).unwrap_or_default());
            let Some(Verdict { reason, code }) = this.verdict else { return Poll::Ready(Ok(())) };
            this.activity.blame(reason);
            buf.set_filled(before);
            if !this.outgoing.is_between() {
                // It doesn't take what it was sent either.
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            this.say_farewell(code);
        }
        if let Some(farewell) = &mut this.farewell {
            let _ = ready!(farewell.poll(&mut this.inner, cx));
        }
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.farewell.is_some() {
            // Behind a GOAWAY that nobody knows of here.
            return Poll::Ready(Ok(buf.len()));
        }
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.send(buf.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.farewell.is_some() {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        let count = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        let mut left = count;
        for buf in bufs {
            let part = buf.get(..left.min(buf.len())).unwrap_or_default();
            left -= part.len();
            self.send(part);
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_some() { Poll::Ready(Ok(())) } else { Pin::new(&mut self.inner).poll_flush(cx) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_some() { Poll::Ready(Ok(())) } else { Pin::new(&mut self.inner).poll_shutdown(cx) }
    }
}
