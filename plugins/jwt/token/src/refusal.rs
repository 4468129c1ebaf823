//! Why a token isn't good, and what the client is told: which rule, never the keys or what was expected.

use std::fmt;

use sluice_plugin::prelude::*;

/// Why a token was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It's no token in the compact form.
    Malformed(&'static str),
    /// Its algorithm isn't one of those allowed.
    Algorithm,
    /// No key fits its `kid` and algorithm. Newer keys may.
    UnknownKey,
    /// It's signed by somebody else, or was changed.
    Signature,
    /// `exp` has passed.
    Expired,
    /// `nbf` hasn't come yet.
    NotYet,
    /// It was issued too long ago.
    TooOld,
    /// It lacks this claim, or the claim has another form or value than it must.
    Claim(String),
    /// It's good, but doesn't have all these scopes.
    Scope(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "the token is malformed: {what}"),
            Self::Algorithm => f.write_str("the token's algorithm isn't accepted"),
            Self::UnknownKey => f.write_str("the token's key isn't known"),
            Self::Signature => f.write_str("the token's signature is wrong"),
            Self::Expired => f.write_str("the token has expired"),
            Self::NotYet => f.write_str("the token isn't valid yet"),
            Self::TooOld => f.write_str("the token was issued too long ago"),
            Self::Claim(name) => write!(f, "the token's claim {name} isn't accepted"),
            Self::Scope(scopes) => write!(f, "the token needs the scope {scopes}"),
        }
    }
}

impl Refusal {
    /// The answer to it (RFC 6750 section 3).
    #[must_use]
    pub fn answer(&self) -> LocalResponse {
        let text = self.to_string();
        let (status, title, challenge) = match self {
            Self::Scope(scopes) => (
                403,
                "The token isn't sufficient",
                format!("Bearer error=\"insufficient_scope\", error_description=\"{text}\", scope=\"{scopes}\""),
            ),
            _ => {
                (401, "The token isn't valid", format!("Bearer error=\"invalid_token\", error_description=\"{text}\""))
            }
        };
        LocalResponse::detailed_problem(status, title, &text).with_header("www-authenticate", challenge)
    }
}
