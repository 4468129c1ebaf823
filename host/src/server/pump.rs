//! Passes bytes both ways between two streams, as they come. Each direction ends by itself (half-close); a
//! side that doesn't take its bytes stops the other from being read. Knows nothing of what the bytes mean.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Read at once, and the most that waits in one direction.
const PIECE: usize = 64 << 10;

/// Pieces passed on before others get their turn.
const TURNS: usize = 16;

thread_local! {
    /// Where pieces are read into. One for all streams of a thread: what isn't taken at once is copied out, so
    /// that idle streams own no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into());
}

/// How the passing on ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides have said all.
    Closed,
    /// One of them broke.
    Broken,
    /// Nothing moved for too long.
    Idle,
}

/// Pass bytes on until both directions have ended, one side breaks, or nothing moves for `idle`. `first` was
/// read from `a` before.
pub async fn pump<A, B>(a: &mut A, b: &mut B, first: Bytes, idle: Duration) -> Ending
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut there = Direction { waiting: first, ..Direction::default() };
    let mut back = Direction::default();
    let timer = tokio::time::sleep(idle);
    tokio::pin!(timer);
    let mut moved_at = Instant::now();
    poll_fn(|cx| {
        let result = both(&mut there, &mut back, a, b, cx);
        if std::mem::take(&mut there.moved) | std::mem::take(&mut back.moved) {
            moved_at = Instant::now();
        }
        match result {
            Poll::Ready(Ok(())) => return Poll::Ready(Ending::Closed),
            Poll::Ready(Err(_)) => return Poll::Ready(Ending::Broken),
            Poll::Pending => {}
        }
        // The timer is moved when it rings and not with each byte.
        while timer.as_mut().poll(cx).is_ready() {
            if moved_at + idle <= Instant::now() {
                return Poll::Ready(Ending::Idle);
            }
            timer.as_mut().reset(moved_at + idle);
        }
        Poll::Pending
    })
    .await
}

fn both<A, B>(
    there: &mut Direction,
    back: &mut Direction,
    a: &mut A,
    b: &mut B,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let there = there.poll(a, b, cx)?;
    let back = back.poll(b, a, cx)?;
    if there.is_ready() && back.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
}

#[derive(Default)]
struct Direction {
    /// Read and not taken yet.
    waiting: Bytes,
    state: State,
    /// Something moved since this was last looked at.
    moved: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The reader has ended; the writer is to be told.
    Ending,
    Ended,
}

impl Direction {
    fn poll<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        for _ in 0..TURNS {
            while !self.waiting.is_empty() {
                let count = ready!(Pin::new(&mut *to).poll_write(cx, &self.waiting))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.waiting.advance(count);
                self.moved = true;
            }
            self.waiting = Bytes::new();
            match self.state {
                State::Ended => return Poll::Ready(Ok(())),
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Ended;
                }
                State::Open => {
                    let read = self.pass_piece(from, to, cx)?;
                    if read.is_pending() {
                        // What a stream that encrypts still holds mustn't wait for more.
                        let _ = Pin::new(to).poll_flush(cx)?;
                        return Poll::Pending;
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Read a piece, and write what the other side takes of it.
    fn pass_piece<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut piece = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(cx, &mut piece))?;
            let mut filled = piece.filled();
            if filled.is_empty() {
                self.state = State::Ending;
                return Poll::Ready(Ok(()));
            }
            self.moved = true;
            while !filled.is_empty() {
                match Pin::new(&mut *to).poll_write(cx, filled)? {
                    Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(count) => filled = filled.get(count..).unwrap_or_default(),
                    Poll::Pending => {
                        self.waiting = Bytes::copy_from_slice(filled);
                        break;
                    }
                }
            }
            Poll::Ready(Ok(()))
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn each_direction_ends_by_itself() {
        let (mut client, mut a) = duplex(10);
        let (mut server, mut b) = duplex(10);
        let passing = tokio::spawn(async move { pump(&mut a, &mut b, Bytes::from_static(b"first "), LONG).await });
        client.write_all(b"then").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "first then");
        // Longer than what the streams and one piece hold.
        let answer = vec![7; 3 * PIECE];
        let sent = answer.clone();
        let sending = tokio::spawn(async move {
            server.write_all(&sent).await.unwrap();
            server.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert!(received == answer);
        sending.await.unwrap();
        assert_eq!(passing.await.unwrap(), Ending::Closed);
    }

    #[tokio::test]
    async fn a_side_that_takes_nothing_stops_the_other() {
        let (mut client, mut a) = duplex(100);
        let (server, mut b) = duplex(100);
        let passing = tokio::spawn(async move { pump(&mut a, &mut b, Bytes::new(), LONG).await });
        let mut sent = 0;
        let mut refusals = 0;
        // On one thread, the other task has done all that it can before it is our turn again.
        while refusals < 10 {
            match poll_fn(|cx| Poll::Ready(Pin::new(&mut client).poll_write(cx, &[0; 100]))).await {
                Poll::Ready(count) => (sent, refusals) = (sent + count.unwrap(), 0),
                Poll::Pending => refusals += 1,
            }
            tokio::task::yield_now().await;
        }
        assert!(sent <= PIECE + 400, "{sent}");
        drop(server);
        assert_eq!(passing.await.unwrap(), Ending::Broken);
    }

    #[tokio::test]
    async fn silence_ends_it() {
        let (mut client, mut a) = duplex(100);
        let (mut server, mut b) = duplex(100);
        let passing = tokio::spawn(async move { pump(&mut a, &mut b, Bytes::new(), Duration::from_millis(20)).await });
        client.write_all(b"x").await.unwrap();
        server.read_u8().await.unwrap();
        assert_eq!(passing.await.unwrap(), Ending::Idle);
    }
}
