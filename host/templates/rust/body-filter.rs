//! {{NAME}}: lets a word neither in nor out.

use sluice_plugin::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    word: String,
}

struct Censor(Config);

impl Plugin for Censor {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        if config.word.is_empty() {
            return Err(Error::at("word", "must not be empty"));
        }
        Ok(Self(config))
    }
}

impl OnRequest for Censor {
    fn on_request(&self, _: &mut Request, _: &Exchange) -> Result<Decision> {
        Ok(Decision::NeedBody)
    }
}

impl OnRequestBody for Censor {
    fn on_request_body(&self, _: &mut Request, _: &Exchange, body: Body) -> Result<BodyDecision> {
        if String::from_utf8_lossy(&body).contains(&self.0.word) {
            return Ok(BodyDecision::Respond(LocalResponse::problem(422, "That word isn't let in")));
        }
        Ok(BodyDecision::Continue)
    }
}

impl OnResponse for Censor {
    fn on_response(&self, _: &Request, _: &mut Response, _: &Exchange) -> Result<Decision> {
        Ok(Decision::NeedBody)
    }
}

impl OnResponseBody for Censor {
    fn on_response_body(&self, _: &Request, _: &mut Response, _: &Exchange, body: Body) -> Result<BodyDecision> {
        match body.text() {
            Ok(text) if text.contains(&self.0.word) => {
                Ok(BodyDecision::Replace(text.replace(&self.0.word, "***").into()))
            }
            _ => Ok(BodyDecision::Continue),
        }
    }
}

sluice_plugin::export!(Censor: OnRequest + OnRequestBody + OnResponse + OnResponseBody);
