//! What goes wrong: failures of a plugin, and edits that were refused.

use std::fmt;

/// `Result` with [`Error`] unless another error is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the plugin. In [`configure`](crate::Plugin::configure) its text is shown to the operator; in a hook it is logged,
/// and `on_error` decides what becomes of the exchange. Never put secrets in it.
///
/// `?` makes one of every [`std::error::Error`].
#[derive(Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// A failure in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A configured value that can't be: the key's path, and what it should be.
    ///
    /// ```
    /// # use sluice_plugin::Error;
    /// assert_eq!(Error::at("limits[0].per", "must be at least 1ms").to_string(), "limits[0].per: must be at least 1ms");
    /// ```
    pub fn at(key: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self(format!("{key}: {message}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(message)
    }
}

/// Why an edit was refused. The request or response is as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// The value is no legal name, value, path, method or status; the text says what is wrong with it.
    Invalid(String),
    /// The field belongs to the gateway: framing (`content-length`, `transfer-encoding`, …),
    /// hop-by-hop (`connection`, …), forwarding (`x-forwarded-for`, …) or identity.
    Forbidden,
    /// This object can only be read in this hook.
    ReadOnly,
    /// A bound was exceeded; the text names it.
    TooLarge(String),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(what) => f.write_str(what),
            Self::Forbidden => f.write_str("the field belongs to the gateway"),
            Self::ReadOnly => f.write_str("it can only be read in this hook"),
            Self::TooLarge(bound) => f.write_str(bound),
        }
    }
}

impl std::error::Error for EditError {}
