//! What comes before the protocol of a connection: the PROXY protocol header of a peer that is trusted to
//! send one; then perhaps TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::tls::Tls;
use crate::proxy_protocol::{self, Header, LONGEST};

/// How connections of a listener begin.
#[derive(Debug, Clone, Default)]
pub struct Entrance {
    /// Networks whose connections begin with a PROXY protocol header.
    pub proxy_protocol: Vec<IpNet>,
    /// None if connections aren't encrypted.
    pub tls: Option<Arc<Tls>>,
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    pub peer: SocketAddr,
    pub local: SocketAddr,
}

/// Why a connection wasn't let in, as metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The header is malformed, or isn't one.
    Malformed,
    TimedOut,
    /// The peer closed, or the connection broke.
    Gone,
}

impl Refused {
    /// Gone ones are nobody's fault, and aren't counted.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Malformed => Some("proxy-protocol"),
            Self::TimedOut => Some("timeout"),
            Self::Gone => None,
        }
    }
}

impl Entrance {
    pub(super) fn expects_header(&self, peer: SocketAddr) -> bool {
        let ip = peer.ip().to_canonical();
        self.proxy_protocol.iter().any(|network| network.contains(&ip))
    }

    /// Read the header, if the peer is one of those who send it. Returns whose connection it really is, and
    /// bytes that came with the header.
    pub(super) async fn pass(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        ends: Ends,
        limit: Duration,
    ) -> Result<(Ends, BytesMut), Refused> {
        if !self.expects_header(ends.peer) {
            return Ok((ends, BytesMut::new()));
        }
        tokio::time::timeout(limit, read_header(stream, ends)).await.unwrap_or(Err(Refused::TimedOut))
    }
}

async fn read_header(stream: &mut (impl AsyncRead + Unpin), ends: Ends) -> Result<(Ends, BytesMut), Refused> {
    let mut seen = BytesMut::with_capacity(LONGEST);
    loop {
        match proxy_protocol::parse(&seen) {
            Ok(Some((header, length))) => {
                let rest = seen.split_off(length.min(seen.len()));
                let ends = match header {
                    Header::Proxied { source, destination } => Ends { peer: source, local: destination },
                    Header::Local => ends,
                };
                return Ok((ends, rest));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(peer = %ends.peer, %error, "a connection without a good PROXY protocol header");
                return Err(Refused::Malformed);
            }
        }
        match stream.read_buf(&mut seen).await {
            Ok(0) | Err(_) => return Err(Refused::Gone),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const ENDS: fn() -> Ends =
        || Ends { peer: "10.0.0.7:1000".parse().unwrap(), local: "10.0.0.1:80".parse().unwrap() };

    async fn pass(networks: &[&str], sent: &[&[u8]]) -> Result<(Ends, BytesMut), Refused> {
        let entrance =
            Entrance { proxy_protocol: networks.iter().map(|network| network.parse().unwrap()).collect(), tls: None };
        let (mut client, mut stream) = tokio::io::duplex(1000);
        let sending = async {
            for part in sent {
                client.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        tokio::join!(entrance.pass(&mut stream, ENDS(), Duration::from_secs(60)), sending).0
    }

    #[tokio::test]
    async fn the_header_of_a_trusted_peer_says_whose_connection_it_is() {
        let parts = [&b"PROXY TCP4 192.0.2"[..], b".7 192.0.2.1 5 443\r\nGET"];
        let (ends, rest) = pass(&["10.0.0.0/8"], &parts).await.unwrap();
        assert_eq!(ends, Ends { peer: "192.0.2.7:5".parse().unwrap(), local: "192.0.2.1:443".parse().unwrap() });
        assert_eq!(&rest[..], b"GET");
        let (ends, _) = pass(&["10.0.0.7/32"], &[b"PROXY UNKNOWN\r\n"]).await.unwrap();
        assert_eq!(ends, ENDS());
    }

    #[tokio::test]
    async fn nothing_is_read_from_anybody_else() {
        assert_eq!(pass(&[], &[b"PROXY UNKNOWN\r\n"]).await.unwrap(), (ENDS(), BytesMut::new()));
        assert_eq!(pass(&["192.0.2.0/24"], &[b"x"]).await.unwrap(), (ENDS(), BytesMut::new()));
    }

    #[tokio::test]
    async fn a_missing_or_endless_header_is_refused() {
        assert_eq!(pass(&["10.0.0.0/8"], &[b"GET / HTTP/1.1\r\n"]).await, Err(Refused::Malformed));
        assert_eq!(pass(&["10.0.0.0/8"], &[b"PROXY TCP4"]).await, Err(Refused::Gone));
        let entrance = Entrance { proxy_protocol: vec!["10.0.0.0/8".parse().unwrap()], tls: None };
        let (_client, mut stream) = tokio::io::duplex(10);
        let outcome = entrance.pass(&mut stream, ENDS(), Duration::from_millis(5)).await;
        assert_eq!(outcome, Err(Refused::TimedOut));
    }
}
