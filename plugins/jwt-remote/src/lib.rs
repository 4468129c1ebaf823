//! Identifies callers by JSON web tokens, with keys fetched from their issuer through a cluster of the gateway.
//! Never follows a token's word about where its key is.

mod remote;

use jwt_token::{Config, Outcome, Refusal, Verifier};
use sluice_plugin::prelude::*;

use remote::Remote;

struct JwtRemote {
    verifier: Verifier,
    remote: Remote,
}

impl Plugin for JwtRemote {
    type Config = Config;

    fn configure(mut config: Config) -> Result<Self> {
        let Some(fetch) = config.fetch.take() else {
            return Err(Error::at("fetch", "is missing; without it use `jwt.wasm`, which needs fewer grants"));
        };
        Ok(Self { remote: Remote::new(fetch, config.keys()?)?, verifier: Verifier::new(&config)? })
    }
}

impl Authenticate for JwtRemote {
    fn authenticate(&self, request: &mut Request, _: &Exchange) -> Result<Authentication> {
        if !self.verifier.finds_token(request) {
            return Ok(Authentication::NoCredentials);
        }
        let mut outcome = self.verifier.judge(request, &*self.remote.keys()?)?;
        if matches!(outcome, Outcome::Refused(Refusal::UnknownKey)) && self.remote.renew()? {
            outcome = self.verifier.judge(request, &*self.remote.keys()?)?;
        }
        Ok(match outcome {
            Outcome::None => Authentication::NoCredentials,
            Outcome::Refused(refusal) => Authentication::Denied(refusal.answer()),
            Outcome::Identified(identity) => {
                self.verifier.hide(request)?;
                Authentication::Identified(identity)
            }
        })
    }
}

sluice_plugin::export!(JwtRemote: Authenticate);

#[cfg(test)]
mod tests;
