//! The end of a connection whose client may still be sending: closing with bytes unread would reset it, and what was
//! said last would be lost with it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// How long, and for how many bytes, a client may go on sending what nobody reads.
const TIME: Duration = Duration::from_secs(2);
const BYTES: usize = 1 << 20;

/// What is left of that.
pub(super) struct Linger {
    timer: Pin<Box<Sleep>>,
    left: usize,
}

impl Linger {
    pub fn new() -> Box<Self> {
        Box::new(Self { timer: Box::pin(tokio::time::sleep(TIME)), left: BYTES })
    }

    /// Read and forget, until the client ends or has had its time.
    pub fn poll(&mut self, from: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *from).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() && self.left > buf.filled().len() => {
                    self.left -= buf.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.timer.as_mut().poll(cx),
            }
        }
    }
}
