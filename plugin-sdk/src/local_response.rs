//! Answers made by plugins.

use serde::Serialize;

use crate::field::{self, Field};
use crate::{Error, Result};

/// An answer made by a plugin. The gateway adds the framing fields itself.
///
/// ```
/// # use sluice_plugin::LocalResponse;
/// let answer = LocalResponse::problem(403, "Not your account").with_header("cache-control", "no-store");
/// assert_eq!(answer.header("content-type"), Some(&b"application/problem+json"[..]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalResponse {
    /// 200 to 599.
    pub status: u16,
    /// Fields of one name keep their order.
    pub headers: Vec<Field>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl LocalResponse {
    /// An answer without body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Plain text in UTF-8.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::typed(status, "text/plain; charset=utf-8", body.into().into_bytes())
    }

    /// Anything that serializes, as JSON.
    ///
    /// # Errors
    /// It doesn't serialize.
    pub fn json(status: u16, body: &impl Serialize) -> Result<Self> {
        Ok(Self::typed(status, "application/json", serde_json::to_vec(body)?))
    }

    /// A problem document (RFC 9457) with a title that says in a few words what is wrong. The title goes to the
    /// client: nothing internal, nothing secret.
    #[must_use]
    pub fn problem(status: u16, title: &str) -> Self {
        Self::problem_with(status, title, None)
    }

    /// A problem document (RFC 9457) that also says in a sentence what is wrong *this time*.
    #[must_use]
    pub fn detailed_problem(status: u16, title: &str, detail: &str) -> Self {
        Self::problem_with(status, title, Some(detail))
    }

    fn problem_with(status: u16, title: &str, detail: Option<&str>) -> Self {
        let mut body = serde_json::Map::new();
        body.insert("title".to_owned(), title.into());
        body.insert("status".to_owned(), status.into());
        if let Some(detail) = detail {
            body.insert("detail".to_owned(), detail.into());
        }
        Self::typed(status, "application/problem+json", serde_json::Value::Object(body).to_string().into_bytes())
    }

    /// A body with its media type.
    pub fn typed(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::empty(status).with_header("content-type", content_type).with_body(body)
    }

    /// Add a field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(Field::new(name, value));
        self
    }

    /// Replace the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The first value of a field; names compare without case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        field::first(&self.headers, name)
    }

    /// The body decoded from JSON, for tests.
    ///
    /// # Errors
    /// It isn't JSON of this type.
    pub fn body_json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(Error::from)
    }
}
