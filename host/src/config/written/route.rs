//! `[[route]]`

use std::sync::Arc;

use http::{HeaderName, Method, StatusCode};
use toml::de::DeValue;

use super::{Head, keys};
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::model::{Match, Redirect, Respond, Segment, ValuePattern};
use crate::config::network;
use crate::config::pattern::{self, path_pattern};
use crate::config::problem::{At, Fault, quote};
use crate::config::values;

pub(in crate::config) struct Route {
    pub head: Head,
    pub listeners: Option<At<Vec<At<Arc<str>>>>>,
    /// `None` if it is wrong, so that it can't be compared with others.
    pub matcher: Option<Match>,
    pub plugins: Vec<At<Arc<str>>>,
    /// `None` if it is wrong.
    pub destination: Option<Destination>,
    pub anonymous: bool,
    pub fall_through: bool,
}

/// A destination with the names of clusters not yet looked up.
pub(in crate::config) enum Destination {
    Clusters(Vec<(At<Arc<str>>, u32)>),
    Redirect(Redirect),
    Respond(Respond),
    Chain,
}

/// At most one of them.
const DESTINATIONS: [&str; 4] = ["cluster", "clusters", "redirect", "respond"];
const CLUSTERS_EXAMPLE: &str = "clusters = [{ name = \"CLUSTER\", weight = 1 }]";

impl Route {
    pub(super) fn read(entry: &Entry<'_>) -> Self {
        let entry = entry.clone().allow(&keys::ROUTE);
        let flag = |key| entry.read(key, values::boolean).is_some_and(|flag| flag.value);
        let matcher = read_match(&entry);
        Self {
            head: Head::read(&entry, "\"NAME\""),
            listeners: read_listeners(&entry),
            plugins: read_plugins(&entry),
            destination: read_destination(&entry, matcher.as_ref()),
            anonymous: flag("anonymous"),
            fall_through: flag("fall_through"),
            matcher,
        }
    }
}

fn read_listeners(entry: &Entry<'_>) -> Option<At<Vec<At<Arc<str>>>>> {
    let listeners = entry.list("listeners", "listeners = [\"LISTENER\"]", values::name)?;
    if listeners.value.is_empty()
        && entry.node("listeners").and_then(|node| node.items()).is_some_and(|mut items| items.next().is_none())
    {
        let fault = Fault::new("names no listener", "name one, or remove the key");
        entry.report(&listeners.place, "listeners", fault);
    }
    refuse_repeated(entry, "listeners", &listeners.value);
    Some(listeners)
}

fn read_plugins(entry: &Entry<'_>) -> Vec<At<Arc<str>>> {
    let plugins = entry.list("plugins", "plugins = [\"PLUGIN\"]", values::name).map(|plugins| plugins.value);
    let plugins = plugins.unwrap_or_default();
    refuse_repeated(entry, "plugins", &plugins);
    plugins
}

fn refuse_repeated(entry: &Entry<'_>, key: &str, names: &[At<Arc<str>>]) {
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|other| other.value == name.value) {
            let fault = Fault::new(format!("{} is there twice", quote(&name.value)), "remove one of the two");
            entry.report(&name.place, key, fault);
        }
    }
}

fn read_match(entry: &Entry<'_>) -> Option<Match> {
    if !entry.has("match") {
        return Some(Match::default());
    }
    let before = entry.problems().len();
    let table = entry.table("match", "match = { path = \"/users/*\" }")?.allow(&keys::MATCH);
    let matcher = Match {
        host: table.read("host", network::host_pattern).map(|host| host.value).unwrap_or_default(),
        path: table.read("path", path_pattern).map(|path| path.value).unwrap_or_default(),
        methods: read_methods(&table),
        headers: read_conditions(&table, "headers", |name| {
            let name = network::header_name(name)?;
            if name == http::header::HOST {
                return Err(Fault::new("the host isn't matched as a field", "use match.host"));
            }
            Ok(name)
        }),
        query: read_conditions(&table, "query", |name| Ok(name.to_owned())),
    };
    (entry.problems().len() == before).then_some(matcher)
}

fn read_methods(table: &Entry<'_>) -> Vec<Method> {
    let Some(written) = table.list("methods", "methods = [\"GET\"]", network::method) else { return Vec::new() };
    if table.node("methods").and_then(|node| node.items()).is_some_and(|mut items| items.next().is_none()) {
        table.report(
            &written.place,
            "methods",
            Fault::new("names no method", "name one, or remove the key for any method"),
        );
    }
    let mut methods = Vec::with_capacity(written.value.len());
    for method in written.value {
        if methods.contains(&method.value) {
            let fault = Fault::new(format!("\"{}\" is there twice", method.value), "remove one of the two");
            table.report(&method.place, "methods", fault);
        } else {
            methods.push(method.value);
        }
    }
    methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    methods
}

