//! The capability `crypto` outside of the gateway: the same library, and the same rules for keys and messages.

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use aws_lc_rs::{constant_time, digest, hmac};

use crate::crypto::{DigestAlgorithm, PublicKey, SignatureAlgorithm};

/// The longest message in bytes.
const MAX_MESSAGE: usize = 1 << 20;

pub(crate) fn crypto_verify(
    algorithm: SignatureAlgorithm,
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, String> {
    bounded(message)?;
    let rsa: Option<&'static RsaParameters> = match algorithm {
        SignatureAlgorithm::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        SignatureAlgorithm::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        SignatureAlgorithm::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        SignatureAlgorithm::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
        SignatureAlgorithm::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
        SignatureAlgorithm::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    };
    let curve: Option<&'static dyn VerificationAlgorithm> = match algorithm {
        SignatureAlgorithm::Es256 => Some(&ECDSA_P256_SHA256_FIXED),
        SignatureAlgorithm::Es384 => Some(&ECDSA_P384_SHA384_FIXED),
        SignatureAlgorithm::Es512 => Some(&ECDSA_P521_SHA512_FIXED),
        SignatureAlgorithm::Eddsa => Some(&ED25519),
        _ => None,
    };
    let parsed = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
        let key = ParsedPublicKey::new(algorithm, key).map_err(|_| "the key is none for this algorithm")?;
        Ok(key.verify_sig(message, signature).is_ok())
    };
    match (key, rsa, curve) {
        (PublicKey::Rsa(key), Some(parameters), _) => {
            let (n, e) = (trim(&key.modulus), trim(&key.exponent));
            let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
            if !(2048..=8192).contains(&bits) {
                return Err(format!("the modulus has {bits} bits; it must have 2048 to 8192"));
            }
            if e.len() > 4 || e == [1] || e.last().is_none_or(|byte| byte % 2 == 0) {
                return Err("the exponent must be an odd number from 3 to 2³²".into());
            }
            Ok(RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok())
        }
        (PublicKey::Point(bytes) | PublicKey::Spki(bytes), _, Some(algorithm)) => parsed(algorithm, bytes),
        (PublicKey::Spki(bytes), Some(algorithm), _) => {
            let good = parsed(algorithm, bytes)?;
            if !good && PublicEncryptingKey::from_der(bytes).is_err() {
                return Err("the key is no RSA key with a modulus of 2048 to 8192 bits".into());
            }
            Ok(good)
        }
        (PublicKey::Point(_), ..) => Err("the key is a point; this algorithm needs an RSA key".into()),
        (PublicKey::Rsa(_) | PublicKey::Spki(_), ..) => {
            Err("the key is an RSA key; this algorithm needs a point".into())
        }
    }
}

pub(crate) fn crypto_hmac(algorithm: DigestAlgorithm, key: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
    bounded(key)?;
    bounded(message)?;
    let algorithm = match algorithm {
        DigestAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha256 => hmac::HMAC_SHA256,
        DigestAlgorithm::Sha384 => hmac::HMAC_SHA384,
        DigestAlgorithm::Sha512 => hmac::HMAC_SHA512,
    };
    Ok(hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec())
}

pub(crate) fn crypto_digest(algorithm: DigestAlgorithm, message: &[u8]) -> Result<Vec<u8>, String> {
    bounded(message)?;
    let algorithm = match algorithm {
        DigestAlgorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha256 => &digest::SHA256,
        DigestAlgorithm::Sha384 => &digest::SHA384,
        DigestAlgorithm::Sha512 => &digest::SHA512,
    };
    Ok(digest::digest(algorithm, message).as_ref().to_vec())
}

pub(crate) fn crypto_equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

fn trim(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bounded(message: &[u8]) -> Result<(), String> {
    if message.len() <= MAX_MESSAGE {
        return Ok(());
    }
    Err(format!("the message has {} bytes; {MAX_MESSAGE} are the most", message.len()))
}
