//! How connections to endpoints are opened, whatever is sent over them then: a socket, what has to be said before
//! all else, and TLS on it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UnixStream};

use super::tls::Handshake;
use crate::config::model::Address;
use crate::error::{Error, TlsFault};
use crate::io::{Socket, Transport};

/// Open a connection within `limit`, the handshake of TLS included. `preface` goes before it.
///
/// # Errors
/// [`Error::ConnectFailed`], [`Error::ConnectTimeout`] or [`Error::Tls`].
pub(super) async fn connect(
    address: &Address,
    preface: &[u8],
    tls: Option<Handshake<'_>>,
    limit: Duration,
) -> Result<Transport, Error> {
    let opened = match (address, tls) {
        // Without TLS there is nothing that has to wait but this.
        (Address::Ip(address), None) if preface.is_empty() => {
            tokio::time::timeout(limit, async { Ok(tcp(*address).await?.into()) }).await
        }
        // Apart, so that others don't pay for its size.
        _ => tokio::time::timeout(limit, Box::pin(dressed(address, preface, tls))).await,
    };
    match opened {
        Ok(Ok(transport)) => Ok(transport),
        Ok(Err(Failed::Socket)) => Err(Error::ConnectFailed),
        Ok(Err(Failed::Tls(fault))) => Err(Error::Tls(fault)),
        Err(_) => Err(Error::ConnectTimeout),
    }
}

/// Why there is no connection.
enum Failed {
    Socket,
    Tls(TlsFault),
}

impl From<io::Error> for Failed {
    fn from(_: io::Error) -> Self {
        Self::Socket
    }
}

async fn dressed(address: &Address, preface: &[u8], tls: Option<Handshake<'_>>) -> Result<Transport, Failed> {
    let mut socket = match address {
        Address::Ip(address) => tcp(*address).await?,
        Address::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
    };
    socket.write_all(preface).await?;
    match tls {
        None => Ok(socket.into()),
        Some(tls) => {
            let stream = tls.connect(socket, address).await.map_err(Failed::Tls)?;
            Ok(Transport::Tls(Box::new(stream)))
        }
    }
}

async fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let stream = TcpStream::connect(address).await?;
    // Fails only on a socket that is already dead, which the request will find out.
    let _ = stream.set_nodelay(true);
    Ok(Socket::Tcp(stream))
}
