//! What the operator says; see the plugins' README.md.

use sluice_plugin::config::Span;
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::jwk::KeySet;

/// The configuration of both plugins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A table, or its text.
    pub(crate) jwks: Option<Value>,
    #[serde(default)]
    pub(crate) public_keys: Many,
    pub(crate) secret: Option<String>,
    /// Only for the plugin `jwt-remote`.
    pub fetch: Option<Fetch>,
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    #[serde(default)]
    pub(crate) issuer: Many,
    #[serde(default)]
    pub(crate) audience: Many,
    #[serde(default = "default_leeway")]
    pub(crate) leeway: Span,
    pub(crate) max_age: Option<Span>,
    #[serde(default = "yes")]
    pub(crate) require_expiry: bool,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) required_claims: Map<String, Value>,
    #[serde(default = "default_subject")]
    pub(crate) subject_claim: String,
    #[serde(default = "default_header")]
    pub(crate) header: String,
    pub(crate) cookie: Option<String>,
    #[serde(default = "yes")]
    pub(crate) hide_credentials: bool,
}

/// Where keys are fetched from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// A cluster of the grant `http-client`.
    pub cluster: String,
    /// `/.well-known/jwks.json`
    pub path: String,
    /// How old keys may be before they are fetched again.
    #[serde(default = "default_every")]
    pub every: Span,
    /// How long a fetch may take.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
}

/// One string, or a list of them.
#[derive(Default)]
pub(crate) struct Many(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Many {
    fn deserialize<D: sluice_plugin::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> sluice_plugin::serde::de::Visitor<'de> for Either {
            type Value = Many;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<Many, E> {
                Ok(Many(vec![text.to_owned()]))
            }

            fn visit_seq<A: sluice_plugin::serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Many, A::Error> {
                let mut all = Vec::new();
                while let Some(text) = list.next_element()? {
                    all.push(text);
                }
                Ok(Many(all))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn default_leeway() -> Span {
    Span(std::time::Duration::from_secs(30))
}

fn default_every() -> Span {
    Span(std::time::Duration::from_secs(300))
}

fn default_timeout() -> Span {
    Span(std::time::Duration::from_secs(2))
}

fn default_subject() -> String {
    "sub".into()
}

fn default_header() -> String {
    "authorization".into()
}

fn yes() -> bool {
    true
}

impl Config {
    /// The keys that are configured: `jwks`, `public_keys` and `secret`. Every one must be good.
    ///
    /// # Errors
    /// Which key is wrong, without the secrets.
    pub fn keys(&self) -> Result<KeySet> {
        let mut keys = match &self.jwks {
            None => KeySet::default(),
            Some(set) => {
                let mut wrong = None;
                let note = |index: usize, why: &str| {
                    wrong.get_or_insert_with(|| format!("keys[{index}]: {why}"));
                };
                let read = match set {
                    Value::String(text) => KeySet::parse(text.as_bytes(), note),
                    set => KeySet::read(set.clone(), note),
                };
                match (wrong, read) {
                    (Some(why), _) | (None, Err(why)) => return Err(Error::at("jwks", why)),
                    (None, Ok(keys)) => keys,
                }
            }
        };
        for (index, text) in self.public_keys.0.iter().enumerate() {
            keys.add_pem(text).map_err(|why| Error::at(format_args!("public_keys[{index}]"), why))?;
        }
        if let Some(secret) = &self.secret {
            keys.add_secret(secret.as_bytes()).map_err(|why| Error::at("secret", why))?;
        }
        Ok(keys)
    }

    /// The keys of a plugin that has no others.
    ///
    /// # Errors
    /// As [`Self::keys`]; or there are none, or an algorithm is named that none of them is for.
    pub fn only_keys(&self) -> Result<KeySet> {
        let keys = self.keys()?;
        if keys.is_empty() {
            return Err(Error::new("there are no keys; give `jwks`, `public_keys` or `secret`"));
        }
        for algorithm in self.algorithms.iter().flatten() {
            if !keys.serves(*algorithm) {
                return Err(Error::at("algorithms", format_args!("there is no key for {}", algorithm.name())));
            }
        }
        Ok(keys)
    }
}
