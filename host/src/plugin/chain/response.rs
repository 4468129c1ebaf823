//! The response phase.

use super::body::{Collected, collect_response, has_no_body, is_stream, replace};
use super::{Chain, Render, Run, quota};
use crate::body::Body;
use crate::error::Error;
use crate::plugin::exchange::{Exchange, LocalResponse, Origin};
use crate::plugin::role::{BodyDecision, Decision, Hooks, Lease, Plugin, PluginError};

/// What one plugin made of the answer.
enum Step {
    Next,
    Respond(LocalResponse),
    /// Not the plugin's failure.
    Fail(Error),
}

/// A hook that failed.
struct Failure {
    hook: Hooks,
    error: PluginError,
}

impl Chain {
    /// Run the response phase on the answer in `exchange.response` and `body`, whoever made it. `render` makes the
    /// answers of errors; plugins further on in the phase see them like any other.
    pub async fn response(
        &self,
        run: &mut Run,
        mut exchange: Box<Exchange>,
        body: &mut Body,
        render: Render<'_>,
    ) -> Box<Exchange> {
        for (plugin, link) in self.plugins.iter().zip(&mut run.links).rev() {
            if !link.finished || !plugin.hooks().has(Hooks::ON_RESPONSE) {
                continue;
            }
            let (back, outcome) = visit(&**plugin, &mut link.lease, exchange, body).await;
            exchange = back;
            let (answer, origin) = match outcome {
                Ok(Step::Next) => continue,
                Ok(Step::Respond(answer)) => (answer, Origin::Plugin),
                Ok(Step::Fail(error)) => (render(&error, &exchange), Origin::Gateway),
                Err(Failure { hook, error }) => match Self::judge(&**plugin, hook, &error, &exchange) {
                    Some(error) => (render(&error, &exchange), Origin::Gateway),
                    None => continue,
                },
            };
            exchange.trail.answered_by(plugin.name());
            *body = exchange.answer_with(answer, origin);
        }
        if let Some(response) = &mut exchange.response {
            quota::write(&run.quotas, &mut response.headers);
        }
        exchange
    }
}

async fn visit(
    plugin: &dyn Plugin,
    lease: &mut Lease,
    exchange: Box<Exchange>,
    body: &mut Body,
) -> (Box<Exchange>, Result<Step, Failure>) {
    let (exchange, result) = plugin.on_response(lease, exchange).await;
    match result {
        Ok(Decision::Continue) => (exchange, Ok(Step::Next)),
        Ok(Decision::Respond(answer)) => (exchange, Ok(Step::Respond(answer))),
        Ok(Decision::NeedBody) => visit_body(plugin, lease, exchange, body).await,
        Err(error) => (exchange, Err(Failure { hook: Hooks::ON_RESPONSE, error })),
    }
}

async fn visit_body(
    plugin: &dyn Plugin,
    lease: &mut Lease,
    mut exchange: Box<Exchange>,
    body: &mut Body,
) -> (Box<Exchange>, Result<Step, Failure>) {
    let refused =
        |text: &str| Err(Failure { hook: Hooks::ON_RESPONSE, error: PluginError::InvalidResult(text.into()) });
    let Some(response) = &exchange.response else { return (exchange, Ok(Step::Next)) };
    if !plugin.hooks().has(Hooks::ON_RESPONSE_BODY) {
        return (exchange, refused("need-body without an on-response-body hook"));
    }
    if is_stream(&response.headers) {
        return (exchange, refused("need-body on a stream, whose body has no end"));
    }
    let bodiless = has_no_body(&exchange.request.method, response.status);
    let collected = if bodiless {
        Ok(Collected::default())
    } else {
        collect_response(std::mem::take(body), &response.headers, plugin.body_limit()).await
    };
    let Collected { original, decoded } = match collected {
        Ok(collected) => collected,
        Err(error) => return (exchange, Ok(Step::Fail(error))),
    };
    let (back, result) = plugin.on_response_body(lease, exchange, decoded).await;
    exchange = back;
    *body = original;
    let step = match result {
        Ok(BodyDecision::Continue) => Step::Next,
        Ok(BodyDecision::Replace(bytes)) => {
            if let Some(response) = &mut exchange.response {
                replace(&mut response.headers, body, bytes);
                if bodiless {
                    // What would have been the body can't be sent, and its length isn't known.
                    *body = Body::Empty;
                }
            }
            Step::Next
        }
        Ok(BodyDecision::Respond(answer)) => Step::Respond(answer),
        Err(error) => return (exchange, Err(Failure { hook: Hooks::ON_RESPONSE_BODY, error })),
    };
    (exchange, Ok(step))
}
