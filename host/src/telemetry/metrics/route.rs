//! What is counted of requests by route. Labels are OpenTelemetry's for HTTP servers; a method that isn't known counts as
//! `_OTHER`, whatever a client makes up.

use std::time::Duration;

use http::{Method, StatusCode};

use super::series::{Histogram, Series};
use crate::telemetry::traces::TraceContext;

/// A method as metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodLabel(&'static str);

impl MethodLabel {
    pub const OTHER: Self = Self("_OTHER");

    pub fn name(self) -> &'static str {
        self.0
    }
}

impl From<&Method> for MethodLabel {
    fn from(method: &Method) -> Self {
        Self(match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::DELETE => "DELETE",
            Method::HEAD => "HEAD",
            Method::OPTIONS => "OPTIONS",
            Method::PATCH => "PATCH",
            Method::CONNECT => "CONNECT",
            Method::TRACE => "TRACE",
            _ => return Self::OTHER,
        })
    }
}

/// What a request is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// What an upstream makes up beyond a plausible number of statuses counts under 0.
    pub(super) status: u16,
    pub(super) method: MethodLabel,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
}

impl Kind {
    const OTHER: Self = Self { status: 0, method: MethodLabel::OTHER, scheme: "" };
}

/// Of one route.
#[derive(Debug, Default)]
pub struct RouteMetrics {
    pub(super) by_kind: Series<Kind, Histogram>,
}

/// A request that ended, but for its status.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    pub method: MethodLabel,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// From head to head.
    pub duration: Duration,
    pub trace: Option<TraceContext>,
}

impl RouteMetrics {
    /// An exchange ended with this status.
    pub fn record(&self, status: StatusCode, ended: Ended) {
        let kind = Kind { status: status.as_u16(), method: ended.method, scheme: ended.scheme };
        let histogram = self.by_kind.find(kind, Kind::OTHER);
        match ended.trace.filter(TraceContext::is_sampled) {
            None => histogram.record(ended.duration),
            Some(trace) => histogram.record_traced(ended.duration, trace.ids()),
        }
    }
}

#[cfg(test)]
impl RouteMetrics {
    /// For tests to which nothing else matters.
    pub fn record_get(&self, status: StatusCode, duration: Duration) {
        self.record(status, Ended { method: (&Method::GET).into(), scheme: "http", duration, trace: None });
    }
}
