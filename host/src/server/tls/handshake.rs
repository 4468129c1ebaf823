//! The handshake of an accepted connection.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::{Facts, Tls};
use crate::io::{Prefixed, Socket, Transport};
use crate::tls::ACME_TLS;

/// A connection whose handshake is over.
pub(crate) struct Encrypted {
    pub transport: Transport,
    pub facts: Facts,
    /// Whether HTTP/2 was agreed on (RFC 7301).
    pub is_http2: bool,
}

impl Tls {
    /// Shake hands; `first` was read before.
    ///
    /// # Errors
    /// Why there is no connection, as metrics name it; nothing if the client merely went away.
    pub(crate) async fn accept(&self, stream: TcpStream, first: BytesMut) -> Result<Encrypted, Option<&'static str>> {
        let acceptor = TlsAcceptor::from(Arc::clone(self.config()));
        let mut stream = acceptor
            .accept(Prefixed { socket: Socket::Tcp(stream), prefix: first })
            .await
            .map_err(|error| reason(&error))?;
        let connection = stream.get_ref().1;
        if connection.alpn_protocol() == Some(ACME_TLS) {
            // The handshake was the question and the answer (RFC 8737, section 3).
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
            return Err(None);
        }
        let is_http2 = connection.alpn_protocol() == Some(b"h2");
        let facts = Facts::of(connection);
        Ok(Encrypted { transport: Transport::Tls(Box::new(TlsStream::Server(stream))), facts, is_http2 })
    }
}

fn reason(error: &std::io::Error) -> Option<&'static str> {
    let cause = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    tracing::debug!(error = %cause, "a TLS handshake failed");
    Some(match cause {
        rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_) => "client-certificate",
        _ => "tls",
    })
}
