//! `[acme]`: defaults, and where certificates are kept.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::config::files::absolute;
use crate::config::model::{Acme, AcmeCertificate, AcmeChallenge, CertificateFiles};
use crate::config::problem::{Fault, Problems};
use crate::config::written::{self, Certificates, Protocol, Written};
use crate::tls::hexadecimal;

/// Who gives certificates to everybody.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

pub(super) fn check(written: &Written, problems: &Problems) {
    if written.acme.challenge == AcmeChallenge::TlsAlpn01 {
        return check_streams(written, problems);
    }
    let Some(place) = &written.acme.challenge_place else { return };
    let mut listeners = written.listeners.iter();
    if !listeners.any(|listener| listener.tls.is_none() && matches!(listener.protocol, Protocol::Http)) {
        let message = "wants a listener without tls, where the authority asks on port 80";
        let remedy = "add one, or write challenge = \"tls-alpn-01\"";
        problems.add(place, "acme: challenge".to_owned(), Fault::new(message, remedy));
    }
}

/// Clients of byte streams offer protocols that nobody here knows; to answer an authority's would be to refuse theirs.
fn check_streams(written: &Written, problems: &Problems) {
    let streams = written.listeners.iter().filter(|listener| matches!(listener.protocol, Protocol::Tcp(_)));
    for (listener, tls) in streams.filter_map(|listener| Some((listener, listener.tls.as_ref()?))) {
        if matches!(tls.certificates, Certificates::Acme(_)) {
            let message = "a listener for byte streams can't be asked for the challenge \"tls-alpn-01\"";
            let remedy = "write challenge = \"http-01\" in [acme]";
            problems.add(&tls.place, format!("{}: tls.acme", listener.head.subject), Fault::new(message, remedy));
        }
    }
}

/// Each authority has a folder of its own, so that certificates for trying out don't stay in use.
pub(super) fn resolve(written: &written::Acme, base: &Path) -> Acme {
    let directory = written.directory.as_ref().map_or_else(|| LETS_ENCRYPT.to_owned(), ToString::to_string);
    // An authority's path may tell its certificates from each other, as its staging area's.
    let name = directory
        .trim_start_matches("https://")
        .replace(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'), "_");
    let storage = written.storage.as_deref().unwrap_or(Path::new(".sluice-acme"));
    Acme {
        directory,
        contact: written.contact.clone(),
        storage: absolute(&base.join(storage)).join(name),
        ca: written.ca.as_ref().map(|path| absolute(&base.join(path))),
        challenge: written.challenge,
    }
}

/// Whether a listener's certificates come by it.
pub(super) fn is_used(written: &Written) -> bool {
    let mut all = written.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    all.any(|tls| matches!(tls.certificates, Certificates::Acme(_)))
}

/// A certificate for these names.
pub(super) fn certificate(names: &[String], acme: &Acme) -> AcmeCertificate {
    let stem = match names {
        [one] => one.clone(),
        // What others may be added to has another file: a certificate is for all of its names or useless.
        several => {
            let digest = hexadecimal(&Sha256::digest(several.join(" ")));
            let first = several.first().map_or("", String::as_str);
            format!("{first}-{}", digest.get(..8).unwrap_or_default())
        }
    };
    let file = acme.storage.join(format!("{stem}.pem"));
    AcmeCertificate { names: names.to_vec(), files: CertificateFiles { certificate: file.clone(), key: file } }
}
