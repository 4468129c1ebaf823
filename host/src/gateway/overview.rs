//! What the admin API may know of the gateway.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use super::shared::Shared;
use crate::admin::Source;
use crate::snapshot::Snapshot;
use crate::snapshot::status::Status;
use crate::telemetry::metrics::{Format, Reload};
use crate::telemetry::refusals::Refusal;

pub struct Overview(pub Arc<Shared>);

impl Source for Overview {
    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.snapshot()
    }

    fn status(&self) -> Arc<Status> {
        self.0.status.borrow().clone()
    }

    fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.0.address(listener)
    }

    fn metrics(&self, format: Format) -> String {
        self.0.metrics.encode(format, &self.0.endpoints())
    }

    fn refusals(&self) -> Vec<Refusal> {
        self.0.metrics.refusals().since(0)
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = Option<Reload>> + '_>> {
        Box::pin(self.0.reload())
    }
}
