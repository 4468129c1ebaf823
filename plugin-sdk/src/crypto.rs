//! Signatures, message authentication codes and digests at native speed. Grant: `crypto`.
//!
//! No key is kept by the gateway: what is secret comes from the plugin's own configuration.
//!
//! ```
//! # use sluice_plugin::{crypto, test::MockHost};
//! # let host = MockHost::new();
//! # host.run(|| {
//! use crypto::DigestAlgorithm::Sha256;
//! let tag = crypto::hmac(Sha256, b"a secret", b"message")?;
//! assert!(crypto::equal(&tag, &crypto::hmac(Sha256, b"a secret", b"message")?));
//! # Ok::<(), crypto::CryptoError>(())
//! # }).unwrap();
//! ```

use std::fmt;

use crate::sys;

/// A digest, also inside of a message authentication code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// Only for what others have signed with it long ago.
    Sha1,
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

/// A signature, by its name in RFC 7518 section 3.1 and RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// RSA, PKCS #1 v1.5, SHA-384.
    Rs384,
    /// RSA, PKCS #1 v1.5, SHA-512.
    Rs512,
    /// RSA, PSS, SHA-256.
    Ps256,
    /// RSA, PSS, SHA-384.
    Ps384,
    /// RSA, PSS, SHA-512.
    Ps512,
    /// P-256, SHA-256; the two numbers of the signature one after the other.
    Es256,
    /// P-384, SHA-384.
    Es384,
    /// P-521, SHA-512.
    Es512,
    /// Ed25519.
    Eddsa,
}

/// The public half of a key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// For `Rs…` and `Ps…`.
    Rsa(RsaKey),
    /// The point of an elliptic curve: the byte 4 and both coordinates; or the 32 bytes of an Ed25519 key.
    Point(Vec<u8>),
    /// Any of them as a SubjectPublicKeyInfo in DER (RFC 5280 section 4.1): the inside of a `PUBLIC KEY` in PEM.
    Spki(Vec<u8>),
}

/// An RSA key of 2048 to 8192 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsaKey {
    /// Big-endian.
    pub modulus: Vec<u8>,
    /// Big-endian.
    pub exponent: Vec<u8>,
}

/// Whether `signature` is good for `message`.
///
/// # Errors
/// The key is none for this algorithm, or the message is longer than 1 MiB.
pub fn verify(
    algorithm: SignatureAlgorithm,
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    sys::crypto_verify(algorithm, key, message, signature).map_err(CryptoError)
}

/// The message authentication code of RFC 2104.
///
/// # Errors
/// Key or message is longer than 1 MiB.
pub fn hmac(algorithm: DigestAlgorithm, key: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    sys::crypto_hmac(algorithm, key, message).map_err(CryptoError)
}

/// The digest of a message.
///
/// # Errors
/// The message is longer than 1 MiB.
pub fn digest(algorithm: DigestAlgorithm, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    sys::crypto_digest(algorithm, message).map_err(CryptoError)
}

/// Whether both are the same bytes, in a time that depends on their lengths alone.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    sys::crypto_equal(a, b)
}

/// What is wrong with a key or a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptoError(pub String);

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CryptoError {}
