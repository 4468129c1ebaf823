//! The accept loop of one socket, and its end. It knows nothing of what is spoken on a connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::listener::BACKLOG;

/// The first pause when the machine has no descriptor or memory left; doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Accept for ever and hand each connection on; drop the future to stop. `failed` is told why a connection couldn't be
/// accepted, as metrics name it.
pub async fn accept(
    listener: &TcpListener,
    mut serve: impl FnMut(TcpStream, SocketAddr),
    mut failed: impl FnMut(&'static str),
) {
    let mut pause = FIRST_PAUSE;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                pause = FIRST_PAUSE;
                serve(stream, peer);
            }
            // The peer's trouble; the next connection has nothing to do with it.
            Err(error) if is_of_one_connection(&error) => failed("aborted"),
            Err(error) => {
                failed(reason(&error));
                tracing::error!(%error, "can't accept connections; trying again in {pause:?}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// Accept what waits for it, since closing the socket would reset it: to their clients these connections are open.
pub fn accept_waiting(listener: &TcpListener, mut serve: impl FnMut(TcpStream, SocketAddr)) {
    // By the socket itself: the runtime may not know yet that somebody waits.
    let socket = SockRef::from(listener);
    // No more than can have waited, however fast others follow.
    for _ in 0..BACKLOG {
        match socket.accept() {
            Ok((stream, peer)) => {
                let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream.into()));
                if let (Ok(stream), Some(peer)) = (stream, peer.as_socket()) {
                    serve(stream, peer);
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            // Nobody waits any more, or nobody can be accepted.
            Err(_) => return,
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Why nobody can be accepted. Connections wait in the queue meanwhile.
fn reason(error: &io::Error) -> &'static str {
    match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::MFILE) => "process-descriptors",
        Some(rustix::io::Errno::NFILE) => "system-descriptors",
        Some(rustix::io::Errno::NOBUFS | rustix::io::Errno::NOMEM) => "memory",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::bind;

    #[tokio::test]
    async fn all_that_wait_are_accepted_and_nobody_is_waited_for() {
        let bound = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 1).unwrap();
        let clients: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(bound.address).unwrap()).collect();
        let listener = TcpListener::from_std(bound.sockets.into_iter().next().unwrap()).unwrap();
        let mut peers = Vec::new();
        accept_waiting(&listener, |_, peer| peers.push(peer));
        let expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        assert_eq!(peers, expected);
    }
}
