//! Keys and sets of keys (RFC 7517, RFC 7518 section 6, RFC 8037 section 2). Private parts are never read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_plugin::crypto::{self, PublicKey, RsaKey};
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::{self, Value};

use crate::algorithm::{Algorithm, Family, Method};
use crate::pem;

/// More than any issuer has.
const MOST_KEYS: usize = 100;

/// The keys of an issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    kid: Option<String>,
    /// The only algorithm that it is for; otherwise all of its family.
    algorithm: Option<Algorithm>,
    family: Family,
    pub(crate) material: Material,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Material {
    Public(PublicKey),
    Secret(Vec<u8>),
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Public(key) => key.fmt(f),
            Self::Secret(_) => f.write_str("Secret"),
        }
    }
}

/// A key as it is written. What it doesn't name doesn't matter.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

impl KeySet {
    /// Read a set (`{"keys": […]}`) or a single key. Keys that aren't for signatures, or of a kind that isn't known
    /// here, are left out, as RFC 7517 section 5 asks; `skipped` is told why.
    ///
    /// # Errors
    /// It isn't a set, or none of its keys can be used.
    pub fn read(set: Value, mut skipped: impl FnMut(usize, &str)) -> Result<Self, String> {
        let keys = match set {
            Value::Object(mut set) => match set.remove("keys") {
                Some(Value::Array(keys)) => keys,
                Some(_) => return Err("`keys` must be a list".into()),
                None if set.contains_key("kty") => vec![Value::Object(set)],
                None => return Err("must be a JSON web key set: an object with the list `keys`".into()),
            },
            _ => return Err("must be a JSON web key set: an object with the list `keys`".into()),
        };
        if keys.len() > MOST_KEYS {
            return Err(format!("has {} keys; {MOST_KEYS} are the most", keys.len()));
        }
        let mut read = Vec::new();
        for (index, key) in keys.into_iter().enumerate() {
            match Key::read(key) {
                Ok(key) => read.push(key),
                Err(why) => skipped(index, &why),
            }
        }
        if read.is_empty() { Err("has no key for signatures".into()) } else { Ok(Self(read)) }
    }

    /// Read a set as text.
    ///
    /// # Errors
    /// As [`Self::read`]; or it isn't JSON.
    pub fn parse(text: &[u8], skipped: impl FnMut(usize, &str)) -> Result<Self, String> {
        let set = serde_json::from_slice(text).map_err(|_| "isn't JSON".to_owned())?;
        Self::read(set, skipped)
    }

    /// The same for a set that everybody can read: secrets in it are left out.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_public(text: &[u8], mut skipped: impl FnMut(usize, &str)) -> Result<Self, String> {
        let mut keys = Self::parse(text, &mut skipped)?;
        let all = keys.0.len();
        keys.0.retain(|key| key.family != Family::Secret);
        if keys.is_empty() {
            return Err("has no public key for signatures".into());
        }
        if keys.0.len() < all {
            skipped(0, "a set that is fetched can't hold secrets");
        }
        Ok(keys)
    }

    /// Add the keys of another set.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Add public keys as `PUBLIC KEY` in PEM.
    ///
    /// # Errors
    /// There is none, or one can't be used.
    pub(crate) fn add_pem(&mut self, text: &str) -> Result<(), String> {
        for der in pem::public_keys(text)? {
            let family = pem::family(&der).ok_or("the key is neither RSA, nor on P-256, P-384, P-521, nor Ed25519")?;
            let key = Key { kid: None, algorithm: None, family, material: Material::Public(PublicKey::Spki(der)) };
            key.check()?;
            self.0.push(key);
        }
        Ok(())
    }

    /// Add a secret.
    ///
    /// # Errors
    /// It is too short for any algorithm.
    pub(crate) fn add_secret(&mut self, secret: &[u8]) -> Result<(), String> {
        let key =
            Key { kid: None, algorithm: None, family: Family::Secret, material: Material::Secret(secret.to_vec()) };
        key.check()?;
        self.0.push(key);
        Ok(())
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a key for the algorithm.
    pub(crate) fn serves(&self, algorithm: Algorithm) -> bool {
        self.0.iter().any(|key| key.fits(algorithm))
    }

    /// The keys that may have made a signature: of its name, or without one.
    pub(crate) fn fitting(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            let named = match (kid, &key.kid) {
                (Some(kid), Some(name)) => kid == name,
                (None, _) | (_, None) => true,
            };
            named && key.fits(algorithm)
        })
    }
}

