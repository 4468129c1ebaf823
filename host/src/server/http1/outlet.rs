//! What waits to be written, and how it is written in as few calls as can be.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// A piece that is smaller is copied behind what comes before: that costs less than another piece in the call.
const SMALL: usize = 2 << 10;
/// A buffer that has grown larger isn't kept.
const MOST_KEPT: usize = 16 << 10;

thread_local! {
    /// The buffer of the connection that wrote last; nearly always nobody else wants one meanwhile.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes that are to be written one after the other: copied ones, a large piece as it came, and what ends that.
#[derive(Default)]
pub(super) struct Outlet {
    copied: Vec<u8>,
    /// So many of them are written.
    written: usize,
    piece: Bytes,
    end: &'static [u8],
}

impl Outlet {
    /// Where heads are written to. Nothing may wait behind it.
    pub fn copied(&mut self) -> &mut Vec<u8> {
        if self.copied.capacity() == 0 {
            self.copied = SPARE.take();
        }
        &mut self.copied
    }

    pub fn is_empty(&self) -> bool {
        self.written >= self.copied.len() && self.piece.is_empty() && self.end.is_empty()
    }

    /// Whether another piece can be taken.
    pub fn has_room(&self) -> bool {
        self.piece.is_empty() && self.end.is_empty() && self.copied.len() < MOST_KEPT
    }

    /// A piece of a body, and what ends it. Only if there is room.
    pub fn push(&mut self, piece: Bytes, end: &'static [u8]) {
        if piece.len() <= SMALL {
            let copied = self.copied();
            copied.extend_from_slice(&piece);
            copied.extend_from_slice(end);
        } else {
            self.piece = piece;
            self.end = end;
        }
    }

    /// Ready when all is written, as far as the connection takes it; it isn't flushed.
    pub fn poll_write(&mut self, io: &mut (impl AsyncWrite + Unpin), cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let copied = self.copied.get(self.written..).unwrap_or_default();
            let count = if self.piece.is_empty() && self.end.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, copied))?
            } else {
                let slices = [IoSlice::new(copied), IoSlice::new(&self.piece), IoSlice::new(self.end)];
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices))?
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
        }
        self.copied.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, count: usize) {
        let copied = count.min(self.copied.len().saturating_sub(self.written));
        self.written += copied;
        let piece = (count - copied).min(self.piece.len());
        self.piece.advance(piece);
        if self.piece.is_empty() {
            self.piece = Bytes::new();
        }
        self.end = self.end.get(count - copied - piece..).unwrap_or_default();
    }

    /// Nothing waits for now.
    pub fn rest(&mut self) {
        let mut buffer = std::mem::take(&mut self.copied);
        self.written = 0;
        if buffer.capacity() <= MOST_KEPT {
            buffer.clear();
            SPARE.set(buffer);
        }
    }
}
