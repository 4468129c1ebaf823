//! What happens to the connections of a listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::series::{Counter, Series};

/// Of one listener.
#[derive(Debug, Default)]
pub struct ListenerMetrics {
    pub(super) accepted: Counter,
    pub(super) open: AtomicI64,
    pub(super) refused: Series<&'static str, Counter>,
    pub(super) cut: Series<&'static str, Counter>,
    pub(super) stalled: Counter,
    pub(super) accept_failures: Series<&'static str, Counter>,
}

impl ListenerMetrics {
    /// A connection was accepted; it is open until the guard is dropped.
    pub fn connection(self: &Arc<Self>) -> ConnectionLife {
        self.accepted.add(1);
        self.open.fetch_add(1, Ordering::Relaxed);
        ConnectionLife(self.clone())
    }

    /// A connection couldn't be accepted: `process-descriptors`, `system-descriptors`, `memory`, `aborted` by its
    /// client, or `other`.
    pub fn accept_failed(&self, reason: &'static str) {
        self.accept_failures.find(reason, "other").add(1);
    }

    /// A connection was closed before it could be served: `connections`, `connections-per-address`, `proxy-protocol`,
    /// `timeout`, `tls`, `client-certificate`, `incomplete` (it ended before it said which cluster it wants),
    /// `no-cluster` or `upstream`.
    pub fn refused(&self, reason: &'static str) {
        self.refused.find(reason, "other").add(1);
    }

    /// A connection was ended for what its client did: `slow-head`, `slow-reader`, `http2-malformed`, `http2-calm`
    /// (too many continuations, small pieces or early resets, or a list of fields that is too long), or one of the
    /// floods of HTTP/2: `http2-resets`, `http2-pings`, `http2-settings`, `http2-priorities`, `http2-window-updates`,
    /// `http2-empty-data`, `http2-continuations`, `http2-errors`, `http2-unknown`.
    pub fn cut(&self, reason: &'static str) {
        self.cut.find(reason, "other").add(1);
    }

    /// A stream of HTTP/2 was reset, since its client took nothing of the answer.
    pub fn stalled(&self) {
        self.stalled.add(1);
    }
}

/// One open connection.
#[derive(Debug)]
pub struct ConnectionLife(Arc<ListenerMetrics>);

impl Drop for ConnectionLife {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
