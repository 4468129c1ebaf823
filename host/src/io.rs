//! A connection with counters that say whether anything moves. It knows nothing of HTTP and keeps
//! no time; those who watch the counters do.

mod switched;
mod transport;

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use switched::Switched;
pub use transport::{Prefixed, Socket, Transport};

/// What went over a connection so far.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes read.
    pub read: Cell<u64>,
    /// Bytes written.
    pub written: Cell<u64>,
    /// The last write found no room: the peer doesn't take what we send.
    pub blocked: Cell<bool>,
}

/// A connection that counts.
pub struct Io {
    stream: Transport,
    /// Bytes already taken from the socket, to be read first.
    prefix: Bytes,
    traffic: Rc<Traffic>,
}

impl Io {
    pub fn new(stream: impl Into<Transport>, traffic: Rc<Traffic>) -> Self {
        Self { stream: stream.into(), prefix: Bytes::new(), traffic }
    }

    /// As hyper wants it; `prefix` was read from the stream before and is read again.
    pub fn with_prefix(stream: impl Into<Transport>, prefix: Bytes, traffic: Rc<Traffic>) -> TokioIo<Self> {
        TokioIo::new(Self { stream: stream.into(), prefix, traffic })
    }

    /// Read these bytes, which were taken from it, once more.
    pub fn unread(&mut self, bytes: Bytes) {
        self.prefix = if self.prefix.is_empty() { bytes } else { [&*bytes, &*self.prefix].concat().into() };
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.traffic.blocked.set(result.is_pending());
        if let Poll::Ready(Ok(count)) = &result {
            self.traffic.written.set(self.traffic.written.get() + *count as u64);
        }
        result
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = if self.prefix.is_empty() {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        } else {
            let count = self.prefix.len().min(buf.remaining());
            buf.put_slice(self.prefix.get(..count).unwrap_or_default());
            self.prefix.advance(count);
            if self.prefix.is_empty() {
                // Its buffer isn't needed any more.
                self.prefix = Bytes::new();
            }
            Poll::Ready(Ok(()))
        };
        let count = buf.filled().len() - before;
        self.traffic.read.set(self.traffic.read.get() + count as u64);
        result
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
