//! {{NAME}}: marks requests and answers, and removes what others needn't see.

use sluice_plugin::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    greeting: String,
}

struct Greeter(Config);

impl Plugin for Greeter {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        Ok(Self(config))
    }
}

impl OnRequest for Greeter {
    fn on_request(&self, request: &mut Request, _: &Exchange) -> Result<Decision> {
        if request.path() == "/coffee" {
            return Ok(Decision::Respond(LocalResponse::text(418, "I'm a teapot")));
        }
        request.set_header("x-greeting", &self.0.greeting)?;
        request.remove_header("x-debug")?;
        Ok(Decision::Continue)
    }
}

impl OnResponse for Greeter {
    fn on_response(&self, _: &Request, response: &mut Response, _: &Exchange) -> Result<Decision> {
        response.set_header("x-greeting", &self.0.greeting)?;
        response.remove_header("x-powered-by")?;
        Ok(Decision::Continue)
    }
}

sluice_plugin::export!(Greeter: OnRequest + OnResponse);
