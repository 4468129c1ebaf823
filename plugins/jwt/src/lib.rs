//! Identifies callers by JSON web tokens, with keys from the configuration. Fetches nothing.

use jwt_token::{Config, KeySet, Outcome, Verifier};
use sluice_plugin::prelude::*;

struct Jwt {
    verifier: Verifier,
    keys: KeySet,
}

impl Plugin for Jwt {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        if config.fetch.is_some() {
            return Err(Error::at("fetch", "this component fetches nothing; use `jwt-remote.wasm`"));
        }
        Ok(Self { keys: config.only_keys()?, verifier: Verifier::new(&config)? })
    }
}

impl Authenticate for Jwt {
    fn authenticate(&self, request: &mut Request, _: &Exchange) -> Result<Authentication> {
        Ok(match self.verifier.judge(request, &self.keys)? {
            Outcome::None => Authentication::NoCredentials,
            Outcome::Refused(refusal) => Authentication::Denied(refusal.answer()),
            Outcome::Identified(identity) => {
                self.verifier.hide(request)?;
                Authentication::Identified(identity)
            }
        })
    }
}

sluice_plugin::export!(Jwt: Authenticate);

#[cfg(test)]
mod tests;
