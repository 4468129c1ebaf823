//! Connections whose bytes are passed on as they are: from the socket to a [`StreamHandler`].

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::Connection;
use super::arrive::{Ends, Entrance};
use super::drain::Connections;

/// For the PROXY protocol header.
const HEADER_LIMIT: Duration = Duration::from_secs(5);

/// What is done with byte streams.
pub trait StreamHandler: 'static {
    /// Serve one to its end. `first` was read from it before. An error is the reason for which it couldn't be
    /// served, as metrics name it.
    fn handle(
        self: Rc<Self>,
        stream: TcpStream,
        first: BytesMut,
        connection: Connection,
    ) -> impl Future<Output = Result<(), &'static str>> + 'static;
}

/// Serve an accepted connection in a task of its own, as one of `connections`. Call it within a `LocalSet`.
pub fn serve_stream<S: StreamHandler>(
    handler: &Rc<S>,
    mut stream: TcpStream,
    peer: SocketAddr,
    entrance: Rc<Entrance>,
    connections: &Rc<Connections>,
) {
    let Ok(local) = stream.local_addr() else { return };
    let handler = Rc::clone(handler);
    let client = (!entrance.expects_header(peer)).then(|| peer.ip());
    let Some(mut membership) = connections.join(client) else { return };
    tokio::task::spawn_local(async move {
        let arrived = entrance.pass(&mut stream, Ends { peer, local }, HEADER_LIMIT).await;
        drop(entrance);
        let refused = match arrived {
            Ok((ends, first)) => match membership.belongs_to(ends.peer.ip()) {
                Ok(()) => {
                    let listener = Arc::clone(membership.connections().listener());
                    let connection =
                        Connection { listener, peer: ends.peer, local: ends.local, scheme: "tcp", tls: None };
                    handler.handle(stream, first, connection).await.err()
                }
                Err(reason) => Some(reason),
            },
            Err(refused) => refused.reason(),
        };
        if let Some(reason) = refused {
            membership.connections().metrics().refused(reason);
        }
    });
}
