//! Signatures, message authentication codes and digests, for plugins with the grant `crypto`. The work is
//! done by aws-lc at native speed. Nothing is kept between calls and no key is ever made here.
//!
//! What one call can cost is bounded by the length of its message and the size of its key, since nothing else
//! runs on the thread meanwhile; the guest's time limit looks at it when the call returns.

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use aws_lc_rs::{constant_time, digest, hmac};

use crate::plugin::wasm::bindings::crypto::{self, DigestAlgorithm, PublicKey, RsaKey, SignatureAlgorithm};
use crate::plugin::wasm::guest::Guest;

/// The longest message in bytes: about 2 ms of hashing.
const MAX_MESSAGE: usize = 1 << 20;
/// The largest modulus in bytes.
const MAX_MODULUS: usize = 8192 / 8;
/// The largest exponent in bytes; 65537 has three. A long one makes verification slow.
const MAX_EXPONENT: usize = 4;

impl crypto::Host for Guest {
    fn verify(
        &mut self,
        algorithm: SignatureAlgorithm,
        key: PublicKey,
        message: Vec<u8>,
        signature: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, String>> {
        Ok(bounded(&message).and_then(|()| verify(algorithm, &key, &message, &signature)))
    }

    fn hmac(
        &mut self,
        algorithm: DigestAlgorithm,
        key: Vec<u8>,
        message: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let sign = |()| hmac::sign(&hmac::Key::new(mac(algorithm), &key), &message).as_ref().to_vec();
        Ok(bounded(&key).and_then(|()| bounded(&message)).map(sign))
    }

    fn digest(&mut self, algorithm: DigestAlgorithm, message: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, String>> {
        Ok(bounded(&message).map(|()| digest::digest(hash(algorithm), &message).as_ref().to_vec()))
    }

    fn equal(&mut self, a: Vec<u8>, b: Vec<u8>) -> wasmtime::Result<bool> {
        Ok(constant_time::verify_slices_are_equal(&a, &b).is_ok())
    }
}

fn bounded(message: &[u8]) -> Result<(), String> {
    if message.len() <= MAX_MESSAGE {
        return Ok(());
    }
    Err(format!("the message has {} bytes; {MAX_MESSAGE} are the most", message.len()))
}

fn verify(algorithm: SignatureAlgorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<bool, String> {
    let family = Family::of(algorithm);
    match (family, key) {
        (Family::Rsa(parameters), PublicKey::Rsa(key)) => {
            let key = components(key)?;
            Ok(key.verify(parameters, message, signature).is_ok())
        }
        (Family::Point(algorithm), PublicKey::Point(bytes)) => parsed(algorithm, bytes, message, signature),
        (Family::Rsa(algorithm), PublicKey::Spki(bytes)) => {
            let good = parsed(algorithm, bytes, message, signature)?;
            // Keys of other sizes are parsed and then verify nothing; only what is refused pays for looking.
            if !good && PublicEncryptingKey::from_der(bytes).is_err() {
                return Err("the key is no RSA key with a modulus of 2048 to 8192 bits".into());
            }
            Ok(good)
        }
        (Family::Point(algorithm), PublicKey::Spki(bytes)) => parsed(algorithm, bytes, message, signature),
        (Family::Rsa(_), PublicKey::Point(_)) => Err("the key is a point; this algorithm needs an RSA key".into()),
        (Family::Point(_), PublicKey::Rsa(_)) => Err("the key is an RSA key; this algorithm needs a point".into()),
    }
}

/// What a kind of key can verify.
enum Family {
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

impl Family {
    fn of(algorithm: SignatureAlgorithm) -> Self {
        match algorithm {
            SignatureAlgorithm::Rs256 => Self::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            SignatureAlgorithm::Rs384 => Self::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            SignatureAlgorithm::Rs512 => Self::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            SignatureAlgorithm::Ps256 => Self::Rsa(&RSA_PSS_2048_8192_SHA256),
            SignatureAlgorithm::Ps384 => Self::Rsa(&RSA_PSS_2048_8192_SHA384),
            SignatureAlgorithm::Ps512 => Self::Rsa(&RSA_PSS_2048_8192_SHA512),
            SignatureAlgorithm::Es256 => Self::Point(&ECDSA_P256_SHA256_FIXED),
            SignatureAlgorithm::Es384 => Self::Point(&ECDSA_P384_SHA384_FIXED),
            SignatureAlgorithm::Es512 => Self::Point(&ECDSA_P521_SHA512_FIXED),
            SignatureAlgorithm::Eddsa => Self::Point(&ED25519),
        }
    }
}

/// An RSA key of a size that is safe and doesn't take long.
fn components(key: &RsaKey) -> Result<RsaPublicKeyComponents<&[u8]>, String> {
    let trim = |number: &'_ [u8]| number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let n = key.modulus.get(trim(&key.modulus)..).unwrap_or_default();
    let e = key.exponent.get(trim(&key.exponent)..).unwrap_or_default();
    let bits = (n.len() * 8).saturating_sub(n.first().map_or(0, |byte| byte.leading_zeros() as usize));
    if n.len() > MAX_MODULUS || bits < 2048 {
        return Err(format!("the modulus has {bits} bits; it must have 2048 to 8192"));
    }
    let odd = e.last().is_some_and(|byte| byte % 2 == 1);
    if e.len() > MAX_EXPONENT || !odd || e == [1] {
        return Err("the exponent must be an odd number from 3 to 2³²".into());
    }
    Ok(RsaPublicKeyComponents { n, e })
}

fn parsed(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<bool, String> {
    if key.len() > 2 * MAX_MODULUS {
        return Err(format!("the key has {} bytes; {} are the most", key.len(), 2 * MAX_MODULUS));
    }
    let key = ParsedPublicKey::new(algorithm, key).map_err(|_| "the key is none for this algorithm")?;
    Ok(key.verify_sig(message, signature).is_ok())
}

fn hash(algorithm: DigestAlgorithm) -> &'static digest::Algorithm {
    match algorithm {
        DigestAlgorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha256 => &digest::SHA256,
        DigestAlgorithm::Sha384 => &digest::SHA384,
        DigestAlgorithm::Sha512 => &digest::SHA512,
    }
}

fn mac(algorithm: DigestAlgorithm) -> hmac::Algorithm {
    match algorithm {
        DigestAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha256 => hmac::HMAC_SHA256,
        DigestAlgorithm::Sha384 => hmac::HMAC_SHA384,
        DigestAlgorithm::Sha512 => hmac::HMAC_SHA512,
    }
}

#[cfg(test)]
mod tests;
