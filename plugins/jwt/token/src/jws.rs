//! Signatures in the compact form (RFC 7515 section 7.1): three parts in base64url, nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::Value;
use sluice_plugin::{crypto, serde_json};

use crate::algorithm::{Algorithm, Method};
use crate::jwk::{Key, KeySet, Material};
use crate::refusal::Refusal;
use crate::unique::Unique;

/// The longest token in bytes. Header fields of gateways end near there too.
pub(crate) const MAX_TOKEN: usize = 16 << 10;
/// A token without `kid` is tried with so many keys at most: each costs a signature.
const MOST_TRIES: usize = 8;

/// The part of the protected header that counts. What a token says about where its key is (`jwk`, `jku`, `x5u`,
/// `x5c`) is never read.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
    b64: Option<Value>,
}

/// The payload of a token that one of the keys has signed by one of the algorithms.
///
/// # Errors
/// Why it isn't good.
pub fn verify(token: &str, keys: &KeySet, algorithms: &[Algorithm]) -> Result<Vec<u8>, Refusal> {
    if token.len() > MAX_TOKEN {
        return Err(Refusal::Malformed("it is too long"));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed("it has too few parts"))?;
    let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed("it has too few parts"))?;
    if payload.contains('.') {
        return Err(Refusal::Malformed("it has too many parts"));
    }
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed("it isn't base64url"));
    let unread = |_| Refusal::Malformed("its header isn't understood");
    let Unique(header) = serde_json::from_slice(&decode(header)?).map_err(unread)?;
    let header = Header::deserialize(&header).map_err(unread)?;
    header.check()?;
    let algorithm = Algorithm::by_name(&header.alg).filter(|algorithm| algorithms.contains(algorithm));
    let algorithm = algorithm.ok_or(Refusal::Algorithm)?;
    let (payload, signature) = (decode(payload)?, decode(signature)?);
    if signature.is_empty() {
        return Err(Refusal::Signature);
    }
    let mut outcome = Refusal::UnknownKey;
    for key in keys.fitting(header.kid.as_deref(), algorithm).take(MOST_TRIES) {
        if is_signed(key, algorithm, signed.as_bytes(), &signature) {
            return Ok(payload);
        }
        outcome = Refusal::Signature;
    }
    Err(outcome)
}

impl Header {
    fn check(&self) -> Result<(), Refusal> {
        // No extension is understood here, so none may be critical (RFC 7515 section 4.1.11, RFC 7797).
        if self.crit.is_some() || self.b64.is_some() {
            return Err(Refusal::Malformed("its header has critical extensions"));
        }
        // A token made for something else isn't one to get in with (RFC 8725 section 3.11).
        let is_usual = self.typ.as_deref().is_none_or(|typ| {
            let typ = typ.to_ascii_lowercase();
            ["jwt", "at+jwt"].contains(&typ.strip_prefix("application/").unwrap_or(&typ))
        });
        if is_usual { Ok(()) } else { Err(Refusal::Malformed("its `typ` is of another kind")) }
    }
}

fn is_signed(key: &Key, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    match (&key.material, algorithm.method()) {
        (Material::Public(public), Method::Signature(algorithm)) => {
            crypto::verify(algorithm, public, message, signature).unwrap_or(false)
        }
        (Material::Secret(secret), Method::Mac(digest)) => {
            crypto::hmac(digest, secret, message).is_ok_and(|mac| crypto::equal(&mac, signature))
        }
        // Never: the key's family has been compared.
        _ => false,
    }
}