/// `headers = { x-beta = "1", x-trace = true }`, and the same for the query.
fn read_conditions<N: PartialEq + AsRef<str>>(
    table: &Entry<'_>,
    key: &str,
    name: impl Fn(&str) -> Result<N, Fault>,
) -> Vec<(N, ValuePattern)> {
    let example = format!("{key} = {{ NAME = \"VALUE\" }}, or NAME = true for any value");
    let Some(inner) = table.table(key, &example) else { return Vec::new() };
    let mut conditions: Vec<(N, ValuePattern)> = Vec::new();
    for (written, place, node) in inner.iter() {
        let pattern = inner.parse(node, written, |node| match node.value {
            DeValue::Boolean(true) => Ok(ValuePattern::Present),
            DeValue::Boolean(false) => {
                Err(Fault::unsupported("matching what is absent", "remove it, or write true for any value"))
            }
            _ => values::text(node, "a string or true", "write the exact value in quotes, or true for any value")
                .map(|text| ValuePattern::Exact(text.to_owned())),
        });
        match name(written) {
            Ok(name) if conditions.iter().any(|(other, _)| *other == name) => {
                let fault = Fault::new(format!("{} is there twice", quote(written)), "remove one of the two");
                inner.report(&place, "", fault);
            }
            Ok(name) => conditions.extend(pattern.map(|pattern| (name, pattern.value))),
            Err(fault) => inner.report(&place, "", fault),
        }
    }
    conditions.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
    conditions
}

fn read_destination(entry: &Entry<'_>, matcher: Option<&Match>) -> Option<Destination> {
    let mut written = DESTINATIONS.into_iter().filter(|key| entry.has(key));
    let (first, second) = (written.next(), written.next());
    if let Some((first, second)) = first.zip(second) {
        let place = entry.node(second).map_or_else(|| entry.place.clone(), |node| node.place());
        let fault = Fault::new(format!("has two destinations, \"{first}\" and \"{second}\""), "remove one of the two");
        entry.report(&place, "", fault);
    }
    // Both are read, so that what is wrong in either is said.
    let clusters = read_clusters(entry);
    let redirect = read_redirect(entry, matcher);
    let respond = read_respond(entry);
    match first {
        _ if second.is_some() => None,
        None => {
            let misspelt = DESTINATIONS.iter().chain(&["plugins"]).any(|key| entry.is_misspelt(key));
            let chain =
                entry.node("plugins").is_some_and(|node| node.items().is_none_or(|mut items| items.next().is_some()));
            if !chain && !misspelt {
                let remedy = "add cluster = \"CLUSTER\", redirect = { … } or respond = { … }, or end plugins with one that answers";
                entry.report(&entry.place, "", Fault::new("has no destination", remedy));
            }
            Some(Destination::Chain)
        }
        Some("redirect") => redirect.map(Destination::Redirect),
        Some("respond") => respond.map(Destination::Respond),
        Some(_) => clusters.map(Destination::Clusters),
    }
}

fn read_clusters(entry: &Entry<'_>) -> Option<Vec<(At<Arc<str>>, u32)>> {
    let single = entry.read("cluster", values::name).map(|name| vec![(name, 1)]);
    let Some(items) = entry.items("clusters", CLUSTERS_EXAMPLE) else { return single };
    let empty = items.value.is_empty();
    let mut clusters = Vec::with_capacity(items.value.len());
    let mut wrong = false;
    for node in items.value {
        let cluster = if let DeValue::Table(_) = node.value {
            entry.inner(node, "clusters", CLUSTERS_EXAMPLE).and_then(|table| {
                let table = table.allow(&keys::WEIGHTED);
                let weight = table.read("weight", values::count(0, 65_535));
                wrong |= weight.is_none() && table.has("weight");
                Some((table.require("name", "\"CLUSTER\"", values::name)?, weight.map_or(1, |weight| weight.value)))
            })
        } else {
            entry.parse(node, "clusters", values::name).map(|name| (name, 1))
        };
        wrong |= cluster.is_none();
        clusters.extend(cluster);
    }
    let names: Vec<_> = clusters.iter().map(|(name, _)| name.clone()).collect();
    refuse_repeated(entry, "clusters", &names);
    let total: u64 = clusters.iter().map(|(_, weight)| u64::from(*weight)).sum();
    if empty || (total == 0 && !wrong) {
        let message =
            if empty { "names no cluster" } else { "the weights sum to 0, so that no cluster gets a request" };
        entry.report(&items.place, "clusters", Fault::new(message, "give at least one cluster a weight above 0"));
    }
    (total > 0).then_some(clusters)
}

