//! Who asks the admin API: what is known of a connection before its first request.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::io::Transport;
use crate::server::tls::Tls;
use crate::snapshot::Snapshot;

/// The first byte of a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// To a client that doesn't encrypt where it has to.
const SPEAK_TLS: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\nContent-Length: 41\r\n\r\nthis address speaks TLS: ask for https://";

/// A connection, ready for requests.
pub(super) struct Arrived {
    pub transport: Transport,
    pub visitor: Visitor,
}

/// What is known of whoever asks.
pub(super) struct Visitor {
    peer: SocketAddr,
    /// Where it came in.
    pub local: SocketAddr,
    /// What the connection was encrypted with.
    tls: Option<Arc<Tls>>,
    /// Whom its certificate names, if it showed one that counted.
    subject: Option<String>,
}

impl Visitor {
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the connection is what the configuration that serves now asks for: it may be older.
    pub fn fits(&self, snapshot: &Snapshot) -> bool {
        self.is_encrypted() == snapshot.certificates().admin.is_some()
    }

    /// Whether it has shown a certificate that counts still.
    pub fn is_vouched_for(&self, snapshot: &Snapshot) -> bool {
        let now = snapshot.certificates().admin.as_ref();
        self.subject.is_some() && self.tls.as_ref().is_some_and(|then| now.is_some_and(|now| now.judges_as(then)))
    }
}

/// For the log.
impl fmt::Display for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{} ({subject})", self.peer),
            None => write!(f, "{}", self.peer),
        }
    }
}

/// Shake hands, where that is asked for. None if there is no connection.
pub(super) async fn arrive(mut stream: TcpStream, peer: SocketAddr, tls: Option<Arc<Tls>>) -> Option<Arrived> {
    let local = stream.local_addr().ok()?;
    let Some(tls) = tls else {
        let visitor = Visitor { peer, local, tls: None, subject: None };
        return Some(Arrived { transport: stream.into(), visitor });
    };
    let mut first = [0];
    if stream.peek(&mut first).await.ok()? == 1 && first != [HANDSHAKE] {
        let _ = stream.write_all(SPEAK_TLS.as_bytes()).await;
        return None;
    }
    let encrypted = tls.accept(stream, BytesMut::new()).await.ok()?;
    let subject = encrypted.facts.client.map(|client| client.subject);
    let visitor = Visitor { peer, local, tls: Some(tls), subject };
    Some(Arrived { transport: encrypted.transport, visitor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_in_the_clear_is_as_long_as_it_says() {
        let (head, body) = SPEAK_TLS.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{} bytes", body.len());
    }
}
