//! A plugin without a component that works: each of its calls fails.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::balance::{PickContext, View};
use crate::config::model::OnError;
use crate::plugin::exchange::{Exchange, LocalResponse};
use crate::plugin::role::{
    Authentication, Authorization, BodyDecision, Call, Chunk, Decision, Hooks, Lease, Plugin, PluginError, Verdict,
};
use crate::telemetry::metrics::PluginMetrics;

/// A plugin that has no version that works, on one thread.
pub(crate) struct Nowhere {
    pub(crate) name: Arc<str>,
    pub(crate) on_error: OnError,
    pub(crate) metrics: Arc<PluginMetrics>,
}

impl Nowhere {
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

impl Plugin for Nowhere {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn hooks(&self) -> Hooks {
        Hooks::ON_REQUEST
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn body_limit(&self) -> usize {
        0
    }

    fn authenticate<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Authentication> {
        self.fail(exchange)
    }

    fn authorize<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Authorization> {
        self.fail(exchange)
    }

    fn rate_limit<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Verdict> {
        self.fail(exchange)
    }

    fn on_request<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Decision> {
        self.fail(exchange)
    }

    fn on_request_body<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>, _: Bytes) -> Call<'a, BodyDecision> {
        self.fail(exchange)
    }

    fn on_response<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, Decision> {
        self.fail(exchange)
    }

    fn on_response_body<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>, _: Bytes) -> Call<'a, BodyDecision> {
        self.fail(exchange)
    }

    fn on_chunk<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>, _: Chunk) -> Call<'a, Bytes> {
        self.fail(exchange)
    }

    fn aggregate<'a>(&'a self, _: &'a mut Lease, exchange: Box<Exchange>) -> Call<'a, LocalResponse> {
        self.fail(exchange)
    }

    fn pick(&self, _: &PickContext<'_>, _: &dyn View) -> Result<Option<usize>, PluginError> {
        Err(self.error())
    }
}
