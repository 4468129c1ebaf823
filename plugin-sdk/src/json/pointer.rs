//! JSON pointers (RFC 6901).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};

use crate::{Error, Result};

/// Where in a document: `/items/0/name`. The empty pointer is the whole document. In an array, `-` is the place
/// after the last element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(pub(super) Vec<String>);

impl Pointer {
    /// Parse a pointer; `~1` is a slash and `~0` a tilde in a name.
    ///
    /// # Errors
    /// It neither is empty nor begins with a slash, or a tilde stands for nothing.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Some(tokens) = text.strip_prefix('/') else {
            return Err(Error::new("a JSON pointer begins with `/`"));
        };
        tokens.split('/').map(unescape).collect::<Result<_>>().map(Self)
    }
}

fn unescape(token: &str) -> Result<String> {
    let mut out = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '~' => match characters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(Error::new("in a JSON pointer, write `~0` for `~` and `~1` for `/`")),
            },
            other => other,
        });
    }
    Ok(out)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
