//! The request phase.

use http::header;

use super::body::{Collected, collect_request, is_stream, replace};
use super::pieces::{forget_whole, pass_through};
use super::{Chain, Passage, Run};
use crate::body::Body;
use crate::config::model::OnError;
use crate::error::Error;
use crate::plugin::exchange::{Exchange, LocalResponse};
use crate::plugin::role::{
    Authentication, Authorization, BodyDecision, Decision, Direction, Hooks, Lease, Plugin, PluginError, Quota, Verdict,
};

/// What one plugin's visit came to.
enum Step {
    Next,
    /// It answered instead of letting the request pass.
    Answer(LocalResponse),
    /// It was the end of the chain, and composed the answer.
    Composed(LocalResponse),
    /// Not the plugin's failure.
    Fail(Error),
}

/// A hook that failed.
struct Failure {
    hook: Hooks,
    error: PluginError,
}

type Outcome = (Box<Exchange>, Result<Step, Failure>);

impl Chain {
    /// Run the request phase. `body` is the request's and may be replaced.
    pub async fn request(
        &self,
        run: &mut Run,
        mut exchange: Box<Exchange>,
        body: &mut Body,
        anonymous: bool,
    ) -> (Box<Exchange>, Passage) {
        for (index, (plugin, link)) in self.plugins.iter().zip(&mut run.links).enumerate() {
            let needs_identity = self.last_authenticator == Some(index) && !anonymous;
            let mut visit = Visit { plugin: &**plugin, lease: &mut link.lease, quotas: &mut run.quotas };
            let (back, outcome) = visit.all(exchange, body, needs_identity).await;
            exchange = back;
            match outcome {
                Ok(Step::Next) => {
                    link.finished = true;
                    if plugin.hooks().has(Hooks::ON_REQUEST_CHUNK) && !matches!(body, Body::Empty) {
                        forget_whole(&mut exchange.request.headers);
                        let whole = std::mem::take(body);
                        *body = pass_through(plugin, link.share(), &exchange, Direction::Request, whole);
                    }
                }
                Ok(Step::Composed(answer)) => {
                    link.finished = true;
                    return (exchange, Passage::Answer(answer));
                }
                Ok(Step::Answer(answer)) => {
                    exchange.trail.answered_by(plugin.name());
                    return (exchange, Passage::Answer(answer));
                }
                Ok(Step::Fail(error)) => {
                    exchange.trail.answered_by(plugin.name());
                    return (exchange, Passage::Failed(run.failed_on_body().unwrap_or(error)));
                }
                Err(Failure { hook, error }) => {
                    if let Some(error) =
                        Self::judge(&**plugin, hook, &error, &exchange, plugin.on_error() == OnError::Open)
                    {
                        exchange.trail.answered_by(plugin.name());
                        return (exchange, Passage::Failed(error));
                    }
                }
            }
        }
        (exchange, Passage::Continue)
    }
}

/// One plugin's hooks, in their order.
struct Visit<'a> {
    plugin: &'a dyn Plugin,
    lease: &'a mut Lease,
    quotas: &'a mut Vec<Quota>,
}

