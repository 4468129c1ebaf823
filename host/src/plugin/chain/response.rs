//! The response phase.

use std::rc::Rc;

use bytes::Bytes;
use http::StatusCode;

use super::body::{Collected, collect_response, has_no_body, is_stream, replace};
use super::pieces::{forget_whole, pass_through};
use super::{Chain, Link, Render, Run, quota};
use crate::body::Body;
use crate::config::model::OnError;
use crate::error::Error;
use crate::plugin::exchange::{Exchange, LocalResponse, Origin};
use crate::plugin::role::{BodyDecision, Decision, Direction, Hooks, Lease, Plugin, PluginError};

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
        if exchange.response.as_ref().is_some_and(|response| response.origin == Origin::Gateway)
            && let Some(error) = run.failed_on_body()
        {
            // What looked like a client that broke off was a plugin.
            *body = exchange.answer_with(render(&error, &exchange), Origin::Gateway);
        }
        for (plugin, link) in self.plugins.iter().zip(&mut run.links).rev() {
            if !link.finished || link.shared.as_ref().is_some_and(|shared| shared.has_failed()) {
                continue;
            }
            let outcome = if plugin.hooks().has(Hooks::ON_RESPONSE) {
                let (back, outcome) = call(&**plugin, link, exchange, body).await;
                exchange = back;
                outcome
            } else {
                Ok(Step::Next)
            };
            let (answer, origin) = match outcome {
                Ok(Step::Next) => {
                    stream(plugin, link, &mut exchange, body);
                    continue;
                }
                Ok(Step::Respond(answer)) => (answer, Origin::Plugin),
                Ok(Step::Fail(error)) => (render(&error, &exchange), Origin::Gateway),
                Err(Failure { hook, error }) => {
                    let open = plugin.on_error() == OnError::Open;
                    match Self::judge(&**plugin, hook, &error, &exchange, open) {
                        Some(error) => (render(&error, &exchange), Origin::Gateway),
                        None => continue,
                    }
                }
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

/// Call `on-response`, when no other hook of the plugin runs for this exchange.
async fn call(
    plugin: &dyn Plugin,
    link: &mut Link,
    exchange: Box<Exchange>,
    body: &mut Body,
) -> (Box<Exchange>, Result<Step, Failure>) {
    match &link.shared {
        Some(shared) => {
            let mut lease = shared.lease.lock().await;
            let (exchange, outcome) = visit(plugin, &mut lease, exchange, body).await;
            if let Err(failure) = &outcome {
                shared.note(&failure.error);
            }
            (exchange, outcome)
        }
        None => visit(plugin, &mut link.lease, exchange, body).await,
    }
}

/// Have the plugin see the answer's body pass, if that is what it is for.
fn stream(plugin: &Rc<dyn Plugin>, link: &mut Link, exchange: &mut Exchange, body: &mut Body) {
    let Some(response) = &mut exchange.response else { return };
    if !plugin.hooks().has(Hooks::ON_RESPONSE_CHUNK) || response.status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    if has_no_body(&exchange.request.method, response.status) {
        // Nor is it known what the length would be.
        forget_whole(&mut response.headers);
    } else if !matches!(body, Body::Empty) {
        forget_whole(&mut response.headers);
        let whole = std::mem::take(body);
        *body = pass_through(plugin, link.share(), exchange, Direction::Response, whole);
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
        // What is in its place stays: of a 101, the connection itself.
        Ok(Collected { original: std::mem::take(body), decoded: Bytes::new() })
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
                let kept = std::mem::take(body);
                replace(&mut response.headers, body, bytes);
                if bodiless {
                    // What would have been the body can't be sent, and its length isn't known.
                    *body = if matches!(kept, Body::Switched(_)) { kept } else { Body::Empty };
                }
            }
            Step::Next
        }
        Ok(BodyDecision::Respond(answer)) => Step::Respond(answer),
        Err(error) => return (exchange, Err(Failure { hook: Hooks::ON_RESPONSE_BODY, error })),
    };
    (exchange, Ok(step))
}
