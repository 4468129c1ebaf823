//! A plugin without a component that works: each of its calls fails, and the chain does as its `on_error` says where
//! that is safe.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::balance::{PickContext, View};
use crate::config::model::OnError;
use crate::plugin::exchange::{Exchange, LocalResponse};
use crate::plugin::http_client::HttpClient;
use crate::plugin::role::{
    Authentication, Authorization, BodyDecision, Call, Chunk, Decision, Hooks, Lease, Plugin, PluginError,
    PluginFactory, Verdict,
};
use crate::telemetry::metrics::PluginMetrics;

/// What it would do isn't known; with this one the chain comes across it at least once.
const HOOKS: Hooks = Hooks::ON_REQUEST;

/// A plugin that has no version that works, in a snapshot and on each thread.
#[derive(Clone)]
pub(crate) struct Unavailable {
    pub(crate) name: Arc<str>,
    pub(crate) on_error: OnError,
    pub(crate) metrics: Arc<PluginMetrics>,
}

impl Unavailable {
    fn fail<'a, T: 'a>(&self, exchange: Box<Exchange>) -> Call<'a, T> {
        Box::pin(std::future::ready((exchange, Err(self.error()))))
    }

    fn error(&self) -> PluginError {
        let error = PluginError::Unavailable;
        self.metrics.record("none", error.kind(), Duration::ZERO);
        self.metrics.failed("none", &error);
        error
    }
}

impl PluginFactory for Unavailable {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn hooks(&self) -> Hooks {
        HOOKS
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn on_thread(&self, _: Arc<dyn HttpClient>) -> Rc<dyn Plugin> {
        Rc::new(self.clone())
    }
}

/// Hooks that fail, by what else they take and would have returned.
macro_rules! failing {
    ($($hook:ident($($argument:ty)?) -> $outcome:ty;)*) => {$(
        fn $hook<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>$(, _: $argument)?) -> Call<'a, $outcome> {
            self.fail(exchange)
        }
    )*};
}

impl Plugin for Unavailable {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn hooks(&self) -> Hooks {
        HOOKS
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn body_limit(&self) -> usize {
        0
    }

    failing! {
        authenticate() -> Authentication;
        authorize() -> Authorization;
        rate_limit() -> Verdict;
        on_request() -> Decision;
        on_request_body(Bytes) -> BodyDecision;
        on_response() -> Decision;
        on_response_body(Bytes) -> BodyDecision;
        on_chunk(Chunk) -> Bytes;
        aggregate() -> LocalResponse;
    }

    fn pick(&self, _: &PickContext<'_>, _: &dyn View) -> Result<Option<usize>, PluginError> {
        Err(self.error())
    }
}
