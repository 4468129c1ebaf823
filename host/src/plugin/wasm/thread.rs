//! A plugin on one thread: each hook is one call into an instance of the thread's pool.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{ComponentNamedList, Lift, Lower, Resource, TypedFunc};

use super::bindings::types::Identity;
use super::factory::Blueprint;
use super::guest::{Guest, Subject, Time, Writable};
use super::handles::{ExchangeHandle, RequestHandle, ResponseHandle};
use super::instance::{Instance, Select};
use super::lift::{self, Outcome, Terms};
use super::pick::Offer;
use super::pool::Pool;
use crate::balance::{PickContext, View};
use crate::config::model::OnError;
use crate::plugin::capabilities::log;
use crate::plugin::difference::Before;
use crate::plugin::exchange::{Exchange, LocalResponse};
use crate::plugin::role::{
    Authentication, Authorization, BodyDecision, Call, Chunk, Decision, Direction, Hooks, Lease, Plugin, PluginError,
    Verdict,
};
use crate::telemetry::trail::Begun;

/// How much of a plugin's own error text is kept.
const MAX_TEXT: usize = 1 << 10;

/// A plugin that works, on one thread.
pub(crate) struct Here {
    pub(crate) blueprint: Arc<Blueprint>,
    pub(crate) pool: Rc<Pool>,
}

type Request = Resource<RequestHandle>;
type Response = Resource<ResponseHandle>;
type Context = Resource<ExchangeHandle>;

/// What sets one hook apart from the others.
struct Hook<F, M, L> {
    /// The WIT interface's name, for metrics.
    name: &'static str,
    writable: Writable,
    /// The function in an instance.
    function: F,
    /// Its parameters.
    params: M,
    /// From what it returned to what the chain wants.
    lift: L,
}

impl Here {
    /// Make one call of a hook. The exchange comes back whatever happens.
    async fn run<P, R, T, F, M, L>(
        &self,
        lease: &mut Lease,
        exchange: Box<Exchange>,
        hook: Hook<F, M, L>,
    ) -> (Box<Exchange>, Result<T, PluginError>)
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: Send + Sync + 'static,
        (Result<R, String>,): ComponentNamedList + Lift,
        T: Outcome,
        F: FnOnce(&mut Instance) -> Result<TypedFunc<P, (Result<R, String>,)>, PluginError>,
        M: FnOnce(&mut Guest) -> P,
        L: FnOnce(R, &Terms<'_>) -> Result<T, String>,
    {
        let name = hook.name;
        let begun = exchange.trail.begin_call();
        let before = exchange.trail.wants_details().then(|| Box::new(Before::new(&exchange)));
        let mut held = match self.pool.take_ready(lease) {
            Some(held) => held,
            // Boxed, so that a call which needn't wait doesn't carry the room for waiting around.
            None => match Box::pin(self.pool.take()).await {
                Ok(held) => held,
                Err(error) => return self.failed(exchange, begun, name, error, Duration::ZERO),
            },
        };
        let function = match (hook.function)(&mut held.instance) {
            Ok(function) => function,
            Err(error) => return self.failed(exchange, begun, name, error, Duration::ZERO),
        };
        let limits = &self.blueprint.lent.limits;
        let end = exchange.deadline;
        let subject = Subject::Exchange { exchange, writable: hook.writable };
        let params = (hook.params)(held.instance.begin(subject, Time::new(limits.time, true)));
        let returned = held.instance.call(function, params, limits.deadline, end).await;
        let busy = held.instance.busy();
        let waited = held.instance.waited();
        if !waited.is_zero() {
            self.blueprint.metrics.waited(waited);
        }
        let Subject::Exchange { exchange, .. } = held.instance.end() else {
            // Nothing but `end` takes the subject out, and it does so once for each `begin`.
            unreachable!("the exchange left the store during its call")
        };
        if let Some(before) = before {
            exchange.trail.detail(|details| details.edits = before.edits(&exchange));
        }
        let returned = match returned {
            Ok((returned,)) => returned,
            Err(error) => return self.failed(exchange, begun, name, error, busy),
        };
        held.give_back(lease);
        let terms = Terms { lent: &self.blueprint.lent, hooks: self.blueprint.hooks() };
        let result = match returned {
            Ok(value) => (hook.lift)(value, &terms).map_err(PluginError::InvalidResult),
            Err(text) => Err(PluginError::Failed(log::escaped(&text, MAX_TEXT))),
        };
        match result {
            Ok(value) => {
                self.blueprint.metrics.record(name, value.name(), busy);
                exchange.trail.called(begun, &self.blueprint.lent.name, name, Ok(value.name()), busy);
                (exchange, Ok(value))
            }
            Err(error) => self.failed(exchange, begun, name, error, busy),
        }
    }

    fn failed<T>(
        &self,
        exchange: Box<Exchange>,
        begun: Option<Begun>,
        hook: &'static str,
        error: PluginError,
        busy: Duration,
    ) -> (Box<Exchange>, Result<T, PluginError>) {
        exchange.trail.detail(|details| details.error = Some(error.to_string()));
        exchange.trail.called(begun, &self.blueprint.lent.name, hook, Err(error.kind()), busy);
        (exchange, Err(self.record(hook, error, busy)))
    }

    fn record(&self, hook: &'static str, error: PluginError, busy: Duration) -> PluginError {
        self.blueprint.metrics.record(hook, error.kind(), busy);
        self.blueprint.metrics.failed(hook, &error);
        error
    }
}

fn request_only(guest: &mut Guest) -> (Request, Context) {
    (guest.handle(), guest.handle())
}

fn request_and_response(guest: &mut Guest) -> (Request, Response, Context) {
    (guest.handle(), guest.handle(), guest.handle())
}

impl Plugin for Here {
    fn name(&self) -> &Arc<str> {
        &self.blueprint.lent.name
    }

