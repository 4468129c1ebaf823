//! A connection, or a stream of HTTP/2, that has changed from HTTP to a WebSocket: bytes are passed on both ways until one side ends,
//! nothing moves for too long, or the gateway drains. Then the client is told so, in a frame of its own, and cut off
//! a moment later.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::drain::Connections;
use super::frames::{Frames, GOING_AWAY};
use super::pump::pump;
use crate::io::Switched;

/// For the frame that is on its way when the gateway drains, and then for the client's last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What is known of the bytes that go to the client.
#[derive(Default)]
struct Place {
    frames: Cell<Frames>,
    /// No frame is to be begun any more.
    ending: Cell<bool>,
}

/// Pass bytes on until the end.
pub(super) async fn run<S>(server: Box<Switched>, client: S, connections: &Connections)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Switched { io: mut server, first, idle, life: _life } = *server;
    let place = Place::default();
    let mut client = Followed { inner: client, place: &place };
    {
        let mut passing = pin!(pump(&mut server, &mut client, first, idle));
        tokio::select! {
            biased;
            _ = &mut passing => return,
            () = connections.drained() => {}
        }
        place.ending.set(true);
        if !place.frames.get().is_between() {
            let _ = tokio::time::timeout(LAST_WORDS, passing).await;
        }
    }
    if !place.frames.get().is_between() {
        return;
    }
    let farewell = async {
        client.inner.write_all(&GOING_AWAY).await?;
        client.inner.flush().await?;
        // What the client still says, and its own close frame, are the server's.
        tokio::io::copy(&mut client.inner, &mut server).await
    };
    let _ = tokio::time::timeout(LAST_WORDS, farewell).await;
}

/// A client's side whose frames are followed.
struct Followed<'a, S> {
    inner: S,
    place: &'a Place,
}

impl<S: AsyncRead + Unpin> AsyncRead for Followed<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Followed<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut frames = self.place.frames.get();
        let buf = if self.place.ending.get() { buf.get(..frames.until_end(buf)).unwrap_or_default() } else { buf };
        if buf.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = &polled {
            frames.follow(buf.get(..*count).unwrap_or_default());
            self.place.frames.set(frames);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use bytes::Bytes;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::io::Io;
    use crate::telemetry::metrics::Metrics;

    async fn pair() -> (Io, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (stream, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Io::new(stream.unwrap(), Rc::default()), other.unwrap().0)
    }

    /// A tunnel between a client and a server that the test plays.
    async fn tunnel() -> (Box<Switched>, TcpStream) {
        let (io, server) = pair().await;
        let first = Bytes::from_static(b"\x81\x02hi");
        (Box::new(Switched { io, first, idle: Duration::from_secs(600), life: Vec::new() }), server)
    }

    #[tokio::test]
    async fn at_drain_the_frame_on_its_way_ends_and_a_close_frame_follows() {
        let connections = Connections::new(Arc::from("a"), Metrics::new().listener("a"));
        let (tunnel, mut server) = tunnel().await;
        let (side, mut client) = pair().await;
        let playing = async {
            let mut heard = [0; 6];
            server.write_all(b"\x82\x05ab").await.unwrap();
            client.read_exact(&mut heard).await.unwrap();
            connections.drain();
            server.write_all(b"cde").await.unwrap();
            let mut rest = [0; 2 + 3 + 4];
            client.read_exact(&mut rest).await.unwrap();
            assert_eq!(rest, *b"abcde\x88\x02\x03\xe9");
            client.write_all(b"bye").await.unwrap();
            drop(client);
            let mut last = Vec::new();
            server.read_to_end(&mut last).await.unwrap();
            assert_eq!(last, b"bye");
        };
        tokio::join!(run(tunnel, side, &connections), playing);
    }

    #[tokio::test]
    async fn it_ends_with_the_server() {
        let connections = Connections::new(Arc::from("a"), Metrics::new().listener("a"));
        let (tunnel, server) = tunnel().await;
        let (side, mut client) = pair().await;
        let playing = async {
            drop(server);
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"\x81\x02hi");
            drop(client);
        };
        tokio::join!(run(tunnel, side, &connections), playing);
    }
}