fn read_redirect(entry: &Entry<'_>, matcher: Option<&Match>) -> Option<Redirect> {
    let table = entry.table("redirect", "redirect = { scheme = \"https\" }")?.allow(&keys::REDIRECT);
    let status = table.read("status", |node| {
        let status = network::status(300, 399)(node)?;
        match status.as_u16() {
            301 | 302 | 303 | 307 | 308 => Ok(status),
            other => Err(Fault::new(
                format!("{other} isn't a redirect that clients follow"),
                "write 301, 302, 303, 307 or 308",
            )),
        }
    });
    let scheme = table.read("scheme", values::word(&[("http", "http"), ("https", "https")]));
    let host = table.read("host", network::authority);
    let path = table.read("path", |node| redirect_path(node, matcher));
    if !["scheme", "host", "path"].iter().any(|key| table.has(key)) {
        let fault = Fault::new("leads back to where it comes from", "set at least one of scheme, host and path");
        table.report(&table.place, "", fault);
    }
    Some(Redirect {
        status: status.map_or(StatusCode::FOUND, |status| status.value),
        scheme: scheme.map(|scheme| scheme.value.to_owned()),
        host: host.map(|host| host.value.to_owned()),
        path: path.map(|path| path.value),
    })
}

/// A path in which `{name}` stands for a capture of the route.
fn redirect_path(node: Node<'_>, matcher: Option<&Match>) -> Result<String, Fault> {
    let written = values::text(node, "a path such as \"/new/{id}\"", "put it in quotes")?;
    let wrong = |what: &str, remedy: &str| {
        Err(Fault::new(format!("expected a path such as \"/new/{{id}}\", but {} {what}", quote(written)), remedy))
    };
    if !written.starts_with('/') || written.starts_with("//") {
        return wrong("doesn't begin with one slash", "begin it with a slash; hosts go to redirect.host");
    }
    if !written.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`|".contains(&byte)) {
        return wrong("has characters that have to be escaped", "escape them with % and two hexadecimal digits");
    }
    let mut rest = written;
    while let Some(at) = rest.find(['{', '}']) {
        let inner = rest.get(at..).and_then(|rest| rest.strip_prefix('{')).and_then(|rest| rest.split_once('}'));
        let Some((name, after)) = inner.filter(|(name, _)| pattern::is_capture_name(name)) else {
            return wrong("has a brace that isn't part of {name}", "write {name}; a brace itself is %7B or %7D");
        };
        if matcher.is_some_and(|matcher| !captures(matcher, name)) {
            return wrong(
                &format!("uses {{{name}}}, which match.path doesn't capture"),
                "name a capture of match.path",
            );
        }
        rest = after;
    }
    Ok(written.to_owned())
}

fn captures(matcher: &Match, wanted: &str) -> bool {
    matcher.path.segments.iter().any(|segment| matches!(segment, Segment::Capture(name) if **name == *wanted))
}

fn read_respond(entry: &Entry<'_>) -> Option<Respond> {
    let table = entry.table("respond", "respond = { status = 200, body = \"…\" }")?.allow(&keys::RESPOND);
    let status = table.read("status", network::status(200, 599)).map_or(StatusCode::OK, |status| status.value);
    let body = table.read("body", values::string);
    if let Some(body) = body.as_ref().filter(|body| !body.value.is_empty())
        && (status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED)
    {
        let fault =
            Fault::new(format!("an answer {} has no body", status.as_u16()), "remove the body, or use another status");
        table.report(&body.place, "body", fault);
    }
    let mut headers = Vec::new();
    if let Some(inner) = table.table("headers", "headers = { content-type = \"text/plain\" }") {
        for (written, place, node) in inner.iter() {
            let name = response_header(written).map_err(|fault| inner.report(&place, "", fault)).ok();
            let nodes: Vec<Node<'_>> = node.items().map_or_else(|| vec![node], Iterator::collect);
            for node in nodes {
                let value = inner.parse(node, written, network::header_value);
                headers.extend(name.clone().zip(value.map(|value| value.value)));
            }
        }
    }
    let body = body.map_or_else(bytes::Bytes::new, |body| bytes::Bytes::copy_from_slice(body.value.as_bytes()));
    Some(Respond { status, headers, body })
}

fn response_header(written: &str) -> Result<HeaderName, Fault> {
    let name = network::header_name(written)?;
    network::not_reserved(&name, "can't be set on an answer")?;
    Ok(name)
}
