//! Identifies callers by an API key in a header. Knows nothing of what they may do.

mod keys;

use sluice_plugin::Field;
use sluice_plugin::prelude::*;

use keys::Keys;

/// What the operator says; see README.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "default_header")]
    header: String,
    /// Taken as it is: its keys are secrets, which errors must not show.
    keys: sluice_plugin::serde_json::Value,
    #[serde(default = "yes")]
    hide_credentials: bool,
}

fn default_header() -> String {
    "x-api-key".into()
}

fn yes() -> bool {
    true
}

struct ApiKey {
    header: String,
    keys: Keys,
    hide_credentials: bool,
}

impl Plugin for ApiKey {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        if !Field::is_name(&config.header) {
            return Err(Error::at("header", "must be the name of a header field, like \"x-api-key\""));
        }
        let keys = Keys::read(config.keys)?;
        Ok(Self { header: config.header.to_ascii_lowercase(), keys, hide_credentials: config.hide_credentials })
    }
}

impl Authenticate for ApiKey {
    fn authenticate(&self, request: &mut Request, _: &Exchange) -> Result<Authentication> {
        let found = match request.header_values(&self.header).as_slice() {
            [] => return Ok(Authentication::NoCredentials),
            [key] => self.keys.find(key),
            // Which of several counts would be anybody's guess.
            _ => None,
        };
        let Some(identity) = found else { return Ok(Authentication::Denied(self.denial())) };
        if self.hide_credentials {
            request.remove_header(&self.header)?;
        }
        Ok(Authentication::Identified(identity.clone()))
    }
}

impl ApiKey {
    fn denial(&self) -> LocalResponse {
        LocalResponse::problem(401, "The API key isn't valid")
            .with_header("www-authenticate", format!("ApiKey header=\"{}\"", self.header))
    }
}

sluice_plugin::export!(ApiKey: Authenticate);

#[cfg(test)]
mod tests;
