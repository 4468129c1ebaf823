//! Does harm in the hook and in the way that a request names: `x-at: on-request` and `x-misdeed: "loop"`. What came of
//! it, if anything did, is in the answer's `x-outcome`.

mod misdeed;

use serde::Deserialize;
use sluice_plugin::EditError;
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json;

use misdeed::Misdeed;

/// The misdeed to start with, before any request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    at_configure: Option<Misdeed>,
}

struct Hostile;

/// The misdeed that the request wants of the hook `at`.
fn wanted(request: &Request, at: &str) -> Result<Option<Misdeed>> {
    if request.header_str("x-at").as_deref() != Some(at) {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&request.header_str("x-misdeed").unwrap_or_default())?))
}

impl Plugin for Hostile {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        if let Some(misdeed) = config.at_configure {
            misdeed.commit()?;
        }
        Ok(Self)
    }
}

impl Authorize for Hostile {
    fn authorize(&self, request: &mut Request, _: &Exchange, _: Option<&Identity>) -> Result<Authorization> {
        if let Some(misdeed) = wanted(request, "authorize")? {
            misdeed.commit()?;
            if let Some(answer) = misdeed.answer() {
                return Ok(Authorization::Denied(answer));
            }
        }
        Ok(Authorization::Allowed)
    }
}

impl RateLimit for Hostile {
    fn check(&self, request: &Request, _: &Exchange) -> Result<Verdict> {
        if let Some(misdeed) = wanted(request, "rate-limit")? {
            misdeed.commit()?;
        }
        Ok(Verdict::Admitted(None))
    }
}

impl OnRequest for Hostile {
    fn on_request(&self, request: &mut Request, exchange: &Exchange) -> Result<Decision> {
        if matches!(request.header_str("x-at").as_deref(), Some("on-request-body")) {
            return Ok(Decision::NeedBody);
        }
        let Some(misdeed) = wanted(request, "on-request")? else { return Ok(Decision::Continue) };
        let mut outcome = misdeed.commit()?;
        let edited = match &misdeed {
            Misdeed::Set { name, value } => request.set_header(name, value),
            Misdeed::Path(path) => request.set_path(path),
            Misdeed::Method(method) => request.set_method(method),
            Misdeed::FloodState(bytes) => exchange.set_state(&vec![b'x'; *bytes]),
            Misdeed::FloodFields(fields) => {
                let name = |field: &u32| format!("x-flood-{field}");
                let set = (0..*fields).filter(|field| request.append_header(&name(field), "x").is_ok()).count();
                outcome = format!("set {set}");
                Ok(())
            }
            Misdeed::FloodAttributes(attributes) => {
                let name = |attribute: &u32| format!("a{attribute}");
                let set = (0..*attributes).filter(|each| exchange.set_attribute(&name(each), "x").is_ok()).count();
                outcome = format!("set {set}");
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = edited {
            outcome = refusal(&error);
        }
        exchange.set_state(outcome.as_bytes())?;
        Ok(misdeed.answer().map_or(Decision::Continue, Decision::Respond))
    }
}

impl OnRequestBody for Hostile {
    fn on_request_body(&self, request: &mut Request, _: &Exchange, _: Body) -> Result<BodyDecision> {
        if let Some(misdeed) = wanted(request, "on-request-body")? {
            misdeed.commit()?;
            if let Some(answer) = misdeed.answer() {
                return Ok(BodyDecision::Respond(answer));
            }
        }
        Ok(BodyDecision::Continue)
    }
}

impl OnResponse for Hostile {
    fn on_response(&self, request: &Request, response: &mut Response, exchange: &Exchange) -> Result<Decision> {
        let mut outcome = String::from_utf8_lossy(&exchange.state()).into_owned();
        if matches!(request.header_str("x-at").as_deref(), Some("on-response-body")) {
            return Ok(Decision::NeedBody);
        }
        let misdeed = wanted(request, "on-response")?;
        if let Some(misdeed) = &misdeed {
            outcome = misdeed.commit()?;
            let edited = match misdeed {
                Misdeed::Set { name, value } => response.set_header(name, value),
                Misdeed::Status(status) => response.set_status(*status),
                _ => Ok(()),
            };
            if let Err(error) = edited {
                outcome = refusal(&error);
            }
        }
        if !outcome.is_empty() {
            response.set_header("x-outcome", &outcome)?;
        }
        Ok(misdeed.and_then(|misdeed| misdeed.answer()).map_or(Decision::Continue, Decision::Respond))
    }
}

impl OnResponseBody for Hostile {
    fn on_response_body(&self, request: &Request, _: &mut Response, _: &Exchange, _: Body) -> Result<BodyDecision> {
        if let Some(misdeed) = wanted(request, "on-response-body")? {
            misdeed.commit()?;
            if let Some(answer) = misdeed.answer() {
                return Ok(BodyDecision::Respond(answer));
            }
        }
        Ok(BodyDecision::Continue)
    }
}

impl Balance for Hostile {
    fn pick(&mut self, context: &PickContext, endpoints: &Endpoints) -> Option<u32> {
        if context.header("x-at").as_deref() != Some(b"balance") {
            return None;
        }
        let misdeed: Misdeed = serde_json::from_slice(&context.header("x-misdeed")?).ok()?;
        // Without a way to say what went wrong, a failure is an index that doesn't exist.
        misdeed.commit().map_or_else(|_| Some(endpoints.len() + 7), |_| None)
    }
}

/// The kind of a refusal, without its text: the text may hold what was refused.
fn refusal(error: &EditError) -> String {
    match error {
        EditError::Invalid(_) => "invalid",
        EditError::Forbidden => "forbidden",
        EditError::ReadOnly => "read-only",
        EditError::TooLarge(_) => "too-large",
    }
    .to_owned()
}

sluice_plugin::export!(Hostile: Authorize + RateLimit + OnRequest + OnRequestBody + OnResponse + OnResponseBody + Balance);
