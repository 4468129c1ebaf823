//! Rewrites heads and JSON bodies of requests and answers as configured. Decides nothing.

mod body;
mod fields;
mod status;

use sluice_plugin::EditError;
use sluice_plugin::prelude::*;
use sluice_plugin::template::TargetTemplate;

use body::Edits;
use fields::{FieldEdits, Refused};
use status::Statuses;

/// What the operator says; see README.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transform {
    #[serde(default)]
    request: RequestEdits,
    #[serde(default)]
    response: ResponseEdits,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RequestEdits {
    path: Option<TargetTemplate>,
    headers: FieldEdits,
    json: Edits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ResponseEdits {
    /// Whose answers are edited.
    origins: Vec<Maker>,
    status: Statuses,
    headers: FieldEdits,
    json: Edits,
}

/// [`Origin`], as it is written.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Maker {
    Upstream,
    Plugin,
    Gateway,
}

impl Default for ResponseEdits {
    fn default() -> Self {
        Self {
            // What the gateway says of its own errors stays as it is, unless asked for.
            origins: vec![Maker::Upstream, Maker::Plugin],
            status: Statuses::default(),
            headers: FieldEdits::default(),
            json: Edits::default(),
        }
    }
}

impl Plugin for Transform {
    type Config = Self;

    fn configure(config: Self) -> Result<Self> {
        config.request.headers.check("request.headers")?;
        config.response.headers.check("response.headers")?;
        Ok(config)
    }
}

impl OnRequest for Transform {
    fn on_request(&self, request: &mut Request, exchange: &Exchange) -> Result<Decision> {
        // All values are of the request as it came, whatever the edits change.
        let values = self.request.headers.values(request, exchange);
        if let Some(path) = &self.request.path
            && let Err(detail) = rewrite(path, request, exchange)
        {
            return Ok(Decision::Respond(misfit(&detail)));
        }
        match self.request.headers.apply(request, values) {
            Ok(()) => {}
            Err(Refused { name, why: why @ (EditError::Forbidden | EditError::ReadOnly) }) => {
                return Err(Error::at(format_args!("request.headers: `{name}`"), why));
            }
            // Names were checked, so it is what came from the request.
            Err(Refused { name, why }) => return Ok(Decision::Respond(misfit(&format!("`{name}`: {why}")))),
        }
        Ok(if self.request.json.is_empty() || !request.is_json() { Decision::Continue } else { Decision::NeedBody })
    }
}

impl OnRequestBody for Transform {
    fn on_request_body(&self, request: &mut Request, exchange: &Exchange, body: Body) -> Result<BodyDecision> {
        Ok(match self.request.json.apply(&body, request, exchange) {
            Ok(edited) => edited.map_or(BodyDecision::Continue, BodyDecision::Replace),
            // Sent on as it is, it would get round the edits.
            Err(error) => BodyDecision::Respond(misfit(&format!("the body: {error}"))),
        })
    }
}

impl OnResponse for Transform {
    fn on_response(&self, request: &Request, response: &mut Response, exchange: &Exchange) -> Result<Decision> {
        let edits = &self.response;
        let maker = match response.origin() {
            Origin::Upstream => Maker::Upstream,
            Origin::Plugin => Maker::Plugin,
            Origin::Gateway => Maker::Gateway,
        };
        if !edits.origins.contains(&maker) {
            return Ok(Decision::Continue);
        }
        if !edits.status.is_empty()
            && let Some(status) = edits.status.replacement(response.status())
        {
            response.set_status(status)?;
        }
        let values = edits.headers.values(request, exchange);
        match edits.headers.apply(response, values) {
            Ok(()) => {}
            Err(Refused { name, why: why @ (EditError::Forbidden | EditError::ReadOnly) }) => {
                return Err(Error::at(format_args!("response.headers: `{name}`"), why));
            }
            Err(Refused { name, why }) => {
                log::warn!("the answer's `{name}` can't be edited: {why}");
                return Ok(Decision::Respond(unusable()));
            }
        }
        Ok(if edits.json.is_empty() || !response.is_json() { Decision::Continue } else { Decision::NeedBody })
    }
}

impl OnResponseBody for Transform {
    fn on_response_body(
        &self,
        request: &Request,
        _: &mut Response,
        exchange: &Exchange,
        body: Body,
    ) -> Result<BodyDecision> {
        Ok(match self.response.json.apply(&body, request, exchange) {
            Ok(edited) => edited.map_or(BodyDecision::Continue, BodyDecision::Replace),
            Err(error) => {
                log::warn!("the answer's body can't be edited: {error}");
                BodyDecision::Respond(unusable())
            }
        })
    }
}

/// Replace the path, and the query if the template has one. An error is the request's fault.
fn rewrite(path: &TargetTemplate, request: &mut Request, exchange: &Exchange) -> Result<(), String> {
    let new = path.render_path(request, exchange).map_err(|error| error.to_string())?;
    if path.has_query() {
        let query = path.render_query(request, exchange);
        request.set_query(query.as_deref()).map_err(|error| error.to_string())?;
    }
    request.set_path(&new).map_err(|error| error.to_string())
}

fn misfit(detail: &str) -> LocalResponse {
    LocalResponse::detailed_problem(400, "The request doesn't fit this route", detail)
}

fn unusable() -> LocalResponse {
    LocalResponse::problem(502, "The service's answer can't be used")
}

sluice_plugin::export!(Transform: OnRequest + OnRequestBody + OnResponse + OnResponseBody);

#[cfg(test)]
mod tests;
