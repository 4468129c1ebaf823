//! What a gateway shows to an authority that asks whether a name is its own, while it asks (RFC 8555, RFC 8737). Those
//! who obtain certificates put it here, those who serve find it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::{TlsError, provider};

/// The protocol by which an authority asks in a handshake (RFC 8737, section 6.2).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// Open challenges, and why certificates couldn't be had.
#[derive(Debug, Default)]
pub struct Challenges {
    /// So that requests needn't look when there is none.
    open: AtomicUsize,
    /// What to answer, by token.
    answers: RwLock<HashMap<String, String>>,
    /// What to show, by name.
    certificates: RwLock<HashMap<String, Arc<CertifiedKey>>>,
    failures: RwLock<HashMap<PathBuf, String>>,
}

/// A challenge that is answered until this is dropped.
pub struct Open {
    challenges: Arc<Challenges>,
    kind: Kind,
}

enum Kind {
    Answer(String),
    Certificate(String),
}

impl Challenges {
    /// Answer `text` to requests for a token.
    pub fn answer(self: &Arc<Self>, token: String, text: String) -> Open {
        write(&self.answers).insert(token.clone(), text);
        self.open(Kind::Answer(token))
    }

    /// Show a certificate for `name` that has the digest of a key authorization in it (RFC 8737, section 3).
    ///
    /// # Errors
    /// It can't be made.
    pub fn certify(self: &Arc<Self>, name: &str, digest: &[u8]) -> Result<Open, TlsError> {
        let failed = |error: String| TlsError::SelfSigned(error);
        let made = (|| {
            let mut wanted = rcgen::CertificateParams::new([name.to_owned()])?;
            wanted.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
            let key = rcgen::KeyPair::generate()?;
            Ok::<_, rcgen::Error>((wanted.self_signed(&key)?, key))
        })();
        let (certificate, key) = made.map_err(|error| failed(error.to_string()))?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let key = provider().key_provider.load_private_key(key).map_err(|error| failed(error.to_string()))?;
        // Not looked into as others are: what it holds for the authority is critical, and nobody else knows it.
        let key = CertifiedKey::new(vec![certificate.der().clone()], key);
        write(&self.certificates).insert(name.to_owned(), Arc::new(key));
        Ok(self.open(Kind::Certificate(name.to_owned())))
    }

    fn open(self: &Arc<Self>, kind: Kind) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open { challenges: Arc::clone(self), kind }
    }

    /// Whether nobody is asking.
    pub fn is_empty(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }

    /// What to answer to a request for this token.
    pub fn find(&self, token: &str) -> Option<String> {
        read(&self.answers).get(token).cloned()
    }

    /// What to show to an authority that asks for this name.
    pub(crate) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        read(&self.certificates).get(&name.to_ascii_lowercase()).cloned()
    }

    /// Why the certificate in this file couldn't be had; none if that is over.
    pub fn tell(&self, file: &Path, failure: Option<String>) {
        let mut failures = write(&self.failures);
        match failure {
            Some(failure) => drop(failures.insert(file.to_owned(), failure)),
            None => drop(failures.remove(file)),
        }
    }

    /// Why the certificate in this file couldn't be had.
    pub fn failure(&self, file: &Path) -> Option<String> {
        read(&self.failures).get(file).cloned()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        match &self.kind {
            Kind::Answer(token) => drop(write(&self.challenges.answers).remove(token)),
            Kind::Certificate(name) => drop(write(&self.challenges.certificates).remove(name)),
        }
        self.challenges.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_while_it_is_open() {
        let challenges = Arc::new(Challenges::default());
        assert!(challenges.is_empty());
        let answer = challenges.answer("token".to_owned(), "token.key".to_owned());
        let shown = challenges.certify("a.example.com", &[7; 32]).unwrap();
        assert!(!challenges.is_empty());
        assert_eq!(challenges.find("token").as_deref(), Some("token.key"));
        assert_eq!(challenges.find("other"), None);
        let key = challenges.certificate("A.example.com").unwrap();
        // The digest is in an OCTET STRING of 32 bytes.
        assert!(key.cert[0].windows(34).any(|window| window[..2] == [4, 32] && window[2..] == [7; 32]));
        drop((answer, shown));
        assert!(challenges.is_empty() && challenges.find("token").is_none());
        assert!(challenges.certificate("a.example.com").is_none());
    }

    #[test]
    fn a_failure_is_told_until_it_is_over() {
        let (challenges, file) = (Challenges::default(), Path::new("a.pem"));
        challenges.tell(file, Some("the authority is away".to_owned()));
        assert_eq!(challenges.failure(file).as_deref(), Some("the authority is away"));
        challenges.tell(file, None);
        assert_eq!(challenges.failure(file), None);
    }
}
