//! Small values kept by the gateway, private to this plugin, shared by all its instances, alive
//! over reloads, lost at a restart. Grant: `kv`.

use std::fmt;
use std::time::Duration;

use crate::{millis, sys};

/// Why the store refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvError {
    /// A key (256 bytes), a value (64 KiB) or the plugin's whole store (`limits.kv`) is too big;
    /// the text says which.
    TooLarge(String),
    /// The value isn't a counter: [`increment`] wants the 8 bytes that it writes itself.
    NotACounter,
    /// The store can't be reached.
    Unavailable,
}

/// What is stored under `key`.
///
/// # Errors
/// [`KvError::Unavailable`], or the key is too long.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, KvError> {
    sys::kv_get(key)
}

/// Store a value. Without a time to live it stays until it is deleted or evicted.
///
/// # Errors
/// [`KvError::TooLarge`], [`KvError::Unavailable`]
pub fn set(key: &str, value: impl AsRef<[u8]>, time_to_live: Option<Duration>) -> Result<(), KvError> {
    sys::kv_set(key, value.as_ref(), time_to_live.map(millis))
}

/// Whether there was something to delete.
///
/// # Errors
/// [`KvError::Unavailable`], or the key is too long.
pub fn delete(key: &str) -> Result<bool, KvError> {
    sys::kv_delete(key)
}

/// Add to a counter in one step and return the sum. A new counter starts at 0 and, with
/// a time to live, ends that long after it was made.
///
/// # Errors
/// [`KvError::NotACounter`], [`KvError::TooLarge`], [`KvError::Unavailable`]
pub fn increment(key: &str, by: i64, time_to_live: Option<Duration>) -> Result<i64, KvError> {
    sys::kv_increment(key, by, time_to_live.map(millis))
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(what) => f.write_str(what),
            Self::NotACounter => f.write_str("the value isn't a counter"),
            Self::Unavailable => f.write_str("the store can't be reached"),
        }
    }
}

impl std::error::Error for KvError {}
