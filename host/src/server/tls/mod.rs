//! TLS of listeners: from the bytes of PEM files to what a handshake needs, and what is known of a connection
//! after it. Reads no files and accepts no connections; never shows a key in a message.

mod facts;
mod handshake;
mod resolver;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use sha2::{Digest as _, Sha256};

pub use facts::{ClientCertificate, Facts};
pub(crate) use handshake::Encrypted;

use crate::config::model::{AcmeCertificate, CertificateFiles, Certificates, ClientCertificates, Tls as Wanted};
use crate::tls::{self, ACME_TLS, Certificate, Challenges, Contents, Shown, TlsError, content};
use resolver::Resolver;

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
    pub fn build(
        wanted: &Wanted,
        contents: &Contents,
        challenges: &Arc<Challenges>,
        previous: Option<&Self>,
    ) -> Result<Self, TlsError> {
        let provider = tls::provider();
        let certificates = match &wanted.certificates {
            Certificates::SelfSigned(names) => vec![Certificate::self_signed(names.clone(), &provider)?],
            Certificates::Files(files) => files
                .iter()
                .map(|files| {
                    let (certificate, key) = (content(contents, &files.certificate)?, content(contents, &files.key)?);
                    Certificate::read(files, certificate, key, &provider)
                })
                .collect::<Result<_, _>>()?,
            Certificates::Acme(AcmeCertificate { files, .. }) => obtained(files, contents, &provider),
        };
        let challenges = matches!(wanted.certificates, Certificates::Acme(_)).then(|| Arc::clone(challenges));
        let (verifier, authorities) = verifier(wanted.client.as_ref(), contents, &provider)?;
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let shown = certificates.iter().map(|certificate| certificate.shown.clone()).collect();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(tls::versions(wanted.versions))
            .map_err(setup)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Resolver::new(certificates, challenges.clone())));
        // The first cipher that both have, in our order.
        config.ignore_client_order = true;
        if wanted.is_http {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            config.alpn_protocols.extend(challenges.map(|_| ACME_TLS.to_vec()));
        }
        // A ticket carries the client's identity, which mustn't outlive the authorities that vouched for it.
        config.ticketer = match previous.filter(|previous| previous.authorities == authorities) {
            Some(previous) => Arc::clone(&previous.config.ticketer),
            None => aws_lc_rs::Ticketer::new().map_err(setup)?,
        };
        Ok(Self { config: Arc::new(config), shown, authorities })
    }

    /// Whether clients are judged by the same as by `other`: what was shown to one counts for both.
    pub fn judges_as(&self, other: &Self) -> bool {
        self.authorities == other.authorities
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

/// A certificate that was obtained; none before the first one, and none if its file is damaged: another one is
/// obtained then.
fn obtained(files: &CertificateFiles, contents: &Contents, provider: &CryptoProvider) -> Vec<Certificate> {
    let Ok(content) = content(contents, &files.certificate) else { return Vec::new() };
    Certificate::read(files, content, content, provider)
        .inspect_err(|error| tracing::warn!(%error, "a certificate that was obtained can't be used"))
        .into_iter()
        .collect()
}

/// How clients are judged, and a digest of by whom.
fn verifier(
    wanted: Option<&ClientCertificates>,
    contents: &Contents,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, [u8; 32]), TlsError> {
    let Some(wanted) = wanted else { return Ok((Arc::new(NoClientAuth), [0; 32])) };
    let (roots, known) = tls::authorities(contents, &wanted.authorities)?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if wanted.required { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build().map_err(|error| TlsError::Setup(error.to_string()))?;
    let digest = Sha256::new().chain_update([u8::from(wanted.required)]).chain_update(known);
    Ok((verifier, digest.finalize().into()))
}
