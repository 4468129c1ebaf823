//! Connections whose bytes are passed on as they are: from the socket to a [`StreamHandler`].

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::Connection;
use super::arrive::{Ends, Entrance, Refused};
use super::drain::{Connections, Membership};
use super::tls::{Encrypted, Facts};
use crate::io::Transport;

/// For the PROXY protocol header, and then for a TLS handshake.
const HEADER_LIMIT: Duration = Duration::from_secs(5);

/// What is done with byte streams.
pub trait StreamHandler: 'static {
    /// Serve one to its end. `first` was read from it before. An error is the reason for which it couldn't be
    /// served, as metrics name it.
    fn handle(
        self: Rc<Self>,
        stream: Transport,
        first: BytesMut,
        connection: Connection,
    ) -> impl Future<Output = Result<(), &'static str>> + 'static;
}

/// Serve an accepted connection in a task of its own, as one of `connections`. Call it within a `LocalSet`.
pub fn serve_stream<S: StreamHandler>(
    handler: &Rc<S>,
    stream: TcpStream,
    peer: SocketAddr,
    entrance: Rc<Entrance>,
    connections: &Rc<Connections>,
) {
    let Ok(local) = stream.local_addr() else { return };
    let handler = Rc::clone(handler);
    let client = (!entrance.expects_header(peer)).then(|| peer.ip());
    let Some(mut membership) = connections.join(client) else { return };
    tokio::task::spawn_local(async move {
        // Boxed, since its size isn't needed for longer than it takes.
        let arrived = Box::pin(arrive(stream, Ends { peer, local }, &entrance, &mut membership)).await;
        drop(entrance);
        let refused = match arrived {
            Ok(Arrived { stream, first, ends, tls }) => {
                let listener = Arc::clone(membership.connections().listener());
                let connection = Connection { listener, peer: ends.peer, local: ends.local, scheme: "tcp", tls };
                handler.handle(stream, first, connection).await.err()
            }
            Err(reason) => reason,
        };
        if let Some(reason) = refused {
            membership.connections().metrics().refused(reason);
        }
    });
}

/// A stream that can be served.
struct Arrived {
    stream: Transport,
    /// Read from it before.
    first: BytesMut,
    ends: Ends,
    tls: Option<Rc<Facts>>,
}

/// What comes before the bytes themselves. An error is the reason for which it ended there, as metrics name it.
async fn arrive(
    mut stream: TcpStream,
    ends: Ends,
    entrance: &Entrance,
    membership: &mut Membership,
) -> Result<Arrived, Option<&'static str>> {
    let (ends, first) = entrance.pass(&mut stream, ends, HEADER_LIMIT).await.map_err(Refused::reason)?;
    membership.belongs_to(ends.peer.ip()).map_err(Some)?;
    let Some(tls) = &entrance.tls else { return Ok(Arrived { stream: stream.into(), first, ends, tls: None }) };
    let shaken = tokio::time::timeout(HEADER_LIMIT, tls.accept(stream, first)).await;
    let Encrypted { transport, facts, .. } = shaken.unwrap_or(Err(Some("timeout")))?;
    Ok(Arrived { stream: transport, first: BytesMut::new(), ends, tls: Some(Rc::new(facts)) })
}
