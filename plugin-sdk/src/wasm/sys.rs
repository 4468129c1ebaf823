//! Handles and capabilities, as the SDK's types use them. The test double has a module of the same shape.

pub use super::bindings::capabilities::sluice::plugin::endpoints::{EndpointList, PickContext};
pub use super::bindings::capabilities::sluice::plugin::types::{Exchange, Request, Response};

pub use super::bindings::capabilities::sluice::plugin::clock::{monotonic, now};
pub use super::bindings::capabilities::sluice::plugin::http_client::{send, send_all};
pub use super::bindings::capabilities::sluice::plugin::kv::{
    delete as kv_delete, get as kv_get, increment as kv_increment, set as kv_set,
};
pub use super::bindings::capabilities::sluice::plugin::limiter::take as limiter_take;
pub use super::bindings::capabilities::sluice::plugin::log::log;
pub use super::bindings::capabilities::sluice::plugin::random::bytes as random_bytes;

use super::bindings::capabilities::sluice::plugin::metrics::{self, Label};

fn labels(labels: &[(&str, &str)]) -> Vec<Label> {
    labels.iter().map(|(name, value)| Label { name: (*name).to_owned(), value: (*value).to_owned() }).collect()
}

pub fn metrics_add(name: &str, pairs: &[(&str, &str)], by: u64) -> Result<(), String> {
    metrics::add(name, &labels(pairs), by)
}

pub fn metrics_set(name: &str, pairs: &[(&str, &str)], value: f64) -> Result<(), String> {
    metrics::set(name, &labels(pairs), value)
}

pub fn metrics_observe(name: &str, pairs: &[(&str, &str)], value: f64) -> Result<(), String> {
    metrics::observe(name, &labels(pairs), value)
}

#[cfg(feature = "crypto")]
pub use crypto::{crypto_digest, crypto_equal, crypto_hmac, crypto_verify};

/// The generated types are the SDK's own but for their names.
#[cfg(feature = "crypto")]
mod crypto {
    use super::super::bindings::capabilities::sluice::plugin::crypto as host;
    use crate::crypto::{DigestAlgorithm, PublicKey, SignatureAlgorithm};

    pub use host::equal as crypto_equal;

    pub fn crypto_verify(
        algorithm: SignatureAlgorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, String> {
        let algorithm = match algorithm {
            SignatureAlgorithm::Rs256 => host::SignatureAlgorithm::Rs256,
            SignatureAlgorithm::Rs384 => host::SignatureAlgorithm::Rs384,
            SignatureAlgorithm::Rs512 => host::SignatureAlgorithm::Rs512,
            SignatureAlgorithm::Ps256 => host::SignatureAlgorithm::Ps256,
            SignatureAlgorithm::Ps384 => host::SignatureAlgorithm::Ps384,
            SignatureAlgorithm::Ps512 => host::SignatureAlgorithm::Ps512,
            SignatureAlgorithm::Es256 => host::SignatureAlgorithm::Es256,
            SignatureAlgorithm::Es384 => host::SignatureAlgorithm::Es384,
            SignatureAlgorithm::Es512 => host::SignatureAlgorithm::Es512,
            SignatureAlgorithm::Eddsa => host::SignatureAlgorithm::Eddsa,
        };
        let key = match key.clone() {
            PublicKey::Rsa(key) => host::PublicKey::Rsa(host::RsaKey { modulus: key.modulus, exponent: key.exponent }),
            PublicKey::Point(bytes) => host::PublicKey::Point(bytes),
            PublicKey::Spki(bytes) => host::PublicKey::Spki(bytes),
        };
        host::verify(algorithm, &key, message, signature)
    }

    pub fn crypto_hmac(algorithm: DigestAlgorithm, key: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
        host::hmac(digest(algorithm), key, message)
    }

    pub fn crypto_digest(algorithm: DigestAlgorithm, message: &[u8]) -> Result<Vec<u8>, String> {
        host::digest(digest(algorithm), message)
    }

    fn digest(algorithm: DigestAlgorithm) -> host::DigestAlgorithm {
        match algorithm {
            DigestAlgorithm::Sha1 => host::DigestAlgorithm::Sha1,
            DigestAlgorithm::Sha256 => host::DigestAlgorithm::Sha256,
            DigestAlgorithm::Sha384 => host::DigestAlgorithm::Sha384,
            DigestAlgorithm::Sha512 => host::DigestAlgorithm::Sha512,
        }
    }
}
