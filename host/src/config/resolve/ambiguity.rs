//! Finds routes that can't be told apart: some request fits both, and neither is more specific.

use std::collections::HashMap;

use http::Method;

use super::{Context, route};
use crate::config::model::{HostPattern, Match, Segment, ValuePattern};
use crate::config::problem::Fault;
use crate::config::written::Route;

/// A route ready to be compared.
struct Candidate<'a> {
    route: &'a Route,
    matcher: &'a Match,
    listeners: Vec<usize>,
}

/// Routes of one host, one path (captures' names left out) and one number of conditions.
type Shape<'a> = (&'a HostPattern, Vec<Option<&'a str>>, bool, usize);

pub(super) fn check(routes: &[Route], context: &Context<'_>) {
    let mut groups: HashMap<Shape<'_>, Vec<Candidate<'_>>> = HashMap::new();
    for route in routes {
        let Some(matcher) = &route.matcher else { continue };
        let candidate = Candidate { route, matcher, listeners: route::positions(route, context) };
        let group = groups.entry(shape(matcher)).or_default();
        if let Some(other) = group.iter().find(|other| conflict(other, &candidate)) {
            let message =
                format!("can't be told apart from {}, at {}", other.route.head.subject, other.route.head.place);
            let remedy = "change the match of one of the two, or remove it";
            context.problems.add(
                &route.head.place,
                format!("{}: match", route.head.subject),
                Fault::new(message, remedy),
            );
        }
        group.push(candidate);
    }
}

fn shape(matcher: &Match) -> Shape<'_> {
    let segments = matcher.path.segments.iter().map(|segment| match segment {
        Segment::Literal(text) => Some(text.as_str()),
        Segment::Capture(_) => None,
    });
    (&matcher.host, segments.collect(), matcher.path.prefix, conditions(matcher))
}

/// Whether a request can fit both, given that they have the same shape, so that neither is more specific.
fn conflict(a: &Candidate<'_>, b: &Candidate<'_>) -> bool {
    a.listeners.iter().any(|listener| b.listeners.contains(listener))
        && methods_overlap(&a.matcher.methods, &b.matcher.methods)
        && compatible(&a.matcher.headers, &b.matcher.headers)
        && compatible(&a.matcher.query, &b.matcher.query)
}

/// How specific a match is beyond host and path.
fn conditions(matcher: &Match) -> usize {
    usize::from(!matcher.methods.is_empty()) + matcher.headers.len() + matcher.query.len()
}

fn methods_overlap(a: &[Method], b: &[Method]) -> bool {
    let has = |methods: &[Method], method: &Method| {
        methods.is_empty() || methods.contains(method) || (*method == Method::HEAD && methods.contains(&Method::GET))
    };
    a.iter().any(|method| has(b, method)) || b.iter().any(|method| has(a, method)) || (a.is_empty() && b.is_empty())
}

/// Whether no name is asked for with two values.
fn compatible<N: PartialEq>(a: &[(N, ValuePattern)], b: &[(N, ValuePattern)]) -> bool {
    a.iter().all(|(name, wanted)| {
        b.iter().filter(|(other, _)| other == name).all(|(_, other)| match (wanted, other) {
            (ValuePattern::Exact(wanted), ValuePattern::Exact(other)) => wanted == other,
            _ => true,
        })
    })
}
