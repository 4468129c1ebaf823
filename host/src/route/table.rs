//! The compiled routes of a configuration: immutable, shared by all threads, searched for each request.
//!
//! # How it is searched
//! A hash map leads from the exact host to a tree, another from the suffixes of the host, the longest
//! first, to the trees of wildcards; routes for any host have a tree too. A tree has a level for each
//! segment: a node leads to the next one by a hash of the literal, or by its capture. So the cost grows
//! with the segments of the path and hardly with the number of routes.
//!
//! A node that has both a matching literal and a capture is a branch: the literal is followed first, the
//! capture if that came to nothing. Each node of a tree is entered by one way only, so one search
//! visits no node twice: it costs at most as many steps as the tree has nodes, and at most 2ᵈ for the
//! deepest pattern's d captures, however long the path is.
//!
//! # Wrong methods
//! Routes with the same host pattern and path pattern decide together. If some fit but for their method,
//! the answer is 405 with the methods of all that fit; less specific routes aren't asked, unless each
//! that refused says `fall_through`.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::condition::Conditions;
use super::host_key;
use super::percent::decode_segment;
use crate::config::model::Route;

/// Routes by listener, host and path.
#[derive(Debug, Default)]
pub struct Table {
    /// By index of the listener.
    pub(super) listeners: Vec<Hosts>,
    pub(super) nodes: Vec<Node>,
    /// By index of the route.
    pub(super) routes: Vec<Compiled>,
}

/// The trees of one listener. The keys come from the configuration, so nobody outside can choose them to
/// collide.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    pub(super) exact: FxHashMap<Box<str>, NodeId>,
    pub(super) wildcard: FxHashMap<Box<str>, NodeId>,
    /// Length of the longest key in `wildcard`; no longer suffix is looked up.
    pub(super) longest_suffix: usize,
    pub(super) any: Option<NodeId>,
}

/// An index into [`Table::nodes`].
pub(super) type NodeId = u32;

/// A place in a tree, reached by the segments before it.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) literals: Literals,
    pub(super) capture: Option<NodeId>,
    /// Indexes of routes that end here, the most specific first.
    pub(super) exact: Candidates,
    /// Indexes of routes for this place and all below it, the most specific first.
    pub(super) prefix: Candidates,
}

/// Indexes into [`Table::routes`]; in place, since most patterns have one route.
pub(super) type Candidates = SmallVec<[usize; 2]>;

/// The literals that may come next. Most places have one, which is found without a hash.
#[derive(Debug, Default)]
pub(super) enum Literals {
    #[default]
    None,
    One(Box<str>, NodeId),
    /// Boxed, since it is rare and large.
    Many(Box<FxHashMap<Box<str>, NodeId>>),
}

impl Literals {
    pub(super) fn next(&self, segment: &str) -> Option<NodeId> {
        match self {
            Self::None => None,
            Self::One(literal, id) => (**literal == *segment).then_some(*id),
            Self::Many(literals) => literals.get(segment).copied(),
        }
    }

    /// Add a literal that isn't there yet.
    pub(super) fn add(&mut self, literal: &str, id: NodeId) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(literal.into(), id),
            Self::One(first, first_id) => {
                Self::Many(Box::new([(first, first_id), (literal.into(), id)].into_iter().collect()))
            }
            Self::Many(mut literals) => {
                literals.insert(literal.into(), id);
                Self::Many(literals)
            }
        };
    }
}

/// What is left of a route once its host and path are in the tree.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) conditions: Conditions,
    /// How many segments lie between it and the one before, and its name.
    pub(super) captures: Vec<(usize, Arc<str>)>,
    pub(super) fall_through: bool,
}

/// What a route is looked for with.
#[derive(Debug, Clone, Copy)]
pub struct RouteRequest<'a> {
    /// As in the `Host` field; case, port and trailing dot don't matter.
    pub host: &'a str,
    /// Made by [`super::normalize`].
    pub path: &'a str,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    /// Without `?`.
    pub query: Option<&'a str>,
}

/// What `{name}` in the route's path matched, decoded.
pub type Captures = Vec<(Arc<str>, String)>;

/// The outcome of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Serve it by this route, an index into the slice that the table was built from.
    Found { route: usize, captures: Captures },
    /// 405: there are routes for this target, none of them for this method.
    MethodNotAllowed { allow: Allow },
    /// 400: a segment that has to be captured isn't UTF-8. No other route is tried, since the route's
    /// chain would be walked round.
    Undecodable,
    /// 404.
    NotFound,
}

/// The methods that a target has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow(Vec<Method>);

impl Table {
    /// Compile routes. Their order doesn't matter, unless two of them can't be told apart.
    pub fn build(routes: &[Route]) -> Self {
        super::build::table(routes)
    }

    /// The most specific route for a request that `listener`, an index into the configuration's
    /// listeners, received. Allocates only for captures, for a host in upper case, and for 405.
    pub fn find(&self, listener: usize, request: &RouteRequest<'_>) -> Outcome {
        Search::new(self, request).run(listener)
    }
}

