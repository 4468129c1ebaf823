//! What the admin API may know of the gateway.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use super::shared::Shared;
use crate::admin::Source;
use crate::snapshot::Snapshot;
use crate::snapshot::status::Status;
use crate::telemetry::log::LogControl;
use crate::telemetry::metrics::{Format, Metrics, Reload};

pub struct Overview {
    pub shared: Arc<Shared>,
    pub log: Option<LogControl>,
}

impl Source for Overview {
    fn is_ready(&self) -> bool {
        self.shared.is_ready()
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.shared.snapshot()
    }

    fn status(&self) -> Arc<Status> {
        self.shared.status.borrow().clone()
    }

    fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.shared.address(listener)
    }

    fn metrics(&self, format: Format) -> String {
        self.shared.metrics.encode(format, &self.shared.endpoints(), &self.shared.components())
    }

    fn telemetry(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    fn log(&self) -> Option<&LogControl> {
        self.log.as_ref()
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = Option<Reload>> + '_>> {
        Box::pin(self.shared.reload())
    }
}
