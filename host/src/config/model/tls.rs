//! TLS of listeners and of clusters, as resolved. Names files; what is in them is read elsewhere, and again when they change.

use std::path::PathBuf;

use rustls::pki_types::ServerName;

use super::{ClusterProtocol, Place};

/// `tls` of a listener
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub certificates: Certificates,
    /// None if clients aren't asked for certificates.
    pub client: Option<ClientCertificates>,
    pub versions: Versions,
    /// Whether HTTP is spoken, whose versions are agreed on in the handshake (RFC 7301).
    pub is_http: bool,
    /// Where it is written, for messages: `sluice.toml:12`.
    pub place: Place,
}

/// What the listener shows to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// Made up at start, for these names and addresses; for development.
    SelfSigned(Vec<String>),
    /// At least one; the first serves clients that ask for no name, or for one that none has.
    Files(Vec<CertificateFiles>),
    /// One that an authority gives by ACME.
    Acme(AcmeCertificate),
}

/// A certificate that is obtained by ACME (RFC 8555).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeCertificate {
    /// In lower case; at least one.
    pub names: Vec<String>,
    /// One file for both, so that they change at once. It isn't there before the first one is obtained.
    pub files: CertificateFiles,
}

/// `[acme]`: from whom certificates are had, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// URL of the authority's directory; `https` always.
    pub directory: String,
    /// `mailto:ops@example.com`
    pub contact: Vec<String>,
    /// The authority's own folder, for the account and certificates; the gateway's own, mode 0700.
    pub storage: PathBuf,
    /// PEM file of the authorities that vouch for the server; none for those that the system trusts.
    pub ca: Option<PathBuf>,
    pub challenge: AcmeChallenge,
}

/// How the gateway shows that a name is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcmeChallenge {
    /// In a handshake on port 443 (RFC 8737).
    #[default]
    TlsAlpn01,
    /// By an answer on port 80 (RFC 8555, section 8.3).
    Http01,
}

/// A certificate with its chain, and its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What clients have to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// PEM file of the authorities whose certificates count.
    pub authorities: PathBuf,
    /// Whether a client without a certificate is turned away.
    pub required: bool,
}

/// Versions of TLS that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    #[default]
    Tls12And13,
    Tls13,
}

/// `tls` of a cluster
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterTls {
    /// PEM file of the authorities whose certificates count; none for those that the system trusts.
    pub authorities: Option<PathBuf>,
    /// Whether endpoints have to show a certificate that counts, for their name. Default.
    pub verify: bool,
    /// What the gateway shows to endpoints that want to see a certificate.
    pub certificate: Option<CertificateFiles>,
    /// The name that is asked for, and that endpoints have to show a certificate for; none for their own.
    pub server_name: Option<ServerName<'static>>,
    pub versions: Versions,
    /// What is offered by ALPN.
    pub protocol: ClusterProtocol,
    /// Where it is written, for messages: `sluice.toml:12`.
    pub place: Place,
}

impl ClusterTls {
    /// All files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let certificate = self.certificate.iter().flat_map(|files| [&files.certificate, &files.key]);
        self.authorities.iter().chain(certificate)
    }
}

impl Tls {
    /// All files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let certificates = match &self.certificates {
            Certificates::SelfSigned(_) => &[][..],
            Certificates::Files(files) => files,
            Certificates::Acme(certificate) => std::slice::from_ref(&certificate.files),
        };
        let certificates = certificates.iter().flat_map(|files| [&files.certificate, &files.key]);
        certificates.chain(self.client.as_ref().map(|client| &client.authorities))
    }
}
