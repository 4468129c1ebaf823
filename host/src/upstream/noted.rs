//! Tries as whoever watches is told of them, however they end.

use std::time::Instant;

use http::{Method, Request};

use super::call::Tried;
use super::cluster::Cluster;
use super::send::{Caller, ThreadCluster};
use crate::body::Body;
use crate::telemetry::traces::TRACEPARENT;
use crate::telemetry::trail::{Trail, Try};

/// One try on its way. Dropped without [`Noted::end`], it was abandoned. Nothing if nobody watches.
pub(super) struct Noted<'a>(Option<Note<'a>>);

struct Note<'a> {
    trail: &'a Trail,
    cluster: &'a Cluster,
    index: usize,
    method: Method,
    span: Option<u64>,
    start: Instant,
    /// The answer's, once that is there; none without one.
    status: Option<Option<u16>>,
}

impl ThreadCluster {
    /// Begin a try at an endpoint, and have the request say which span it belongs to.
    pub(super) fn note<'a>(&'a self, caller: &Caller<'a>, index: usize, request: &mut Request<Body>) -> Noted<'a> {
        let Some(trail) = caller.trail else { return Noted(None) };
        let start = trail.begin();
        let span = trail.next_try().map(|(span, parent)| {
            request.headers_mut().insert(TRACEPARENT, parent);
            span
        });
        Noted(start.map(|start| {
            let (cluster, method) = (self.cluster(), request.method().clone());
            Note { trail, cluster, index, method, span, start, status: None }
        }))
    }
}

impl Noted<'_> {
    /// It ended so.
    pub fn end(mut self, sent: &Tried) {
        if let Some(note) = &mut self.0 {
            note.status = Some(sent.as_ref().ok().map(|answer| answer.status().as_u16()));
        }
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        self.trail.tried(|| Try {
            cluster: std::sync::Arc::clone(self.cluster.name()),
            endpoint: self.cluster.members().get(self.index).map(|member| member.endpoint.name()).unwrap_or_default(),
            method: self.method.clone(),
            status: self.status.flatten(),
            abandoned: self.status.is_none(),
            start: self.start,
            span: self.span,
            parent: None,
            before: 0,
            duration: self.start.elapsed(),
        });
    }
}
