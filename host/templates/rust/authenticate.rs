//! {{NAME}}: knows its callers by a token.

use sluice_plugin::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    token: String,
    subject: String,
}

struct Tokens(Config);

impl Plugin for Tokens {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        if config.token.is_empty() {
            return Err(Error::at("token", "must not be empty"));
        }
        Ok(Self(config))
    }
}

impl Authenticate for Tokens {
    fn authenticate(&self, request: &mut Request, _: &Exchange) -> Result<Authentication> {
        let Some(token) = request.header("x-token") else { return Ok(Authentication::NoCredentials) };
        if token != self.0.token.as_bytes() {
            let answer = LocalResponse::problem(401, "The token isn't valid").with_header("www-authenticate", "Token");
            return Ok(Authentication::Denied(answer));
        }
        request.remove_header("x-token")?;
        Ok(Authentication::Identified(Identity::new(&self.0.subject)))
    }
}

sluice_plugin::export!(Tokens: Authenticate);