impl Hosts {
    /// Roots of the trees for a host, the most specific first.
    fn roots<'a>(&'a self, host: &'a str) -> impl Iterator<Item = NodeId> + 'a {
        let first = host.len().saturating_sub(self.longest_suffix + 1).max(1);
        let dots = host.bytes().enumerate().skip(first).filter(|(_, byte)| *byte == b'.');
        let suffixes = dots.filter_map(|(dot, _)| host.get(dot + 1..));
        let wildcards = suffixes.filter_map(|suffix| self.wildcard.get(suffix).copied());
        let wildcards = (!self.wildcard.is_empty()).then_some(wildcards).into_iter().flatten();
        self.exact.get(host).copied().into_iter().chain(wildcards).chain(self.any)
    }
}

/// One search on its way.
pub(super) struct Search<'a> {
    table: &'a Table,
    request: &'a RouteRequest<'a>,
    /// Methods of routes that would fit with them.
    allow: Vec<Method>,
    /// Nodes entered so far.
    #[cfg(test)]
    pub(super) steps: usize,
}

/// A node and the part of the path below it, without the slash between; none at the path's end.
type Position<'a> = (NodeId, Option<&'a str>, usize);

impl<'a> Search<'a> {
    pub(super) fn new(table: &'a Table, request: &'a RouteRequest<'a>) -> Self {
        Self {
            table,
            request,
            allow: Vec::new(),
            #[cfg(test)]
            steps: 0,
        }
    }

    pub(super) fn run(&mut self, listener: usize) -> Outcome {
        let host = host_key(self.request.host);
        if let Some(hosts) = self.table.listeners.get(listener) {
            for root in hosts.roots(&host) {
                if let Some(outcome) = self.tree(root) {
                    return outcome;
                }
            }
        }
        if self.allow.is_empty() { Outcome::NotFound } else { self.refuse() }
    }

    /// Search one tree: exact paths in the order of the walk, then prefixes, the longest first.
    fn tree(&mut self, root: NodeId) -> Option<Outcome> {
        let table = self.table;
        let mut branches: SmallVec<[Position<'a>; 8]> = SmallVec::new();
        let mut prefixes: SmallVec<[(usize, &'a Node); 8]> = SmallVec::new();
        branches.push((root, Some(self.request.path.strip_prefix('/')?), 0));
        while let Some((id, rest, depth)) = branches.pop() {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            let Some(node) = table.nodes.get(id as usize) else { continue };
            if !node.prefix.is_empty() {
                prefixes.push((depth, node));
            }
            let Some(rest) = rest else {
                if let Some(outcome) = self.settle(&node.exact) {
                    return Some(outcome);
                }
                continue;
            };
            let (segment, below) = split_segment(rest);
            // The last one in is the first one out.
            if let Some(next) = node.capture.filter(|_| !segment.is_empty()) {
                branches.push((next, below, depth + 1));
            }
            if let Some(next) = node.literals.next(segment) {
                branches.push((next, below, depth + 1));
            }
        }
        // Stable: of the same length, the one with the earlier literal came first.
        prefixes.sort_by_key(|(depth, _)| Reverse(*depth));
        prefixes.iter().find_map(|(_, node)| self.settle(&node.prefix))
    }

    /// Let the routes of one pattern decide. None: go on to less specific ones.
    fn settle(&mut self, candidates: &[usize]) -> Option<Outcome> {
        let table = self.table;
        let mut refused = false;
        for index in candidates {
            let Some(route) = table.routes.get(*index) else { continue };
            if !route.conditions.hold(self.request) {
                continue;
            }
            if route.conditions.accepts(self.request.method) {
                return Some(self.found(*index, route));
            }
            self.allow.extend_from_slice(route.conditions.methods());
            refused |= !route.fall_through;
        }
        refused.then(|| self.refuse())
    }

    fn refuse(&mut self) -> Outcome {
        Outcome::MethodNotAllowed { allow: Allow::new(std::mem::take(&mut self.allow)) }
    }

    fn found(&self, index: usize, route: &Compiled) -> Outcome {
        let mut captures = Vec::with_capacity(route.captures.len());
        let mut rest = self.request.path.strip_prefix('/');
        for (skip, name) in &route.captures {
            for _ in 0..*skip {
                rest = rest.and_then(|rest| split_segment(rest).1);
            }
            let (segment, below) = split_segment(rest.unwrap_or_default());
            let Some(text) = decode_segment(segment) else { return Outcome::Undecodable };
            captures.push((Arc::clone(name), text.into_owned()));
            rest = below;
        }
        Outcome::Found { route: index, captures }
    }
}

/// The first segment and what follows its slash. A plain loop: segments are too short for anything cleverer
/// to pay.
fn split_segment(rest: &str) -> (&str, Option<&str>) {
    match rest.bytes().position(|byte| byte == b'/') {
        Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..)),
        None => (rest, None),
    }
}

impl Allow {
    pub(super) fn new(mut methods: Vec<Method>) -> Self {
        methods.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        methods.dedup();
        Self(methods)
    }

    /// Sorted by name.
    pub fn methods(&self) -> &[Method] {
        &self.0
    }

    /// The value of the `Allow` field (RFC 9110, section 10.2.1).
    pub fn to_value(&self) -> HeaderValue {
        // Methods are tokens, and so always make a legal value.
        HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{method}")?;
        }
        Ok(())
    }
}