impl Visit<'_> {
    async fn all(&mut self, mut exchange: Box<Exchange>, body: &mut Body, needs_identity: bool) -> Outcome {
        let hooks = self.plugin.hooks();
        // Each takes the exchange and gives it back; the first that doesn't say "next" ends the visit.
        macro_rules! run {
            ($hook:expr, $call:expr) => {
                if hooks.has($hook) {
                    let (back, result) = $call.await;
                    exchange = back;
                    match result {
                        Ok(Step::Next) => {}
                        Ok(step) => return (exchange, Ok(step)),
                        Err(error) => return (exchange, Err(Failure { hook: $hook, error })),
                    }
                }
            };
        }
        run!(Hooks::AUTHENTICATE, self.authenticate(exchange, needs_identity));
        run!(Hooks::AUTHORIZE, self.authorize(exchange));
        run!(Hooks::RATE_LIMIT, self.rate_limit(exchange));
        run!(Hooks::ON_REQUEST, self.on_request(exchange, body));
        run!(Hooks::AGGREGATE, self.aggregate(exchange));
        (exchange, Ok(Step::Next))
    }

    async fn authenticate(&mut self, mut exchange: Box<Exchange>, needs_identity: bool) -> Called {
        if exchange.identity.is_none() {
            let (back, result) = self.plugin.authenticate(self.lease, exchange).await;
            exchange = back;
            match result {
                Ok(Authentication::Identified(identity)) => {
                    exchange.identity = Some(identity);
                    exchange.identified_by = Some(std::sync::Arc::clone(self.plugin.name()));
                }
                Ok(Authentication::NoCredentials) => {}
                Ok(Authentication::Denied(answer)) => {
                    exchange.trail.failed(&"the credentials were denied");
                    return (exchange, Ok(Step::Answer(answer)));
                }
                Err(error) => return (exchange, Err(error)),
            }
        }
        if needs_identity && exchange.identity.is_none() {
            return (exchange, Ok(Step::Fail(Error::Unauthenticated)));
        }
        (exchange, Ok(Step::Next))
    }

    async fn authorize(&mut self, exchange: Box<Exchange>) -> Called {
        let (exchange, result) = self.plugin.authorize(self.lease, exchange).await;
        let step = result.map(|decision| match decision {
            Authorization::Allowed => Step::Next,
            Authorization::Denied(answer) => {
                exchange.trail.failed(&"the caller isn't allowed to do this");
                Step::Answer(answer)
            }
        });
        (exchange, step)
    }

    async fn rate_limit(&mut self, exchange: Box<Exchange>) -> Called {
        let (exchange, result) = self.plugin.rate_limit(self.lease, exchange).await;
        let step = result.map(|verdict| match verdict {
            Verdict::Admitted(quota) => {
                self.quotas.extend(quota);
                Step::Next
            }
            Verdict::Rejected(quota) => {
                let retry_after = super::quota::seconds(quota.retry_after_ms).max(1);
                self.quotas.push(quota);
                Step::Fail(Error::RateLimited { retry_after })
            }
        });
        (exchange, step)
    }

    async fn on_request(&mut self, exchange: Box<Exchange>, body: &mut Body) -> Called {
        let (exchange, result) = self.plugin.on_request(self.lease, exchange).await;
        match result {
            Ok(Decision::Continue) => (exchange, Ok(Step::Next)),
            Ok(Decision::Respond(answer)) => (exchange, Ok(Step::Answer(answer))),
            Ok(Decision::NeedBody) => self.on_request_body(exchange, body).await,
            Err(error) => (exchange, Err(error)),
        }
    }

    async fn on_request_body(&mut self, mut exchange: Box<Exchange>, body: &mut Body) -> Called {
        if !self.plugin.hooks().has(Hooks::ON_REQUEST_BODY) {
            let error = PluginError::InvalidResult("need-body without an on-request-body hook".into());
            return (exchange, Err(error));
        }
        if is_stream(&exchange.request.headers) {
            let error = PluginError::InvalidResult("need-body on a stream, whose body has no end".into());
            return (exchange, Err(error));
        }
        let headers = &exchange.request.headers;
        let Collected { original, decoded } =
            match collect_request(std::mem::take(body), headers, self.plugin.body_limit()).await {
                Ok(collected) => collected,
                Err(error) => return (exchange, Ok(Step::Fail(error))),
            };
        let (back, result) = self.plugin.on_request_body(self.lease, exchange, decoded).await;
        exchange = back;
        match result {
            Ok(BodyDecision::Continue) => *body = original,
            Ok(BodyDecision::Replace(bytes)) => {
                replace(&mut exchange.request.headers, body, bytes);
                // The body is here, so nobody has to be asked for it.
                exchange.request.headers.remove(header::EXPECT);
            }
            Ok(BodyDecision::Respond(answer)) => return (exchange, Ok(Step::Answer(answer))),
            Err(error) => {
                *body = original;
                return (exchange, Err(error));
            }
        }
        (exchange, Ok(Step::Next))
    }

    async fn aggregate(&mut self, exchange: Box<Exchange>) -> Called {
        let (exchange, result) = self.plugin.aggregate(self.lease, exchange).await;
        (exchange, result.map(Step::Composed))
    }
}

type Called = (Box<Exchange>, Result<Step, PluginError>);
