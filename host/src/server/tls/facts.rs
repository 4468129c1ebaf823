//! What is known of a connection after its handshake.

use std::sync::Arc;

use rustls::ServerConnection;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::certificate::alternative_names;

/// Facts of a connection over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `TLSv1.3`
    pub version: &'static str,
    /// The name that the client asked for.
    pub server_name: Option<Arc<str>>,
    /// Verified against the listener's authorities.
    pub client: Option<ClientCertificate>,
}

/// Whom a client's certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// `CN=alice, O=Example`
    pub subject: String,
    pub issuer: String,
    /// Alternative names: `DNS:a.example.com`, `URI:spiffe://…`, `email:a@example.com`.
    pub names: Vec<String>,
    /// In hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate in hexadecimal.
    pub fingerprint: String,
}

impl Facts {
    pub(in crate::server) fn of(connection: &ServerConnection) -> Self {
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let leaf = connection.peer_certificates().and_then(|chain| chain.first());
        Self {
            version,
            server_name: connection.server_name().map(Arc::from),
            client: leaf.and_then(|leaf| ClientCertificate::read(leaf)),
        }
    }
}

impl ClientCertificate {
    fn read(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        Some(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: alternative_names(&parsed, |name| match name {
                GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
                GeneralName::URI(name) => Some(format!("URI:{name}")),
                GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
                _ => None,
            }),
            serial: hexadecimal(parsed.raw_serial()),
            fingerprint: hexadecimal(&Sha256::digest(der)),
        })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
