//! Builds the trees of a [`Table`].

use std::collections::HashMap;
use std::sync::Arc;

use super::condition::Conditions;
use super::rank::Rank;
use super::table::{Compiled, Hosts, Node, NodeId, Table};
use crate::config::model::{HostPattern, Match, Route, Segment};

pub(super) fn table(routes: &[Route]) -> Table {
    let mut table = Table::default();
    for (index, route) in routes.iter().enumerate() {
        for listener in &route.listeners {
            if table.listeners.len() <= *listener {
                table.listeners.resize_with(*listener + 1, Hosts::default);
            }
            insert(&mut table, *listener, index, &route.matcher);
        }
        table.routes.push(compile(route));
    }
    let ranks: HashMap<usize, Rank> =
        routes.iter().enumerate().map(|(index, route)| (index, Rank::of(&route.matcher))).collect();
    for node in &mut table.nodes {
        for candidates in [&mut node.exact, &mut node.prefix] {
            candidates.sort_by(|a, b| ranks.get(b).cmp(&ranks.get(a)));
            candidates.dedup();
            candidates.shrink_to_fit();
        }
    }
    table
}

fn compile(route: &Route) -> Compiled {
    let mut captures = Vec::new();
    let mut skipped = 0;
    for segment in &route.matcher.path.segments {
        match segment {
            Segment::Literal(_) => skipped += 1,
            Segment::Capture(name) => captures.push((std::mem::take(&mut skipped), Arc::clone(name))),
        }
    }
    Compiled { conditions: Conditions::of(&route.matcher), captures, fall_through: route.fall_through }
}

fn insert(table: &mut Table, listener: usize, index: usize, matcher: &Match) {
    let Some(hosts) = table.listeners.get_mut(listener) else { return };
    let nodes = &mut table.nodes;
    let mut place = match &matcher.host {
        HostPattern::Any => *hosts.any.get_or_insert_with(|| new_node(nodes)),
        HostPattern::Exact(host) => *hosts.exact.entry(host.as_str().into()).or_insert_with(|| new_node(nodes)),
        HostPattern::Wildcard(suffix) => {
            hosts.longest_suffix = hosts.longest_suffix.max(suffix.len());
            *hosts.wildcard.entry(suffix.as_str().into()).or_insert_with(|| new_node(nodes))
        }
    };
    for segment in &matcher.path.segments {
        place = child(nodes, place, segment);
    }
    if let Some(node) = nodes.get_mut(place as usize) {
        if matcher.path.prefix { node.prefix.push(index) } else { node.exact.push(index) }
    }
}

fn child(nodes: &mut Vec<Node>, parent: NodeId, segment: &Segment) -> NodeId {
    // The parent's slot is set after the child has its number.
    let known = nodes.get(parent as usize).and_then(|node| match segment {
        Segment::Literal(text) => node.literals.next(text),
        Segment::Capture(_) => node.capture,
    });
    if let Some(id) = known {
        return id;
    }
    let id = new_node(nodes);
    if let Some(node) = nodes.get_mut(parent as usize) {
        match segment {
            Segment::Literal(text) => node.literals.add(text, id),
            Segment::Capture(_) => node.capture = Some(id),
        }
    }
    id
}

fn new_node(nodes: &mut Vec<Node>) -> NodeId {
    nodes.push(Node::default());
    // Four thousand million segments don't fit into memory.
    (nodes.len() - 1) as NodeId
}
