//! Builders of routes and requests for the tests of this module.

mod agreement;
pub(super) mod properties;
mod search;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};

use super::{Outcome, RouteRequest, Table};
use crate::config::model::{Destination, HostPattern, Match, PathPattern, Route, Segment, ValuePattern};

/// `""`, `*.example.com` or `example.com`.
pub(super) fn host(written: &str) -> HostPattern {
    match (written, written.strip_prefix("*.")) {
        ("", _) => HostPattern::Any,
        (_, Some(suffix)) => HostPattern::Wildcard(suffix.into()),
        (exact, None) => HostPattern::Exact(exact.into()),
    }
}

/// `/users/{id}/*`
pub(super) fn path(written: &str) -> PathPattern {
    let body = written.strip_suffix("/*");
    let segments = body.unwrap_or(written).split('/').skip(1).map(|part| match part.strip_prefix('{') {
        Some(rest) => Segment::Capture(rest.trim_end_matches('}').into()),
        None => Segment::Literal(part.into()),
    });
    PathPattern { segments: segments.collect(), prefix: body.is_some() }
}

/// A route for host and path on listener 0.
pub(super) fn route(on: &str, at: &str) -> Route {
    Route {
        name: at.into(),
        listeners: vec![0],
        matcher: Match { host: host(on), path: path(at), ..Match::default() },
        plugins: Vec::new(),
        destination: Destination::Chain,
        anonymous: false,
        fall_through: false,
        place: "test.toml:1".into(),
    }
}

impl Route {
    fn methods(mut self, methods: &[Method]) -> Self {
        self.matcher.methods = methods.to_vec();
        self
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.matcher.headers.push((HeaderName::from_static(name), ValuePattern::Exact(value.into())));
        self
    }

    fn parameter(mut self, name: &str) -> Self {
        self.matcher.query.push((name.into(), ValuePattern::Present));
        self
    }

    fn falling_through(mut self) -> Self {
        self.fall_through = true;
        self
    }
}

/// Search for `GET path`.
fn find(routes: &[Route], on: &str, at: &str) -> Outcome {
    ask(routes, &Method::GET, on, at, &HeaderMap::new())
}

fn ask(routes: &[Route], method: &Method, on: &str, at: &str, headers: &HeaderMap) -> Outcome {
    let (path, query) = at.split_once('?').map_or((at, None), |(path, query)| (path, Some(query)));
    Table::build(routes).find(0, &RouteRequest { host: on, path, method, headers, query })
}

/// The route that was found; captures left out.
fn found(outcome: &Outcome) -> Option<usize> {
    match outcome {
        Outcome::Found { route, .. } => Some(*route),
        _ => None,
    }
}

/// The `Allow` field of a 405.
fn allowed(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::MethodNotAllowed { allow } => Some(allow.to_string()),
        _ => None,
    }
}