    fn hooks(&self) -> Hooks {
        self.blueprint.hooks()
    }

    fn on_error(&self) -> OnError {
        self.blueprint.on_error
    }

    fn body_limit(&self) -> usize {
        self.blueprint.lent.limits.body
    }

    fn authenticate<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Authentication> {
        Box::pin(self.run(
            lease,
            exchange,
            Hook {
                name: "authenticate",
                writable: Writable::Request,
                function: |instance: &mut Instance| instance.function(|exports| &mut exports.authenticate),
                params: request_only,
                lift: lift::authentication,
            },
        ))
    }

    fn authorize<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Authorization> {
        let identity = exchange.identity.as_ref().map(Identity::from);
        Box::pin(self.run(
            lease,
            exchange,
            Hook {
                name: "authorize",
                writable: Writable::Request,
                function: |instance: &mut Instance| instance.function(|exports| &mut exports.authorize),
                params: |guest: &mut Guest| (guest.handle(), guest.handle(), identity),
                lift: lift::authorization,
            },
        ))
    }

    fn rate_limit<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Verdict> {
        Box::pin(self.run(
            lease,
            exchange,
            Hook {
                name: "rate-limit",
                writable: Writable::Request,
                function: |instance: &mut Instance| instance.function(|exports| &mut exports.rate_limit),
                params: request_only,
                lift: lift::verdict,
            },
        ))
    }

    fn on_request<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Decision> {
        Box::pin(self.run(
            lease,
            exchange,
            Hook {
                name: "on-request",
                writable: Writable::Request,
                function: |instance: &mut Instance| instance.function(|exports| &mut exports.on_request),
                params: request_only,
                lift: lift::request_decision,
            },
        ))
    }

    fn on_request_body<'a>(
        &'a self,
        lease: &'a mut Lease,
        exchange: Box<Exchange>,
        body: Bytes,
    ) -> Call<'a, BodyDecision> {
        Box::pin(async move {
            let hook = Hook {
                name: "on-request-body",
                writable: Writable::Request,
                function: |instance: &mut Instance| instance.function(|exports| &mut exports.on_request_body),
                params: |guest: &mut Guest| (guest.handle(), guest.handle(), &*body),
                lift: lift::body_decision,
            };
            self.run(lease, exchange, hook).await
        })
    }

    fn on_response<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Decision> {
        Box::pin(self.run(
            lease,
            exchange,
            Hook {
                name: "on-response",
                writable: Writable::Response,
                function: |instance: &mut Instance| instance.function(|exports| &mut exports.on_response),
                params: request_and_response,
                lift: lift::response_decision,
            },
        ))
    }

    fn on_response_body<'a>(
        &'a self,
        lease: &'a mut Lease,
        exchange: Box<Exchange>,
        body: Bytes,
    ) -> Call<'a, BodyDecision> {
        Box::pin(async move {
            let hook = Hook {
                name: "on-response-body",
                writable: Writable::Response,
                function: |instance: &mut Instance| instance.function(|exports| &mut exports.on_response_body),
                params: |guest: &mut Guest| (guest.handle(), guest.handle(), guest.handle(), &*body),
                lift: lift::body_decision,
            };
            self.run(lease, exchange, hook).await
        })
    }

    fn on_chunk<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>, chunk: Chunk) -> Call<'a, Bytes> {
        Box::pin(async move {
            let (name, function): (_, Select<_, _>) = match chunk.direction {
                Direction::Request => ("on-request-chunk", |exports| &mut exports.on_request_chunk),
                Direction::Response => ("on-response-chunk", |exports| &mut exports.on_response_chunk),
            };
            let hook = Hook {
                name,
                writable: Writable::Nothing,
                function: |instance: &mut Instance| instance.function(function),
                params: |guest: &mut Guest| (guest.handle(), &*chunk.bytes, chunk.last),
                lift: lift::piece,
            };
            self.run(lease, exchange, hook).await
        })
    }

    fn aggregate<'a>(&'a self, lease: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, LocalResponse> {
        Box::pin(self.run(
            lease,
            exchange,
            Hook {
                name: "aggregate",
                writable: Writable::Request,
                function: |instance: &mut Instance| instance.function(|exports| &mut exports.aggregate),
                params: request_only,
                lift: lift::response,
            },
        ))
    }

    fn pick(&self, context: &PickContext<'_>, endpoints: &dyn View) -> Result<Option<usize>, PluginError> {
        let (picked, busy) = match self.pool.take_now() {
            Ok(mut held) => {
                let picked = held.instance.pick(&Offer { context, endpoints }, self.blueprint.lent.limits.time);
                let busy = held.instance.busy();
                if picked.is_ok() {
                    held.put_back();
                }
                (picked, busy)
            }
            Err(error) => (Err(error), Duration::ZERO),
        };
        match picked {
            Ok(index) => {
                self.blueprint.metrics.record("balance", if index.is_some() { "picked" } else { "none" }, busy);
                Ok(index.map(|index| index as usize))
            }
            Err(error) => Err(self.record("balance", error, busy)),
        }
    }
}
