//! What is known of a connection after its handshake.

use std::sync::Arc;

use rustls::ServerConnection;
use sha2::{Digest as _, Sha256};

use crate::tls::{Name, X509, hexadecimal};

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
    /// `CN=alice,O=Example`, as RFC 4514 writes names
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

impl Facts {
    /// What plugins may read of a verified client, as attributes. Without a dot in their names, so that no plugin can
    /// publish one of them.
    pub fn attributes(&self) -> Vec<(String, String)> {
        let Some(client) = &self.client else { return Vec::new() };
        let ClientCertificate { subject, issuer, names, serial, fingerprint } = client;
        [
            ("client-certificate-subject", subject.clone()),
            ("client-certificate-issuer", issuer.clone()),
            ("client-certificate-names", names.join(", ")),
            ("client-certificate-serial", serial.clone()),
            ("client-certificate-fingerprint", fingerprint.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

impl ClientCertificate {
    fn read(der: &[u8]) -> Option<Self> {
        let X509 { serial, issuer, subject, names, .. } = X509::read(der)?;
        let names = names.iter().map(|name| match name {
            Name::Dns(name) => format!("DNS:{name}"),
            Name::Uri(name) => format!("URI:{name}"),
            Name::Email(name) => format!("email:{name}"),
        });
        let names = names.collect();
        Some(Self {
            subject,
            issuer,
            names,
            serial: hexadecimal(serial),
            fingerprint: hexadecimal(&Sha256::digest(der)),
        })
    }
}
