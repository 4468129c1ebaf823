//! The chain of a route: its plugins in the order of the configuration for the request, in reverse for
//! the answer. Knows plugins by their role trait only, and nothing of clusters or connections.
//!
//! # Request phase
//! Each plugin runs the hooks it has, at its place, in this order: `authenticate`, `authorize`,
//! `rate-limit`, `on-request`, `on-request-body` (if `on-request` asked for it), `aggregate`. Any of them may answer, and then no
//! later hook runs.
//!
//! The first identity wins: once there is one, later `authenticate` hooks aren't called. After the last plugin that has
//! one, a request without identity is answered 401, unless the route lets anonymous requests in. An
//! `authorize` hook that stands before that plugin sees no identity yet.
//!
//! # Response phase
//! `on-response` (and `on-response-body`) of each plugin whose request phase finished, in reverse, on answers of
//! any origin. A plugin that answered didn't finish; one that aggregated did.
//!
//! # Chunk hooks
//! `on-request-chunk` and `on-response-chunk` see bodies pass while they are sent on, in the same orders. A body that a
//! plugin waits for as a whole has gone through the chunk hooks of the plugins before it. All hooks
//! of such a plugin share one instance for the exchange.
//!
//! # Failures
//! A failed hook costs the exchange a 503, or with `on_error = "open"` the chain goes on without that plugin, its response
//! phase included. `authenticate`, `authorize` and `aggregate` never fail open: nothing could stand in for their decision.
//! Nor does a plugin without a component that works, since it may have been one of these.

mod body;
mod coding;
mod pieces;
mod quota;
mod request;
mod response;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use self::pieces::Shared;
use super::exchange::{Exchange, LocalResponse};
use super::role::{Hooks, Lease, Plugin, PluginError, Quota};
use crate::error::Error;

/// The plugins of a route on one thread.
#[derive(Default)]
pub struct Chain {
    plugins: Vec<Rc<dyn Plugin>>,
    last_authenticator: Option<usize>,
    hooks: Hooks,
}

/// One exchange's way through a chain. Dropping it gives back what plugins kept for the exchange.
pub struct Run {
    links: Vec<Link>,
    quotas: Vec<Quota>,
}

impl Run {
    /// What a plugin's chunk hook failed with, if one did.
    fn failed_on_body(&self) -> Option<Error> {
        self.links.iter().find_map(|link| link.shared.as_ref()?.failure())
    }
}

/// What is kept for one plugin.
#[derive(Default)]
struct Link {
    /// Until it is shared.
    lease: Lease,
    /// Once a body passes through its chunk hooks.
    shared: Option<Rc<Shared>>,
    /// Its request phase went through.
    finished: bool,
}

impl Link {
    fn share(&mut self) -> &Rc<Shared> {
        let lease = &mut self.lease;
        self.shared.get_or_insert_with(|| Shared::new(std::mem::take(lease)))
    }
}

/// How the request phase ended.
#[derive(Debug)]
pub enum Passage {
    /// Send the request to the route's destination.
    Continue,
    /// A plugin made the answer.
    Answer(LocalResponse),
    /// Answer with what the error stands for.
    Failed(Error),
}

/// Makes the answer that an error stands for.
pub type Render<'a> = &'a dyn Fn(&Error, &Exchange) -> LocalResponse;

impl Chain {
    pub fn new(plugins: Vec<Rc<dyn Plugin>>) -> Self {
        let last_authenticator = plugins.iter().rposition(|plugin| plugin.hooks().has(Hooks::AUTHENTICATE));
        let hooks = plugins.iter().fold(Hooks::default(), |all, plugin| all.with(plugin.hooks()));
        Self { plugins, last_authenticator, hooks }
    }

    pub fn is_empty(&self) -> bool {
        self.plugins.is_empty()
    }

    /// Whether a plugin may ask for an answer's whole body, so that the upstream must send one that can be
    /// decoded, and all of it.
    pub fn reads_answers(&self) -> bool {
        self.hooks.has(Hooks::ON_RESPONSE_BODY)
    }

    /// Whether a plugin sees answers' bodies piece by piece, so that the upstream must send them without a coding,
    /// and from the beginning.
    pub fn reads_pieces_of_answers(&self) -> bool {
        self.hooks.has(Hooks::ON_RESPONSE_CHUNK)
    }

    /// Whether a plugin may look at the request again once there is an answer.
    pub fn reads_request_again(&self) -> bool {
        self.hooks.has(Hooks::ON_RESPONSE)
    }

    /// Begin an exchange.
    pub fn start(&self) -> Run {
        Run { links: self.plugins.iter().map(|_| Link::default()).collect(), quotas: Vec::new() }
    }

    /// What a plugin's failure means for the exchange: an error, or nothing if the chain goes on.
    /// `open` is whether it may go on at all.
    fn judge(plugin: &dyn Plugin, hook: Hooks, error: &PluginError, exchange: &Exchange, open: bool) -> Option<Error> {
        // Without a component nobody knows what the plugin would have decided: it may well be the one that
        // keeps strangers out.
        let is_known = *error != PluginError::Unavailable;
        let open = open && is_known && ![Hooks::AUTHENTICATE, Hooks::AUTHORIZE, Hooks::AGGREGATE].contains(&hook);
        let hook = hook.names().next().unwrap_or_default();
        tracing::warn!(plugin = &**plugin.name(), hook, exchange = &*exchange.id, route = &*exchange.route, open, %error, "plugin failed");
        (!open).then(|| Error::Plugin { plugin: std::sync::Arc::clone(plugin.name()), kind: error.kind() })
    }
}
