//! Where an entry of the configuration stands.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The place of an entry, such as `sluice.toml:12`. Entries that differ in nothing else are the same: one that has only
/// moved within its file keeps its connections, health and counters.
#[derive(Clone, Default)]
pub struct Place(Arc<str>);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Deref for Place {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Place {
    fn from(place: String) -> Self {
        Self(place.into())
    }
}

impl From<&str> for Place {
    fn from(place: &str) -> Self {
        Self(place.into())
    }
}
