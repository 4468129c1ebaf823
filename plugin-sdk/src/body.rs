//! Bodies, whole and in pieces.

use std::ops::Deref;

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The whole body of a request or an answer, content codings decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body(Vec<u8>);

impl Body {
    /// The body decoded from JSON.
    ///
    /// # Errors
    /// It isn't JSON, or not of this type. That is the fault of whoever sent it: in a hook, match on it and
    /// answer with a 400 rather than passing it on with `?`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.0)?)
    }

    /// The body as text.
    ///
    /// # Errors
    /// It isn't UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.0).map_err(Error::from)
    }

    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl<B: Into<Vec<u8>>> From<B> for Body {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A piece of a body, in the coding that it is sent in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// At most 64 KiB; empty only if it is the last and nothing was left.
    pub bytes: Vec<u8>,
    /// Nothing comes after it.
    pub last: bool,
}