impl Key {
    fn read(key: Value) -> Result<Self, String> {
        let jwk: Jwk = serde_json::from_value(key).map_err(|_| "a member has the wrong type, or `kty` is missing")?;
        if jwk.r#use.as_deref().is_some_and(|r#use| r#use != "sig") {
            return Err("its `use` isn't `sig`".into());
        }
        if jwk.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
            return Err("its `key_ops` don't have `verify`".into());
        }
        let (family, material) = jwk.material()?;
        let algorithm = match &jwk.alg {
            Some(name) => Some(Algorithm::by_name(name).ok_or("its `alg` isn't one for signatures")?),
            None => None,
        };
        if algorithm.is_some_and(|algorithm| algorithm.family() != family) {
            return Err("its `alg` doesn't go with its `kty` or `crv`".into());
        }
        let key = Self { kid: jwk.kid, algorithm, family, material };
        key.check()?;
        Ok(key)
    }

    /// Whether it can check signatures at all.
    fn check(&self) -> Result<(), String> {
        let algorithm = self.algorithm.unwrap_or(self.family.any());
        match (&self.material, algorithm.method()) {
            (Material::Public(key), Method::Signature(algorithm)) => {
                crypto::verify(algorithm, key, b"", b"").map(drop).map_err(|error| error.to_string())
            }
            (Material::Secret(secret), _) if secret.len() < algorithm.least_secret() => Err(format!(
                "the secret has {} bytes; {} needs {} at least",
                secret.len(),
                algorithm.name(),
                algorithm.least_secret()
            )),
            _ => Ok(()),
        }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        let long_enough = match &self.material {
            Material::Secret(secret) => secret.len() >= algorithm.least_secret(),
            Material::Public(_) => true,
        };
        self.family == algorithm.family() && self.algorithm.is_none_or(|own| own == algorithm) && long_enough
    }
}

impl Jwk {
    fn material(&self) -> Result<(Family, Material), String> {
        let part = |name: &str, value: &Option<String>| {
            let value = value.as_deref().ok_or_else(|| format!("`{name}` is missing"))?;
            URL_SAFE_NO_PAD.decode(value).map_err(|_| format!("`{name}` isn't base64url"))
        };
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let key = RsaKey { modulus: part("n", &self.n)?, exponent: part("e", &self.e)? };
                Ok((Family::Rsa, Material::Public(PublicKey::Rsa(key))))
            }
            ("EC", Some(curve)) => {
                let (family, size) = match curve {
                    "P-256" => (Family::P256, 32),
                    "P-384" => (Family::P384, 48),
                    "P-521" => (Family::P521, 66),
                    _ => return Err("its curve isn't known here".into()),
                };
                let mut point = vec![4];
                for coordinate in [part("x", &self.x)?, part("y", &self.y)?] {
                    if coordinate.len() != size {
                        return Err(format!("a coordinate has {} bytes instead of {size}", coordinate.len()));
                    }
                    point.extend(coordinate);
                }
                Ok((family, Material::Public(PublicKey::Point(point))))
            }
            ("OKP", Some("Ed25519")) => Ok((Family::Ed25519, Material::Public(PublicKey::Point(part("x", &self.x)?)))),
            ("oct", _) => Ok((Family::Secret, Material::Secret(part("k", &self.k)?))),
            _ => Err("its `kty` or `crv` isn't known here".into()),
        }
    }
}
