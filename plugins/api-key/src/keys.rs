//! The keys and whom they stand for.
//!
//! Keys are looked up by a tag of 128 bits that can't be foreseen without knowing all of them: how long that
//! takes says nothing about how much of a key was guessed. SipHash is made for this, and takes a tenth of the time
//! of a digest (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use siphasher::sip128::SipHasher24;
use sluice_plugin::config;
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::{Map, Value};

/// By tag.
pub struct Keys {
    tags: SipHasher24,
    identities: BTreeMap<u128, Identity>,
}

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
        let mut read = Reading::default();
        match keys {
            Value::Object(table) => {
                for (key, caller) in table {
                    read.add("keys", key, read_caller(caller)?)?;
                }
            }
            Value::Array(_) => {
                let entries: Vec<Entry> = config::decode_part("keys", keys)?;
                for (index, Entry { key, subject, claims }) in entries.into_iter().enumerate() {
                    read.add(&format!("keys[{index}]"), key, Caller { subject, claims })?;
                }
            }
            _ => {
                let what = "must be a table from keys to subjects, or a list of entries with key and subject";
                return Err(Error::at("keys", what));
            }
        }
        if read.0.is_empty() { Err(Error::at("keys", "there must be at least one")) } else { Ok(read.finish()) }
    }

    /// Whom a key stands for.
    pub fn find(&self, key: &[u8]) -> Option<&Identity> {
        self.identities.get(&self.tags.hash(key).as_u128())
    }
}

/// By key.
#[derive(Default)]
struct Reading(BTreeMap<String, Identity>);

impl Reading {
    fn add(&mut self, at: &str, key: String, caller: Caller) -> Result<()> {
        if key.is_empty() || key.trim() != key || !key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            let what = "a key must be of visible ASCII characters, since it comes in a header field";
            return Err(Error::at(at, format_args!("{what}; the one for `{}` isn't", caller.subject)));
        }
        if caller.subject.is_empty() {
            return Err(Error::at(at, "the subject must not be empty"));
        }
        let identity = Identity::new(caller.subject).with_claims(&caller.claims)?;
        if let Some(other) = self.0.insert(key, identity) {
            return Err(Error::at(at, format_args!("another entry, for `{}`, has the same key", other.subject)));
        }
        Ok(())
    }

    /// Tag the keys, with a secret that is made of all of them.
    fn finish(self) -> Keys {
        let mut all = Sha256::new();
        for key in self.0.keys() {
            // No key has a line break in it, so no two lists of keys look the same.
            all.update(key);
            all.update(b"\n");
        }
        let mut secret = [0; 16];
        for (byte, made) in secret.iter_mut().zip(all.finalize()) {
            *byte = made;
        }
        let tags = SipHasher24::new_with_key(&secret);
        let identities =
            self.0.into_iter().map(|(key, identity)| (tags.hash(key.as_bytes()).as_u128(), identity)).collect();
        Keys { tags, identities }
    }
}

fn read_caller(caller: Value) -> Result<Caller> {
    match caller {
        Value::String(subject) => Ok(Caller { subject, claims: Map::new() }),
        // The path has no name for the key, which is a secret.
        caller => config::decode_part("keys.…", caller),
    }
}
