//! The smallest policy that is one: checks one field of a request and sets another. What it costs is what a plugin call
//! costs.

use sluice_plugin::prelude::*;

struct Gate;

impl Plugin for Gate {
    type Config = sluice_plugin::config::Empty;

    fn configure(_: Self::Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Gate {
    fn on_request(&self, request: &mut Request, _: &Exchange) -> Result<Decision> {
        if request.header("x-api-key").as_deref() != Some(b"a-long-random-word") {
            return Ok(Decision::Respond(LocalResponse::problem(401, "Show the key")));
        }
        request.set_header("x-checked", "yes")?;
        Ok(Decision::Continue)
    }
}

sluice_plugin::export!(Gate: OnRequest);
