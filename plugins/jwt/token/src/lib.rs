//! JSON web tokens: from a request to an identity (RFC 7515, 7517, 7518, 7519, 8725). Signatures are checked
//! by the gateway's capability `crypto`; the time comes from `clock`. Keys come from the configuration or from
//! who uses this crate; a token never says where its key is, and never chooses what its key is used for.

mod algorithm;
mod claims;
mod config;
mod jwk;
mod jws;
mod pem;
mod refusal;
mod source;
mod unique;

pub use algorithm::Algorithm;
pub use config::{Config, Fetch};
pub use jwk::KeySet;
pub use jws::verify;
pub use refusal::Refusal;

use sluice_plugin::clock;
use sluice_plugin::prelude::*;

use claims::Rules;
use source::{Found, Source};

/// What a plugin does with each request, by its configuration.
pub struct Verifier {
    source: Source,
    algorithms: Vec<Algorithm>,
    rules: Rules,
}

/// How a request was judged.
pub enum Outcome {
    /// There is no token.
    None,
    /// The token is good. It's still in the request; [`Verifier::hide`] takes it out.
    Identified(Identity),
    /// The token isn't good.
    Refused(Refusal),
}

impl Verifier {
    /// # Errors
    /// Which key of the configuration is wrong.
    pub fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            source: Source::new(config)?,
            algorithms: config.algorithms.clone().unwrap_or_else(|| Algorithm::ALL.to_vec()),
            rules: Rules::new(config)?,
        })
    }

    /// Whether there is something to judge.
    #[must_use]
    pub fn finds_token(&self, request: &Request) -> bool {
        !matches!(self.source.find(request), Found::Nothing)
    }

    /// Look for a token and judge it by these keys.
    ///
    /// # Errors
    /// The claims can't be passed on.
    pub fn judge(&self, request: &Request, keys: &KeySet) -> Result<Outcome> {
        let token = match self.source.find(request) {
            Found::Nothing => return Ok(Outcome::None),
            Found::Several => return Ok(Outcome::Refused(Refusal::Malformed("there is more than one"))),
            Found::Token(token) => token,
        };
        let claims = verify(&token, keys, &self.algorithms)
            .and_then(|payload| self.rules.check(&payload, clock::now().as_secs_f64()));
        match claims {
            Ok(claims) => Ok(Outcome::Identified(claims.into_identity()?)),
            Err(refusal) => Ok(Outcome::Refused(refusal)),
        }
    }

    /// Take the token out of a request, unless it's to go on.
    ///
    /// # Errors
    /// The request can't be edited.
    pub fn hide(&self, request: &mut Request) -> Result<()> {
        self.source.hide(request)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod wycheproof;
