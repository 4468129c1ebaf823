//! Each exported interface in terms of the SDK's trait for it. A plugin's `Exports` type stands in for the
//! plugin, whose instance is kept in a [`Slot`].

use std::any::Any;
use std::cell::RefCell;

use super::bindings;
use super::sys;
use crate::log::Level;
use crate::{
    Aggregate, Authenticate, Authorize, Balance, Body, BodyDecision, Chunk, Decision, Endpoints, Error, Exchange,
    Identity, LocalResponse, OnRequest, OnRequestBody, OnRequestChunk, OnResponse, OnResponseBody, OnResponseChunk,
    PickContext, Plugin, RateLimit, Request, Response, config,
};

use bindings::aggregate::exports::sluice::plugin::aggregate;
use bindings::authenticate::exports::sluice::plugin::authenticate;
use bindings::authorize::exports::sluice::plugin::authorize;
use bindings::balance::exports::sluice::plugin::balance;
use bindings::lifecycle::exports::sluice::plugin::lifecycle;
use bindings::on_request::exports::sluice::plugin::on_request;
use bindings::on_request_body::exports::sluice::plugin::on_request_body;
use bindings::on_request_chunk::exports::sluice::plugin::on_request_chunk;
use bindings::on_response::exports::sluice::plugin::on_response;
use bindings::on_response_body::exports::sluice::plugin::on_response_body;
use bindings::on_response_chunk::exports::sluice::plugin::on_response_chunk;
use bindings::rate_limit::exports::sluice::plugin::rate_limit;

/// What [`export!`](crate::export) implements.
pub trait Exported {
    /// The author's type.
    type Plugin: Plugin;

    /// Give the instance's slot to `call`.
    fn with<R>(call: impl FnOnce(&Slot<Self::Plugin>) -> R) -> R;
}

/// Where an instance keeps the configured plugin, and what that keeps of the bodies on their way: an instance that
/// sees bodies in pieces serves one exchange.
pub struct Slot<P>(RefCell<Option<P>>, [RefCell<Option<Box<dyn Any>>>; 2]);

/// Whose body is on its way.
#[derive(Clone, Copy)]
enum Direction {
    Request,
    Response,
}

impl<P> Slot<P> {
    /// Not configured yet.
    pub const fn new() -> Self {
        Self(RefCell::new(None), [const { RefCell::new(None) }; 2])
    }
}

impl<P> Default for Slot<P> {
    fn default() -> Self {
        Self::new()
    }
}

fn call<E: Exported, R>(hook: impl FnOnce(&E::Plugin) -> Result<R, Error>) -> Result<R, String> {
    E::with(|slot| match slot.0.try_borrow().as_deref() {
        Ok(Some(plugin)) => hook(plugin).map_err(|error| error.to_string()),
        _ => Err("the instance isn't configured".to_owned()),
    })
}

/// Call a chunk hook with what it kept of the pieces before.
fn pass<E: Exported, S: Default + 'static>(
    direction: Direction,
    last: bool,
    hook: impl FnOnce(&E::Plugin, &mut S) -> Result<Vec<u8>, Error>,
) -> Result<Vec<u8>, String> {
    let place = direction as usize;
    let before = E::with(|slot| slot.1.get(place)?.try_borrow_mut().ok()?.take());
    let mut kept: Box<S> = before.and_then(|kept| kept.downcast().ok()).unwrap_or_default();
    let out = call::<E, _>(|plugin| hook(plugin, &mut kept))?;
    if !last {
        E::with(|slot| {
            if let Some(Ok(mut after)) = slot.1.get(place).map(RefCell::try_borrow_mut) {
                *after = Some(kept);
            }
        });
    }
    Ok(out)
}

impl<E: Exported> lifecycle::Guest for E {
    fn configure(config: String) -> Result<(), String> {
        std::panic::set_hook(Box::new(|panic| sys::log(Level::Error, &panic.to_string())));
        let plugin = config::decode(&config).and_then(E::Plugin::configure).map_err(|error| error.to_string())?;
        E::with(|slot| match slot.0.try_borrow_mut() {
            Ok(mut slot) => {
                *slot = Some(plugin);
                Ok(())
            }
            Err(_) => Err("the instance is in use".to_owned()),
        })
    }
}

