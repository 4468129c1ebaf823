//! Traces: spans of requests, plugin calls and tries at endpoints, told to a collector by OTLP. A data thread notes what
//! happened and never waits; one thread makes spans of it and sends them. What doesn't fit is dropped and counted.

mod context;
mod export;
mod span;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use tokio::sync::mpsc;

pub use context::{SpanId, TraceContext, TraceId};
pub(crate) use context::{TRACEPARENT, TRACESTATE};
pub use export::Exporter;
pub use span::Finished;

use crate::config::model::SampleRate;
use context::scramble;
use export::Message;

/// How many requests were told, and how many not.
#[derive(Debug, Default)]
pub struct TraceMetrics {
    pub exported: AtomicU64,
    /// The collector didn't take them.
    pub failed: AtomicU64,
    /// There was no room for them.
    pub dropped: AtomicU64,
}

/// Begins spans on one thread.
pub struct Tracer {
    sample: SampleRate,
    sender: mpsc::Sender<Message>,
    metrics: Arc<TraceMetrics>,
    random: Cell<u64>,
}

impl Tracer {
    fn new(sample: SampleRate, sender: mpsc::Sender<Message>, metrics: Arc<TraceMetrics>) -> Self {
        // Without randomness, numbers of different threads are still apart by where they are kept.
        let place = std::ptr::from_ref(&sample).addr() as u64;
        let random = Cell::new(getrandom::u64().unwrap_or(scramble(place)));
        Self { sample, sender, metrics, random }
    }

    /// The trace of a request with these fields: its caller's, or a new one.
    pub fn begin(&self, headers: &HeaderMap) -> TraceContext {
        match context::parent(headers) {
            Some(parent) => TraceContext::of(parent, self.next()),
            None => {
                let trace = u128::from(self.next()) << 64 | u128::from(self.next());
                TraceContext::new(trace, self.next(), self.sample.takes(self.next()))
            }
        }
    }

    /// Never 0, which stands for no span.
    fn next(&self) -> u64 {
        let number = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(number);
        scramble(number).max(1)
    }

    pub fn tell(&self, finished: Finished) {
        if self.sender.try_send(Message::Finished(Box::new(finished))).is_err() {
            self.metrics.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Keep the state of another trace out of a request, and have it tell of its own, if somebody looks at it from here on.
pub fn mark(headers: &mut HeaderMap, context: &TraceContext, is_seen: bool) {
    // A state belongs to its parent.
    if !context.has_parent() || !context::is_state(headers) {
        headers.remove(TRACESTATE);
    }
    if is_seen {
        headers.insert(TRACEPARENT, context.own_header());
    }
}
