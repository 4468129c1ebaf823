//! Who sends a request.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;

/// Who sends the request, as an authenticator vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name of the caller, unique for its issuer.
    pub subject: String,
    /// Who issued the credentials, e.g. a token's `iss`.
    pub issuer: Option<String>,
    /// When the identity ends, in seconds since the Unix epoch.
    pub expires_at: Option<u64>,
    /// Everything else that is known, a JSON object; `{}` if there is nothing.
    pub claims: String,
}

impl Identity {
    /// An identity of which only the subject is known.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), issuer: None, expires_at: None, claims: "{}".to_owned() }
    }

    /// Say who issued the credentials.
    #[must_use]
    pub fn issued_by(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Say when the identity ends, in seconds since the Unix epoch.
    #[must_use]
    pub fn expiring_at(mut self, seconds: u64) -> Self {
        self.expires_at = Some(seconds);
        self
    }

    /// Add what else is known: anything that serializes to a JSON object.
    ///
    /// # Errors
    /// It doesn't serialize.
    pub fn with_claims(mut self, claims: &impl Serialize) -> Result<Self> {
        self.claims = serde_json::to_string(claims)?;
        Ok(self)
    }

    /// What else is known, decoded.
    ///
    /// # Errors
    /// The claims aren't of this type.
    pub fn claims_as<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(&self.claims)?)
    }
}
