//! Finds routes that can't be told apart: some request fits both, and neither is more specific.

use std::collections::HashMap;

use http::Method;

use super::rank::conditions;
use crate::config::model::{HostPattern, Match, Route, Segment, ValuePattern};

/// Routes that can't be told apart from an earlier one, as `(earlier, later)`, ascending by the later one. Each
/// later route is named once, with the first such route before it.
///
/// Conditions on one name with different values count as told apart. A request that has both values
/// is served by the route that is written first.
///
/// Routes are hashed by what they have to have in common, so this takes time in proportion to their
/// number, unless very many of them have the same host, path and number of conditions, but none in common.
pub fn conflicts(routes: &[Route]) -> Vec<(usize, usize)> {
    let mut groups: HashMap<Shape<'_>, Vec<Candidate<'_>>> = HashMap::new();
    for (index, route) in routes.iter().enumerate() {
        groups.entry(Shape::of(&route.matcher)).or_default().push((index, route));
    }
    let mut found = HashMap::new();
    for group in groups.values() {
        search(group, &mut Vec::new(), &mut found);
    }
    let mut pairs: Vec<_> = found.into_iter().map(|(later, earlier)| (earlier, later)).collect();
    pairs.sort_unstable_by_key(|(earlier, later)| (*later, *earlier));
    pairs
}

/// A route and its index.
type Candidate<'a> = (usize, &'a Route);

/// What two routes of equal rank and common requests have in common.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'a> {
    host: &'a HostPattern,
    /// A capture is none, whatever its name.
    segments: Vec<Option<&'a str>>,
    prefix: bool,
    conditions: usize,
}

impl<'a> Shape<'a> {
    fn of(matcher: &'a Match) -> Self {
        let segments = matcher.path.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Capture(_) => None,
        });
        Self {
            host: &matcher.host,
            segments: segments.collect(),
            prefix: matcher.path.prefix,
            conditions: conditions(matcher),
        }
    }
}

/// A header or a query parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key<'a> {
    Header(&'a str),
    Query(&'a str),
}

/// Compare the routes of a group. If all want one header or parameter to have some value, only those
/// with the same value are compared.
fn search<'a>(group: &[Candidate<'a>], split: &mut Vec<Key<'a>>, found: &mut HashMap<usize, usize>) {
    let Some((_, first)) = group.first() else { return };
    let common = exact_keys(&first.matcher)
        .find(|key| !split.contains(key) && group.iter().all(|(_, route)| wanted(&route.matcher, *key).is_some()));
    let Some(key) = common else { return compare(group, found) };
    let mut parts: HashMap<Option<&str>, Vec<Candidate<'a>>> = HashMap::new();
    for candidate in group {
        parts.entry(wanted(&candidate.1.matcher, key)).or_default().push(*candidate);
    }
    split.push(key);
    for part in parts.values() {
        search(part, split, found);
    }
    split.pop();
}

fn compare(group: &[Candidate<'_>], found: &mut HashMap<usize, usize>) {
    for (position, (later, route)) in group.iter().enumerate() {
        let before = group.iter().take(position);
        if let Some((earlier, _)) = before.into_iter().find(|(_, other)| overlap(other, route)) {
            found.insert(*later, *earlier);
        }
    }
}

fn exact_keys(matcher: &Match) -> impl Iterator<Item = Key<'_>> {
    let headers = matcher.headers.iter().map(|(name, _)| Key::Header(name.as_str()));
    headers.chain(matcher.query.iter().map(|(name, _)| Key::Query(name))).filter(|key| wanted(matcher, *key).is_some())
}

/// The value that a route wants a header or parameter to have.
fn wanted<'a>(matcher: &'a Match, key: Key<'_>) -> Option<&'a str> {
    let pattern = match key {
        Key::Header(name) => matcher.headers.iter().find(|(own, _)| own == name).map(|(_, pattern)| pattern),
        Key::Query(name) => matcher.query.iter().find(|(own, _)| own == name).map(|(_, pattern)| pattern),
    };
    match pattern {
        Some(ValuePattern::Exact(value)) => Some(value),
        _ => None,
    }
}

/// Whether a request can fit both, given that they have the same [`Shape`].
fn overlap(a: &Route, b: &Route) -> bool {
    a.listeners.iter().any(|listener| b.listeners.contains(listener))
        && methods_overlap(&a.matcher.methods, &b.matcher.methods)
        && exact_keys(&a.matcher).all(|key| {
            let (ours, theirs) = (wanted(&a.matcher, key), wanted(&b.matcher, key));
            theirs.is_none() || ours == theirs
        })
}

fn methods_overlap(a: &[Method], b: &[Method]) -> bool {
    let takes = |methods: &[Method], method: &Method| {
        methods.is_empty() || methods.contains(method) || *method == Method::HEAD && methods.contains(&Method::GET)
    };
    a.is_empty() && b.is_empty() || a.iter().any(|method| takes(b, method)) || b.iter().any(|method| takes(a, method))
}
