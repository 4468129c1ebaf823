//! What hooks decide.

use serde::Serialize;

use crate::{Identity, LocalResponse, Result};

/// The outcome of [`Authenticate`](crate::Authenticate).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// The credentials are good. The first identity found in a chain wins.
    Identified(Identity),
    /// None of the credentials this plugin knows are there; another authenticator may find some.
    NoCredentials,
    /// There are credentials and they are bad: answer with this.
    Denied(LocalResponse),
}

/// The outcome of [`Authorize`](crate::Authorize).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Go on.
    Allowed,
    /// Answer with this, usually a 403.
    Denied(LocalResponse),
}

/// The outcome of [`RateLimit`](crate::RateLimit).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on. With a quota, the answer says how much is left.
    Admitted(Option<Quota>),
    /// Answer 429 with `RateLimit`, `RateLimit-Policy` and `Retry-After`.
    Rejected(Quota),
}

/// The state of one limit, for the `RateLimit`, `RateLimit-Policy` and `Retry-After` fields.
/// [`Outcome::verdict`](crate::limiter::Outcome::verdict) makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// The name of the policy, e.g. `per-user`; letters, digits, `-`, `_` and `.`.
    pub policy: String,
    /// How much is allowed in one window.
    pub limit: u64,
    /// The length of the window in milliseconds.
    pub window_ms: u64,
    /// How much is left now.
    pub remaining: u64,
    /// Milliseconds until all of it is available again.
    pub reset_ms: u64,
    /// Milliseconds until this request could be admitted; 0 if it was.
    pub retry_after_ms: u64,
}

/// The outcome of [`OnRequest`](crate::OnRequest) and [`OnResponse`](crate::OnResponse).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on to the next plugin.
    Continue,
    /// Stop here and answer with this.
    Respond(LocalResponse),
    /// Call the body hook with the whole body before anything is sent on. Only for a plugin
    /// that exports that hook.
    NeedBody,
}

/// The outcome of [`OnRequestBody`](crate::OnRequestBody) and [`OnResponseBody`](crate::OnResponseBody).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyDecision {
    /// Send the body on, byte for byte as it came.
    Continue,
    /// Send this instead. `content-length` is set and `content-encoding` removed for you.
    Replace(Vec<u8>),
    /// Stop here and answer with this.
    Respond(LocalResponse),
}

impl BodyDecision {
    /// Send this as JSON instead. The `content-type` stays what it is.
    ///
    /// # Errors
    /// It doesn't serialize.
    pub fn replace_json(body: &impl Serialize) -> Result<Self> {
        Ok(Self::Replace(serde_json::to_vec(body)?))
    }
}
