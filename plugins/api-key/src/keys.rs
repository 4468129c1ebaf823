//! The keys and whom they stand for.
//!
//! Keys are looked up by their SHA-256 digest: how long that takes says nothing about how much of a key
//! was guessed.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use sluice_plugin::config;
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::{Map, Value};

/// By digest.
pub struct Keys(BTreeMap<[u8; 32], Identity>);

/// Whom a key stands for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    subject: String,
    #[serde(default)]
    claims: Map<String, Value>,
}

/// An entry of the list form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    subject: String,
    #[serde(default)]
    claims: Map<String, Value>,
}

impl Keys {
    /// Read `keys`: a table from keys to subjects or callers, or a list of entries.
    ///
    /// # Errors
    /// What is wrong, without the keys.
    pub fn read(keys: Value) -> Result<Self> {
        let mut read = Self(BTreeMap::new());
        match keys {
            Value::Object(table) => {
                for (key, caller) in table {
                    read.add("keys", &key, read_caller(caller)?)?;
                }
            }
            Value::Array(_) => {
                let entries: Vec<Entry> = config::decode_part("keys", keys)?;
                for (index, Entry { key, subject, claims }) in entries.into_iter().enumerate() {
                    read.add(&format!("keys[{index}]"), &key, Caller { subject, claims })?;
                }
            }
            _ => {
                let what = "must be a table from keys to subjects, or a list of entries with key and subject";
                return Err(Error::at("keys", what));
            }
        }
        if read.0.is_empty() { Err(Error::at("keys", "there must be at least one")) } else { Ok(read) }
    }

    fn add(&mut self, at: &str, key: &str, caller: Caller) -> Result<()> {
        if key.is_empty() || key.trim() != key || !key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            let what = "a key must be of visible ASCII characters, since it comes in a header field";
            return Err(Error::at(at, format_args!("{what}; the one for `{}` isn't", caller.subject)));
        }
        if caller.subject.is_empty() {
            return Err(Error::at(at, "the subject must not be empty"));
        }
        let identity = Identity::new(caller.subject).with_claims(&caller.claims)?;
        if let Some(other) = self.0.insert(Sha256::digest(key).into(), identity) {
            return Err(Error::at(at, format_args!("another entry, for `{}`, has the same key", other.subject)));
        }
        Ok(())
    }

    /// Whom a key stands for.
    pub fn find(&self, key: &[u8]) -> Option<&Identity> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        self.0.get(&digest)
    }
}

fn read_caller(caller: Value) -> Result<Caller> {
    match caller {
        Value::String(subject) => Ok(Caller { subject, claims: Map::new() }),
        // The path has no name for the key, which is a secret.
        caller => config::decode_part("keys.…", caller),
    }
}
