//! Requests to the clusters that the grant names: `grants = [{ http-client = ["users"] }]`.
//! Neither address nor scheme ever comes from a plugin.
//!
//! ```
//! use std::time::Duration;
//! use sluice_plugin::http::{self, OutgoingRequest};
//! # use sluice_plugin::{http::IncomingResponse, serde_json::json, test::MockHost};
//! # let host = MockHost::new();
//! # host.on_cluster("users", |_| Ok(IncomingResponse::json(200, &json!({ "name": "Alice" }))));
//! # host.on_cluster("orders", |_| Err(http::ClientError::Timeout));
//! # host.run(|| {
//! let requests = [
//!     OutgoingRequest::get("users", "/users/7").with_timeout(Duration::from_millis(300)),
//!     OutgoingRequest::get("orders", "/orders?user=7"),
//! ];
//! let mut answers = http::send_all(&requests).into_iter();
//! let user: serde_json::Value = answers.next().unwrap()?.decode()?;
//! assert_eq!(user["name"], "Alice");
//! # Ok::<(), sluice_plugin::Error>(())
//! # }).unwrap();
//! # use sluice_plugin::serde_json;
//! ```

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::field::{self, Field};
use crate::{Result, sys};

/// A request to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRequest {
    /// The name of a cluster.
    pub cluster: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query: `/users/7?full=1`. Build it with [`template`](crate::template) or
    /// [`encode`](crate::encode) where parts come from outside.
    pub target: String,
    /// `host`, framing and hop-by-hop fields are the gateway's to set.
    pub headers: Vec<Field>,
    /// The whole body.
    pub body: Vec<u8>,
    /// Milliseconds until the whole answer must be there; none: the cluster's own timeouts.
    pub timeout_ms: Option<u32>,
}

impl OutgoingRequest {
    /// A request without headers and body.
    pub fn new(method: impl Into<String>, cluster: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            cluster: cluster.into(),
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
        }
    }

    /// A GET request.
    pub fn get(cluster: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new("GET", cluster, target)
    }

    /// A POST request with anything that serializes, as JSON.
    ///
    /// # Errors
    /// It doesn't serialize.
    pub fn post_json(cluster: impl Into<String>, target: impl Into<String>, body: &impl Serialize) -> Result<Self> {
        let request = Self::new("POST", cluster, target).with_header("content-type", "application/json");
        Ok(request.with_body(serde_json::to_vec(body)?))
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

    /// The time in which the whole answer must be there.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Send it and wait for the whole answer.
    ///
    /// # Errors
    /// There is no answer. An answer of any status is not an error.
    pub fn send(&self) -> Result<IncomingResponse, ClientError> {
        sys::send(self)
    }
}

/// Send all at once, in parallel; the results are in the order of the requests.
pub fn send_all(requests: &[OutgoingRequest]) -> Vec<Result<IncomingResponse, ClientError>> {
    sys::send_all(requests)
}

/// A whole answer of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingResponse {
    /// The status code.
    pub status: u16,
    /// Fields of one name keep their order.
    pub headers: Vec<Field>,
    /// The whole body, as it came.
    pub body: Vec<u8>,
}

impl IncomingResponse {
    /// An answer with a JSON body, for tests.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![Field::new("content-type", "application/json")];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// Whether the status is 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..=299).contains(&self.status)
    }

    /// The first value of a field; names compare without case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        field::first(&self.headers, name)
    }

    /// The first value of a field, if it is text.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.header(name)?).ok()
    }

    /// The body decoded from JSON.
    ///
    /// # Errors
    /// It isn't JSON of this type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientError {
    /// The grant doesn't name this cluster.
    NotGranted,
    /// The request is malformed; the text says where.
    Invalid(String),
    /// No whole answer in time.
    Timeout,
    /// No endpoint, no connection, or the connection broke.
    Unavailable,
    /// The answer's body is bigger than `limits.response`.
    TooLarge,
    /// This request has come through this gateway before.
    LoopDetected,
    /// `limits.calls` is used up for this exchange.
    TooManyCalls,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotGranted => "the grant `http-client` doesn't name this cluster",
            Self::Invalid(what) => what,
            Self::Timeout => "no whole answer in time",
            Self::Unavailable => "no endpoint, no connection, or the connection broke",
            Self::TooLarge => "the answer is bigger than `limits.response`",
            Self::LoopDetected => "the request has come through this gateway before",
            Self::TooManyCalls => "`limits.calls` is used up for this exchange",
        })
    }
}

impl std::error::Error for ClientError {}
