//! TLS of listeners: from the bytes of PEM files to what a handshake needs, and what is known of a connection
//! after it. Reads no files and accepts no connections; never shows a key in a message.

mod certificate;
mod der;
mod facts;
mod handshake;
mod name;
mod resolver;
#[cfg(test)]
mod tests;
mod x509;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest as _, Sha256};

pub use certificate::Shown;
pub use facts::{ClientCertificate, Facts};
pub(super) use handshake::Encrypted;

use crate::config::model::{Certificates, ClientCertificates, Tls as Wanted, Versions};
use certificate::Certificate;
use resolver::Resolver;

/// Contents of files by path; none if one can't be read, with the reason.
pub type Contents = BTreeMap<PathBuf, Result<Vec<u8>, String>>;

/// Why files make no TLS. The text says which file, and never what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    #[error("{} can't be read: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} holds no private key in PEM that isn't encrypted", .0.display())]
    NoKey(PathBuf),
    #[error("{} holds a certificate that can't be read", .0.display())]
    Malformed(PathBuf),
    #[error("the key in {} doesn't belong to the certificate in {}", .key.display(), .certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("the certificate in {} can't be used: {reason}", .path.display())]
    Unusable { path: PathBuf, reason: String },
    #[error("a self-signed certificate can't be made: {0}")]
    SelfSigned(String),
    #[error("TLS can't be set up: {0}")]
    Setup(String),
}

/// What the connections of one listener begin with.
pub struct Tls {
    config: Arc<ServerConfig>,
    /// The certificates that it shows, the first one by default.
    pub shown: Vec<Shown>,
    /// Of the authorities that vouch for clients.
    authorities: [u8; 32],
}

impl Tls {
    /// Make it of files' contents. Session tickets of `previous` stay good, unless clients are judged by others than
    /// before.
    ///
    /// # Errors
    /// Which file is wrong, and how.
    pub fn build(wanted: &Wanted, contents: &Contents, previous: Option<&Self>) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificates = match &wanted.certificates {
            Certificates::SelfSigned(names) => vec![Certificate::self_signed(names.clone(), &provider)?],
            Certificates::Files(files) => files
                .iter()
                .map(|files| {
                    let (certificate, key) = (content(contents, &files.certificate)?, content(contents, &files.key)?);
                    Certificate::read(files, certificate, key, &provider)
                })
                .collect::<Result<_, _>>()?,
        };
        let (verifier, authorities) = verifier(wanted.client.as_ref(), contents, &provider)?;
        let versions: &[&SupportedProtocolVersion] = match wanted.versions {
            Versions::Tls12And13 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            Versions::Tls13 => &[&rustls::version::TLS13],
        };
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let shown = certificates.iter().map(|certificate| certificate.shown.clone()).collect();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(setup)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Resolver::new(certificates)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A ticket carries the client's identity, which mustn't outlive the authorities that vouched for it.
        config.ticketer = match previous.filter(|previous| previous.authorities == authorities) {
            Some(previous) => Arc::clone(&previous.config.ticketer),
            None => aws_lc_rs::Ticketer::new().map_err(setup)?,
        };
        Ok(Self { config: Arc::new(config), shown, authorities })
    }

    pub(super) fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("shown", &self.shown).finish_non_exhaustive()
    }
}

fn content<'a>(contents: &'a Contents, path: &Path) -> Result<&'a [u8], TlsError> {
    match contents.get(path) {
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(reason)) => Err(TlsError::Unreadable { path: path.to_owned(), reason: reason.clone() }),
        None => Err(TlsError::Unreadable { path: path.to_owned(), reason: "it wasn't read".to_owned() }),
    }
}

/// How clients are judged, and a digest of by whom.
fn verifier(
    wanted: Option<&ClientCertificates>,
    contents: &Contents,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, [u8; 32]), TlsError> {
    let Some(wanted) = wanted else { return Ok((Arc::new(NoClientAuth), [0; 32])) };
    let path = &wanted.authorities;
    let bytes = content(contents, path)?;
    let mut roots = RootCertStore::empty();
    let mut digest = Sha256::new();
    digest.update([u8::from(wanted.required)]);
    for certificate in CertificateDer::pem_slice_iter(bytes) {
        let certificate = certificate.map_err(|_| TlsError::Malformed(path.clone()))?;
        digest.update(&certificate);
        roots.add(certificate).map_err(|_| TlsError::Malformed(path.clone()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate(path.clone()));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if wanted.required { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build().map_err(|error| TlsError::Setup(error.to_string()))?;
    Ok((verifier, digest.finalize().into()))
}
