//! What both sides of TLS need: from the bytes of PEM files to certificates, keys and authorities, and what a
//! certificate says. Reads no files and opens no connections; never shows a key in a message.

mod certificate;
mod challenges;
mod der;
mod name;
mod x509;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CipherSuite, RootCertStore, SupportedProtocolVersion};
use sha2::{Digest as _, Sha256};

pub(crate) use certificate::Certificate;
pub use certificate::Shown;
pub(crate) use challenges::ACME_TLS;
pub use challenges::{Challenges, Open};
pub(crate) use x509::{Name, X509};

use crate::config::model::Versions;

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
    #[error("the system has no certificates of authorities that it trusts{0}")]
    NoSystemAuthorities(String),
    #[error("TLS can't be set up: {0}")]
    Setup(String),
}

/// As people write bytes.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The cryptography that TLS is done with. AES with 128 bits comes first: it is as safe as anybody needs, and its
/// handshakes hash with SHA-256, for which processors have instructions where they have none for SHA-384. That is a
/// tenth of a handshake.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    use CipherSuite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS13_AES_128_GCM_SHA256,
    };
    let mut provider = aws_lc_rs::default_provider();
    // Stable: otherwise the order is rustls's, but versions don't mix.
    provider.cipher_suites.sort_by_key(|suite| {
        let is_first = matches!(
            suite.suite(),
            TLS13_AES_128_GCM_SHA256 | TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 | TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        );
        (suite.tls13().is_none(), !is_first)
    });
    Arc::new(provider)
}

/// The versions that are spoken, as rustls has them.
pub(crate) fn versions(wanted: Versions) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
    static NEW: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
    match wanted {
        Versions::Tls12And13 => &BOTH,
        Versions::Tls13 => &NEW,
    }
}

/// What a file holds.
///
/// # Errors
/// It couldn't be read.
pub(crate) fn content<'a>(contents: &'a Contents, path: &Path) -> Result<&'a [u8], TlsError> {
    match contents.get(path) {
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(reason)) => Err(TlsError::Unreadable { path: path.to_owned(), reason: reason.clone() }),
        None => Err(TlsError::Unreadable { path: path.to_owned(), reason: "it wasn't read".to_owned() }),
    }
}

/// Those that the operating system trusts, or that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
///
/// # Errors
/// There is none.
pub(crate) fn system_authorities() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A few that can't be read are nothing out of the ordinary.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(TlsError::NoSystemAuthorities(reason));
    }
    Ok(roots)
}

/// The authorities in a file, and a digest of them.
///
/// # Errors
/// There is none, or one that can't be read.
pub(crate) fn authorities(contents: &Contents, path: &Path) -> Result<(RootCertStore, [u8; 32]), TlsError> {
    let bytes = content(contents, path)?;
    let mut roots = RootCertStore::empty();
    let mut digest = Sha256::new();
    for certificate in CertificateDer::pem_slice_iter(bytes) {
        let certificate = certificate.map_err(|_| TlsError::Malformed(path.to_owned()))?;
        digest.update(&certificate);
        roots.add(certificate).map_err(|_| TlsError::Malformed(path.to_owned()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok((roots, digest.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphers_that_hash_quickly_come_first() {
        let suites: Vec<CipherSuite> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
        assert_eq!(suites.first(), Some(&CipherSuite::TLS13_AES_128_GCM_SHA256));
        assert_eq!(suites.len(), aws_lc_rs::default_provider().cipher_suites.len());
    }
}
