//! The configuration reads paths and finds ambiguous routes by itself, since it can't import this
//! module. What it says has to be what is served.

use std::fmt::Write;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::properties::a_route;
use super::*;
use crate::config::{self, model::Config};
use crate::route::{conflicts, normalize};

/// A configuration with listeners `0` and `1` and these routes.
fn read(routes: &str) -> Result<Config, Vec<String>> {
    let listeners = "[[listener]]\nname = \"0\"\naddress = \"127.0.0.1:1\"\n[[listener]]\nname = \"1\"\naddress = \"127.0.0.1:2\"\n";
    let outcome = config::parse(&format!("{listeners}{routes}"), Path::new("sluice.toml"));
    outcome.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// A path as the configuration understands it.
fn literal(path: &str) -> Option<String> {
    let config = read(&format!(
        "[[route]]\nname = \"r\"\nlisteners = [\"0\"]\nmatch = {{ path = {} }}\nrespond = {{}}",
        toml::Value::from(path)
    ));
    let segments = config.ok()?.routes.into_iter().next()?.matcher.path.segments;
    let text = segments.iter().map(|segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Capture(name) => panic!("{name}"),
    });
    Some(text.collect())
}

/// As it would be written.
fn entry(index: usize, route: &Route) -> String {
    let mut out = format!("[[route]]\nname = \"{index}\"\nrespond = {{}}\nlisteners = [");
    for listener in &route.listeners {
        write!(out, "\"{listener}\", ").unwrap();
    }
    out.push_str("]\n[route.match]\n");
    match &route.matcher.host {
        HostPattern::Any => {}
        HostPattern::Exact(host) => writeln!(out, "host = \"{host}\"").unwrap(),
        HostPattern::Wildcard(suffix) => writeln!(out, "host = \"*.{suffix}\"").unwrap(),
    }
    out.push_str("path = \"");
    for segment in &route.matcher.path.segments {
        match segment {
            Segment::Literal(text) => write!(out, "/{text}").unwrap(),
            Segment::Capture(name) => write!(out, "/{{{name}}}").unwrap(),
        }
    }
    out.push_str(if route.matcher.path.prefix { "/*\"\n" } else { "\"\n" });
    if !route.matcher.methods.is_empty() {
        let methods: Vec<&str> = route.matcher.methods.iter().map(Method::as_str).collect();
        writeln!(out, "methods = {methods:?}").unwrap();
    }
    let value = |pattern: &ValuePattern| match pattern {
        ValuePattern::Present => "true".to_owned(),
        ValuePattern::Exact(value) => format!("\"{value}\""),
    };
    for (name, pattern) in &route.matcher.headers {
        writeln!(out, "headers.{name} = {}", value(pattern)).unwrap();
    }
    for (name, pattern) in &route.matcher.query {
        writeln!(out, "query.{name} = {}", value(pattern)).unwrap();
    }
    out
}

proptest! {
    #[test]
    fn literals_of_patterns_are_normal_paths(
        parts in vec(select(vec![
            "/", "/", "a", "b", ".", "..", ";", "%2e", "%2F", "%5c", "%3b", "%3B", "%7e", "%41", "%C3%bc", "%", "é", " ", "\"", "~",
            "|", "\\", "?", "#", "%00", "\t", ":", "@", "+",
        ]), 0..8),
    ) {
        let path = format!("/{}", parts.concat());
        let normal = normalize(&path);
        if let Some(literal) = literal(&path) {
            prop_assert_eq!(normal.as_deref(), Ok(literal.as_str()), "{}", path);
        }
        if let Ok(normal) = normal {
            prop_assert_eq!(literal(&normal), Some(normal.into_owned()), "{}", path);
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused(routes in vec(a_route(), 1..12)) {
        let text: String = routes.iter().enumerate().map(|(index, route)| entry(index, route)).collect();
        let found = conflicts(&routes);
        match read(&text) {
            Ok(_) => prop_assert!(found.is_empty(), "{:?}\n{}", found, text),
            Err(problems) => {
                prop_assert_eq!(problems.len(), found.len(), "{:?} {:#?}\n{}", found, problems, text);
                for ((earlier, later), problem) in found.iter().zip(&problems) {
                    let said = format!("route \"{later}\": match: can't be told apart from route \"{earlier}\", at");
                    prop_assert!(problem.contains(&said), "{}\n{}", problem, text);
                }
            }
        }
    }
}