impl<E: Exported<Plugin: Authenticate>> authenticate::Guest for E {
    fn authenticate(request: sys::Request, exchange: sys::Exchange) -> Result<authenticate::Authentication, String> {
        use crate::Authentication::{Denied, Identified, NoCredentials};
        call::<E, _>(|plugin| plugin.authenticate(&mut Request(request), &Exchange(exchange))).map(
            |found| match found {
                Identified(identity) => authenticate::Authentication::Identified(identity),
                NoCredentials => authenticate::Authentication::NoCredentials,
                Denied(answer) => authenticate::Authentication::Denied(answer),
            },
        )
    }
}

impl<E: Exported<Plugin: Authorize>> authorize::Guest for E {
    fn authorize(
        request: sys::Request,
        exchange: sys::Exchange,
        identity: Option<Identity>,
    ) -> Result<authorize::Authorization, String> {
        use crate::Authorization::{Allowed, Denied};
        call::<E, _>(|plugin| plugin.authorize(&mut Request(request), &Exchange(exchange), identity.as_ref())).map(
            |outcome| match outcome {
                Allowed => authorize::Authorization::Allowed,
                Denied(answer) => authorize::Authorization::Denied(answer),
            },
        )
    }
}

impl<E: Exported<Plugin: RateLimit>> rate_limit::Guest for E {
    fn check(request: sys::Request, exchange: sys::Exchange) -> Result<rate_limit::Verdict, String> {
        use crate::Verdict::{Admitted, Rejected};
        call::<E, _>(|plugin| plugin.check(&Request(request), &Exchange(exchange))).map(|verdict| match verdict {
            Admitted(quota) => rate_limit::Verdict::Admitted(quota),
            Rejected(quota) => rate_limit::Verdict::Rejected(quota),
        })
    }
}

impl<E: Exported<Plugin: OnRequest>> on_request::Guest for E {
    fn handle(request: sys::Request, exchange: sys::Exchange) -> Result<Decision, String> {
        call::<E, _>(|plugin| plugin.on_request(&mut Request(request), &Exchange(exchange)))
    }
}

impl<E: Exported<Plugin: OnRequestBody>> on_request_body::Guest for E {
    fn handle(request: sys::Request, exchange: sys::Exchange, body: Vec<u8>) -> Result<BodyDecision, String> {
        call::<E, _>(|plugin| plugin.on_request_body(&mut Request(request), &Exchange(exchange), Body::from(body)))
    }
}

impl<E: Exported<Plugin: OnRequestChunk>> on_request_chunk::Guest for E {
    fn handle(exchange: sys::Exchange, bytes: Vec<u8>, last: bool) -> Result<Vec<u8>, String> {
        pass::<E, _>(Direction::Request, last, |plugin, kept| {
            plugin.on_request_chunk(kept, Chunk { bytes, last }, &Exchange(exchange))
        })
    }
}

impl<E: Exported<Plugin: OnResponseChunk>> on_response_chunk::Guest for E {
    fn handle(exchange: sys::Exchange, bytes: Vec<u8>, last: bool) -> Result<Vec<u8>, String> {
        pass::<E, _>(Direction::Response, last, |plugin, kept| {
            plugin.on_response_chunk(kept, Chunk { bytes, last }, &Exchange(exchange))
        })
    }
}

impl<E: Exported<Plugin: OnResponse>> on_response::Guest for E {
    fn handle(request: sys::Request, response: sys::Response, exchange: sys::Exchange) -> Result<Decision, String> {
        call::<E, _>(|plugin| plugin.on_response(&Request(request), &mut Response(response), &Exchange(exchange)))
    }
}

impl<E: Exported<Plugin: OnResponseBody>> on_response_body::Guest for E {
    fn handle(
        request: sys::Request,
        response: sys::Response,
        exchange: sys::Exchange,
        body: Vec<u8>,
    ) -> Result<BodyDecision, String> {
        call::<E, _>(|plugin| {
            plugin.on_response_body(&Request(request), &mut Response(response), &Exchange(exchange), Body::from(body))
        })
    }
}

impl<E: Exported<Plugin: Aggregate>> aggregate::Guest for E {
    fn handle(request: sys::Request, exchange: sys::Exchange) -> Result<LocalResponse, String> {
        call::<E, _>(|plugin| plugin.handle(&Request(request), &Exchange(exchange)))
    }
}

impl<E: Exported<Plugin: Balance>> balance::Guest for E {
    fn pick(context: sys::PickContext, endpoints: sys::EndpointList) -> Option<u32> {
        E::with(|slot| {
            let mut slot = slot.0.try_borrow_mut().ok()?;
            slot.as_mut()?.pick(&PickContext(context), &Endpoints(endpoints))
        })
    }
}
