//! One certificate with its key: read and checked, or made up for development.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::TlsError;
use super::x509::{Name, X509};
use crate::config::model::CertificateFiles;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What is made up is good for so long: 398 days are too many for some clients.
const DAYS: u32 = 397;

/// A certificate that a listener shows, for people and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// None if it was made up.
    pub file: Option<PathBuf>,
    /// The names that clients may ask for, in lower case; wildcards as `*.example.com`.
    pub names: Vec<String>,
    /// Seconds since 1970 when it begins to be good, and when it ceases to be.
    pub not_before: i64,
    pub not_after: i64,
}

pub(crate) struct Certificate {
    pub key: Arc<CertifiedKey>,
    pub shown: Shown,
}

impl Certificate {
    pub fn read(
        files: &CertificateFiles,
        certificate: &[u8],
        key: &[u8],
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        let path = || files.certificate.clone();
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Malformed(path()))?;
        let Some(leaf) = chain.first() else { return Err(TlsError::NoCertificate(path())) };
        let shown = describe(leaf, Some(path())).ok_or_else(|| TlsError::Malformed(path()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey(files.key.clone()))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { certificate: path(), key: files.key.clone() },
            rustls::Error::InvalidCertificate(_) => TlsError::Malformed(path()),
            other => TlsError::Unusable { path: path(), reason: other.to_string() },
        })?;
        Ok(Self { key: Arc::new(key), shown })
    }

    /// For development: nobody trusts it unless told to. It is good from yesterday, since clocks differ, and as long as
    /// clients allow certificates to be.
    pub fn self_signed(names: Vec<String>, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let failed = |error: String| TlsError::SelfSigned(error);
        let made = (|| {
            let mut wanted = CertificateParams::new(names)?;
            wanted.distinguished_name = DistinguishedName::new();
            wanted.distinguished_name.push(DnType::CommonName, "Sluice, for development");
            wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let now = SystemTime::now();
            wanted.not_before = (now - DAY).into();
            wanted.not_after = (now + DAY * DAYS).into();
            let key = KeyPair::generate()?;
            Ok::<_, rcgen::Error>((wanted.self_signed(&key)?, key))
        })();
        let (certificate, key) = made.map_err(|error| failed(error.to_string()))?;
        let leaf = certificate.der().clone();
        let shown = describe(&leaf, None).ok_or_else(|| failed("it can't be read back".to_owned()))?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let key = CertifiedKey::from_der(vec![leaf], key, provider).map_err(|error| failed(error.to_string()))?;
        Ok(Self { key: Arc::new(key), shown })
    }
}

fn describe(leaf: &CertificateDer<'_>, file: Option<PathBuf>) -> Option<Shown> {
    let X509 { names, common_names, not_before, not_after, .. } = X509::read(leaf)?;
    let dns = names.iter().filter_map(|name| match name {
        Name::Dns(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let mut names: Vec<String> = dns.collect();
    if names.is_empty() {
        // What certificates had before they had lists of names.
        names = common_names.iter().map(|name| name.to_lowercase()).collect();
    }
    Some(Shown { file, names, not_before, not_after })
}
