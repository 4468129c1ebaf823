//! {{NAME}}: everybody may look, admins may change things.

use sluice_plugin::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    admins: Vec<String>,
}

struct Admins(Config);

impl Plugin for Admins {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Authorize for Admins {
    fn authorize(&self, request: &mut Request, _: &Exchange, identity: Option<&Identity>) -> Result<Authorization> {
        let is_admin = identity.is_some_and(|identity| self.0.admins.contains(&identity.subject));
        if is_admin || request.method() == "GET" {
            return Ok(Authorization::Allowed);
        }
        Ok(Authorization::Denied(LocalResponse::problem(403, "Only admins may change things")))
    }
}

sluice_plugin::export!(Admins: Authorize);
