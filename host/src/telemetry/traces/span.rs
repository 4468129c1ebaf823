//! From what is known of a request to its spans, named as OpenTelemetry's semantic conventions for HTTP have it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{Method, Version};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::SpanData;

use super::TraceContext;
use crate::telemetry::trail::{HookCall, Steps, Try};

/// A request that is over.
#[derive(Debug)]
pub struct Finished {
    pub context: TraceContext,
    pub at: SystemTime,
    /// The same moment.
    pub start: Instant,
    pub duration: Duration,
    pub method: Method,
    pub version: Version,
    pub scheme: &'static str,
    pub host: Option<String>,
    pub path: String,
    /// Secrets are covered.
    pub query: Option<String>,
    pub client: IpAddr,
    pub route: Option<Arc<str>>,
    pub request_id: Option<Arc<str>>,
    pub status: u16,
    /// Why the gateway or a plugin answered, or why it broke off.
    pub reason: Option<String>,
    pub refused_by: Option<Arc<str>>,
    pub steps: Option<Box<Steps>>,
}

impl Finished {
    /// Its own span, and those below.
    pub(super) fn spans(mut self, scope: &InstrumentationScope) -> Vec<SpanData> {
        let steps = self.steps.take().unwrap_or_default();
        let mut spans = vec![self.server(scope)];
        for call in &steps.calls {
            let span = call.span.unwrap_or_else(|| self.context.child());
            spans.push(self.call(scope, span, call));
        }
        for attempt in &steps.tries {
            let span = attempt.span.unwrap_or_else(|| self.context.child());
            spans.push(self.attempt(scope, span, attempt));
        }
        spans
    }

    /// Of a plugin's call.
    fn call(&self, scope: &InstrumentationScope, span: u64, call: &HookCall) -> SpanData {
        let mut attributes = vec![
            KeyValue::new("sluice.plugin", call.plugin.to_string()),
            KeyValue::new("sluice.plugin.hook", call.hook),
            KeyValue::new("sluice.plugin.outcome", call.outcome),
            KeyValue::new("sluice.plugin.busy", call.busy.as_secs_f64()),
        ];
        attributes.extend(call.failed.then(|| KeyValue::new("error.type", call.outcome)));
        let name = format!("{} {}", call.plugin, call.hook);
        let times = (call.start, call.duration);
        let mut data = self.below(scope, (span, self.context.span), SpanKind::Internal, name, times, attributes);
        if call.failed {
            data.status = Status::error(call.outcome);
        }
        data
    }

    /// Of a try at an endpoint, by a plugin's request or the client's own.
    fn attempt(&self, scope: &InstrumentationScope, span: u64, attempt: &Try) -> SpanData {
        let mut attributes = vec![
            KeyValue::new("http.request.method", attempt.method.to_string()),
            KeyValue::new("sluice.cluster", attempt.cluster.to_string()),
        ];
        let (address, port) = match attempt.endpoint.rsplit_once(':') {
            Some((address, port)) if !attempt.endpoint.starts_with("unix") => (address, port.parse::<i64>().ok()),
            _ => (&*attempt.endpoint, None),
        };
        if !address.is_empty() {
            attributes.push(KeyValue::new("server.address", address.trim_matches(['[', ']']).to_owned()));
        }
        attributes.extend(port.map(|port| KeyValue::new("server.port", port)));
        attributes.extend(attempt.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
        if attempt.before > 0 {
            attributes.push(KeyValue::new("http.request.resend_count", i64::from(attempt.before)));
        }
        if attempt.abandoned {
            attributes.push(KeyValue::new("sluice.abandoned", true));
        }
        let error = match attempt.status {
            None if attempt.abandoned => None,
            None => Some("no answer".to_owned()),
            Some(status) => (status >= 400).then(|| status.to_string()),
        };
        attributes.extend(error.clone().map(|kind| KeyValue::new("error.type", kind)));
        let parent = attempt.parent.unwrap_or(self.context.span);
        let (name, times) = (attempt.method.to_string(), (attempt.start, attempt.duration));
        let mut data = self.below(scope, (span, parent), SpanKind::Client, name, times, attributes);
        if error.is_some() {
            data.status = Status::error(attempt.status.map_or("no answer", |_| ""));
        }
        data
    }

    fn server(&self, scope: &InstrumentationScope) -> SpanData {
        let mut attributes = vec![
            KeyValue::new("http.request.method", self.method.to_string()),
            KeyValue::new("url.scheme", self.scheme),
            KeyValue::new("url.path", self.path.clone()),
            KeyValue::new("client.address", self.client.to_string()),
            KeyValue::new("network.protocol.version", version(self.version)),
            KeyValue::new("http.response.status_code", i64::from(self.status)),
        ];
        let mut add = |name: &'static str, value: Option<&str>| {
            attributes.extend(value.map(|value| KeyValue::new(name, value.to_owned())));
        };
        add("server.address", self.host.as_deref());
        add("url.query", self.query.as_deref());
        add("http.route", self.route.as_deref());
        add("sluice.request_id", self.request_id.as_deref());
        add("sluice.refused_by", self.refused_by.as_deref());
        add("sluice.reason", self.reason.as_deref());
        // Of a server, only its own faults are errors.
        let is_error = self.status >= 500;
        attributes.extend(is_error.then(|| KeyValue::new("error.type", self.status.to_string())));
        let name = match &self.route {
            Some(route) => format!("{} {route}", self.method),
            None => self.method.to_string(),
        };
        let mut data =
            self.span(scope, self.context.span, SpanKind::Server, name, (self.at, self.duration), attributes);
        data.parent_span_id = SpanId::from(self.context.parent.unwrap_or_default());
        data.parent_span_is_remote = self.context.parent.is_some();
        if is_error {
            data.status = Status::error(self.reason.clone().unwrap_or_default());
        }
        data
    }

    fn below(
        &self,
        scope: &InstrumentationScope,
        (span, parent): (u64, u64),
        kind: SpanKind,
        name: String,
        (start, duration): (Instant, Duration),
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        let at = self.at + start.saturating_duration_since(self.start);
        let mut data = self.span(scope, span, kind, name, (at, duration), attributes);
        data.parent_span_id = SpanId::from(parent);
        data
    }

    fn span(
        &self,
        scope: &InstrumentationScope,
        span: u64,
        kind: SpanKind,
        name: String,
        (at, duration): (SystemTime, Duration),
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        let trace = TraceId::from(self.context.trace);
        SpanData {
            span_context: SpanContext::new(
                trace,
                SpanId::from(span),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: at,
            end_time: at + duration,
            attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: scope.clone(),
        }
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
