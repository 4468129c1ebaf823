//! TLS of connections to endpoints: from the bytes of PEM files to what a handshake needs, and what a handshake
//! came to. Reads no files but the system's authorities.

use std::sync::Arc;

use bytes::BytesMut;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::config::model::{Address, ClusterProtocol, ClusterTls as Wanted};
use crate::error::TlsFault;
use crate::io::{Prefixed, Socket};
use crate::tls::{self, Certificate, Contents, Shown, TlsError, content};

/// Sessions that are kept to be resumed, one for each name.
const SESSIONS: usize = 256;

/// What the encrypted connections of one cluster begin with.
pub struct Tls {
    /// Offers what requests are sent by.
    config: Arc<ClientConfig>,
    /// Offers HTTP/1.1 alone.
    http1: Arc<ClientConfig>,
    /// Offers HTTP/2 alone.
    http2: Arc<ClientConfig>,
    /// Offers nothing: bytes are passed on, whatever they mean.
    bytes: Arc<ClientConfig>,
    /// The name that is asked for; none for the endpoint's own.
    server_name: Option<ServerName<'static>>,
    /// What the gateway shows, if it has something to show.
    pub shown: Option<Shown>,
}

impl Tls {
    /// Make it of files' contents.
    ///
    /// # Errors
    /// Which file is wrong, and how; or the system has no authorities.
    pub fn build(wanted: &Wanted, contents: &Contents) -> Result<Self, TlsError> {
        let provider = tls::provider();
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(tls::versions(wanted.versions))
            .map_err(setup)?;
        let builder = match (wanted.verify, &wanted.authorities) {
            (false, _) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(Arc::clone(&provider))))
            }
            (true, Some(path)) => builder.with_root_certificates(tls::authorities(contents, path)?.0),
            (true, None) => builder.with_root_certificates(tls::system_authorities()?),
        };
        let (mut config, mut shown) = (builder.with_no_client_auth(), None);
        if let Some(files) = &wanted.certificate {
            let (certificate, key) = (content(contents, &files.certificate)?, content(contents, &files.key)?);
            let certificate = Certificate::read(files, certificate, key, &provider)?;
            config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certificate.key));
            shown = Some(certificate.shown);
        }
        config.resumption = rustls::client::Resumption::in_memory_sessions(SESSIONS);
        let offering = |protocols: &[&str]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
            Arc::new(config)
        };
        let own: &[&str] = match wanted.protocol {
            ClusterProtocol::Http1 => &["http/1.1"],
            ClusterProtocol::Http2 => &["h2"],
            ClusterProtocol::Auto => &["h2", "http/1.1"],
        };
        let (http1, http2, bytes) = (offering(&["http/1.1"]), offering(&["h2"]), offering(&[]));
        Ok(Self { config: offering(own), http1, http2, bytes, server_name: wanted.server_name.clone(), shown })
    }

    /// For connections that requests are sent over.
    pub(super) fn for_requests(&self) -> Handshake<'_> {
        Handshake { tls: self, config: &self.config }
    }

    /// For connections over which nothing but HTTP/1.1 is of use.
    pub(super) fn for_http1(&self) -> Handshake<'_> {
        Handshake { tls: self, config: &self.http1 }
    }

    /// For connections over which nothing but HTTP/2 is of use.
    pub(super) fn for_http2(&self) -> Handshake<'_> {
        Handshake { tls: self, config: &self.http2 }
    }

    /// For byte streams.
    pub(super) fn for_bytes(&self) -> Handshake<'_> {
        Handshake { tls: self, config: &self.bytes }
    }
}

/// How hands are shaken.
#[derive(Clone, Copy)]
pub(super) struct Handshake<'a> {
    tls: &'a Tls,
    config: &'a Arc<ClientConfig>,
}

impl Handshake<'_> {
    /// Shake hands.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(self, socket: Socket, address: &Address) -> Result<TlsStream<Prefixed>, TlsFault> {
        let own = || address.ip().map(|ip| ServerName::IpAddress(ip.into()));
        let name = self.tls.server_name.clone().or_else(own).ok_or(TlsFault::WrongName)?;
        let connector = TlsConnector::from(Arc::clone(self.config));
        let socket = Prefixed { socket, prefix: BytesMut::new() };
        match connector.connect(name, socket).await {
            Ok(stream) => Ok(TlsStream::Client(stream)),
            Err(error) => {
                let fault = fault(&error).unwrap_or(TlsFault::Broken);
                tracing::debug!(%address, %error, "no TLS with an endpoint");
                Err(fault)
            }
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// Why a connection over TLS broke, if TLS is why. After its handshake too: with TLS 1.3 a certificate of the client is
/// judged only then.
pub(super) fn fault(error: &std::io::Error) -> Option<TlsFault> {
    use rustls::Error as E;
    Some(match error.get_ref()?.downcast_ref::<E>()? {
        E::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFault::WrongName,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
            _ => TlsFault::BadCertificate,
        },
        E::AlertReceived(alert) => match alert {
            AlertDescription::NoApplicationProtocol => TlsFault::NoProtocol,
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => TlsFault::ClientCertificate,
            _ => TlsFault::Refused,
        },
        E::InvalidMessage(_) | E::InappropriateMessage { .. } => TlsFault::NoTls,
        E::PeerIncompatible(_) | E::PeerMisbehaved(_) => TlsFault::Refused,
        _ => return None,
    })
}

/// Believes everybody, as was asked for; but who has shown a certificate has to have its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
