//! The table against a plain matcher that reads the rules off the page, and normalization against its
//! promises.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::rank::conditions;
use super::super::table::Allow;
use super::*;
use crate::route::{Rank, conflicts, normalize};

/// A request with everything that routes look at.
#[derive(Debug, Clone)]
struct Sample {
    host: &'static str,
    path: String,
    method: Method,
    headers: HeaderMap,
    query: Option<String>,
}

pub(in crate::route) fn a_route() -> impl Strategy<Value = Route> {
    let hosts = select(vec!["", "", "", "", "*.b", "*.a.b", "a.b", "x.a.b"]);
    let part = select(vec!["a", "b", "{}"]);
    let end = select(vec!["", "", "/*", "/*", "/*", "/"]);
    let methods = subsequence(vec![Method::GET, Method::POST, Method::PUT], 0..=2);
    let value = || select(vec![None, None, Some(ValuePattern::Present), Some(ValuePattern::Exact("1".into()))]);
    let listeners = subsequence(vec![0usize, 1], 1..=2);
    (hosts, vec(part, 0..4), end, methods, value(), value(), any::<bool>(), listeners).prop_map(
        |(on, parts, end, methods, header, query, fall_through, listeners)| {
            let named = parts.iter().enumerate().map(|(n, part)| match *part {
                "{}" => format!("/{{c{n}}}"),
                literal => format!("/{literal}"),
            });
            let at = named.collect::<String>() + end;
            let mut route = route(on, if at.is_empty() { "/" } else { &at }).methods(&methods);
            route.matcher.headers.extend(header.map(|value| (HeaderName::from_static("x-v"), value)));
            route.matcher.query.extend(query.map(|value| ("q".to_owned(), value)));
            route.fall_through = fall_through;
            route.listeners = listeners;
            route
        },
    )
}

fn a_request() -> impl Strategy<Value = Sample> {
    let hosts = select(vec!["a.b", "A.B:80", "x.a.b.", "y.x.a.b", "b", "c", ""]);
    let parts = vec(select(vec!["a", "b", "c", "%20"]), 0..5);
    let method = select(vec![Method::GET, Method::HEAD, Method::POST, Method::DELETE]);
    let header = select(vec![None, Some("1"), Some("2")]);
    let query = select(vec![None, Some("q"), Some("p=1&q=1"), Some("q=%31")]);
    (hosts, parts, any::<bool>(), method, header, query).prop_map(|(host, parts, slash, method, header, query)| {
        let mut path: String = parts.iter().map(|part| format!("/{part}")).collect();
        if slash || path.is_empty() {
            path.push('/');
        }
        let headers = header.map(|value| (HeaderName::from_static("x-v"), HeaderValue::from_static(value)));
        Sample { host, path, method, headers: headers.into_iter().collect(), query: query.map(Into::into) }
    })
}

impl Sample {
    fn ask(&self, table: &Table, listener: usize) -> Outcome {
        let Self { host, path, method, headers, query } = self;
        table.find(listener, &RouteRequest { host, path, method, headers, query: query.as_deref() })
    }
}

/// Looks at every route, in the order of [`Rank`].
fn naive(routes: &[Route], listener: usize, request: &Sample) -> Outcome {
    let mut fitting: Vec<usize> = (0..routes.len())
        .filter(|index| {
            let matcher = &routes[*index].matcher;
            routes[*index].listeners.contains(&listener)
                && host_fits(&matcher.host, request.host)
                && path_fits(&matcher.path, &request.path).is_some()
                && conditions_fit(matcher, request)
        })
        .collect();
    fitting.sort_by_key(|index| std::cmp::Reverse(Rank::of(&routes[*index].matcher)));
    let mut allow = Vec::new();
    let mut refused_by: Option<&Match> = None;
    for index in fitting {
        let matcher = &routes[index].matcher;
        if refused_by.is_some_and(|refused| !same_pattern(refused, matcher)) {
            break;
        }
        let takes_head = request.method == Method::HEAD && matcher.methods.contains(&Method::GET);
        if matcher.methods.is_empty() || matcher.methods.contains(&request.method) || takes_head {
            let captures = path_fits(&matcher.path, &request.path).unwrap_or_default();
            return Outcome::Found { route: index, captures };
        }
        allow.extend(matcher.methods.iter().cloned());
        allow.extend(matcher.methods.contains(&Method::GET).then_some(Method::HEAD));
        if !routes[index].fall_through {
            refused_by = Some(matcher);
        }
    }
    if allow.is_empty() { Outcome::NotFound } else { Outcome::MethodNotAllowed { allow: Allow::new(allow) } }
}

fn host_fits(pattern: &HostPattern, host: &str) -> bool {
    let host = host.to_lowercase().replace(":80", "");
    let host = host.trim_end_matches('.');
    match pattern {
        HostPattern::Any => true,
        HostPattern::Exact(exact) => host == exact,
        HostPattern::Wildcard(suffix) => host.ends_with(&format!(".{suffix}")),
    }
}

/// The captures, if it fits.
fn path_fits(pattern: &PathPattern, path: &str) -> Option<Vec<(Arc<str>, String)>> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let too_short = parts.len() < pattern.segments.len();
    if too_short || !pattern.prefix && parts.len() > pattern.segments.len() {
        return None;
    }
    let mut captures = Vec::new();
    for (segment, part) in pattern.segments.iter().zip(parts) {
        match segment {
            Segment::Literal(text) if text == part => {}
            Segment::Capture(name) if !part.is_empty() => captures.push((name.clone(), part.replace("%20", " "))),
            _ => return None,
        }
    }
    Some(captures)
}

fn conditions_fit(matcher: &Match, request: &Sample) -> bool {
    let fits = |pattern: &ValuePattern, found: Option<&str>| match pattern {
        ValuePattern::Present => found.is_some(),
        ValuePattern::Exact(wanted) => found == Some(wanted),
    };
    let header = request.headers.get("x-v").map(|value| value.to_str().unwrap());
    let parameter = request.query.as_deref().map(|query| if query == "q" { "" } else { "1" });
    matcher.headers.iter().all(|(_, pattern)| fits(pattern, header))
        && matcher.query.iter().all(|(_, pattern)| fits(pattern, parameter))
}

fn same_pattern(a: &Match, b: &Match) -> bool {
    let captures_alike = |a: &Segment, b: &Segment| match (a, b) {
        (Segment::Literal(a), Segment::Literal(b)) => a == b,
        (Segment::Capture(_), Segment::Capture(_)) => true,
        _ => false,
    };
    let (left, right) = (&a.path.segments, &b.path.segments);
    a.host == b.host
        && a.path.prefix == b.path.prefix
        && left.len() == right.len()
        && left.iter().zip(right).all(|(a, b)| captures_alike(a, b))
}

/// Compares each with each.
fn naive_conflicts(routes: &[Route]) -> Vec<(usize, usize)> {
    let clash = |a: &Route, b: &Route| {
        let takes = |route: &Route, method: &Method| {
            let methods = &route.matcher.methods;
            methods.is_empty() || methods.contains(method) || *method == Method::HEAD && methods.contains(&Method::GET)
        };
        let all = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
        // All exact values in these samples are the same.
        same_pattern(&a.matcher, &b.matcher)
            && conditions(&a.matcher) == conditions(&b.matcher)
            && a.listeners.iter().any(|listener| b.listeners.contains(listener))
            && all.iter().any(|method| takes(a, method) && takes(b, method))
    };
    let first = |later: usize| (0..later).find(|earlier| clash(&routes[*earlier], &routes[later]));
    (0..routes.len()).filter_map(|later| first(later).map(|earlier| (earlier, later))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_finds_what_a_plain_matcher_finds(
        routes in vec(a_route(), 0..24),
        requests in vec(a_request(), 16),
    ) {
        let table = Table::build(&routes);
        for request in &requests {
            for listener in [0, 1] {
                prop_assert_eq!(request.ask(&table, listener), naive(&routes, listener, request), "{:?}", request);
            }
        }
    }

    #[test]
    fn without_conflicts_the_order_of_routes_is_of_no_account(
        routes in vec(a_route(), 0..12).prop_filter("conflict", |routes| conflicts(routes).is_empty()),
        seed in vec(any::<prop::sample::Index>(), 12),
        request in a_request(),
    ) {
        let mut shuffled: Vec<usize> = (0..routes.len()).collect();
        for (position, index) in seed.iter().enumerate().take(routes.len()) {
            shuffled.swap(position, index.index(routes.len()));
        }
        let reordered: Vec<Route> = shuffled.iter().map(|index| routes[*index].clone()).collect();
        let before = request.ask(&Table::build(&routes), 0);
        let after = match request.ask(&Table::build(&reordered), 0) {
            Outcome::Found { route, captures } => Outcome::Found { route: shuffled[route], captures },
            other => other,
        };
        prop_assert_eq!(before, after);
    }

    #[test]
    fn conflicts_are_those_that_comparing_each_with_each_finds(routes in vec(a_route(), 0..16)) {
        prop_assert_eq!(conflicts(&routes), naive_conflicts(&routes));
    }

    #[test]
    fn nothing_makes_a_search_fail(host in ".*", path in "(/.*)?", query in ".*") {
        let routes = [route("*.b", "/a/{x}/*"), route("", "/{x}"), route("a.b", "/*")];
        let (method, headers) = (Method::GET, HeaderMap::new());
        let query = Some(&*query);
        let request = RouteRequest { host: &host, path: &path, method: &method, headers: &headers, query };
        Table::build(&routes).find(0, &request);
    }

    #[test]
    fn normal_paths_are_normal(raw in raw_path()) {
        if let Ok(path) = normalize(&raw) {
            prop_assert!(path.starts_with('/') && !path.contains("//") && !path.contains('\\'));
            prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."), "{}", path);
            prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic()));
            let upper = path.to_ascii_uppercase();
            prop_assert!(["%2F", "%2E", "%5C", "%00", "/..;", "/.;"].iter().all(|bad| !upper.contains(bad)));
            prop_assert!(matches!(normalize(&path), Ok(Cow::Borrowed(same)) if same == path), "{}", path);
        }
    }

    #[test]
    fn every_way_to_write_a_path_ends_in_the_same(
        parts in vec("[a-z0-9_~-]{1,5}|[a-z]ü", 1..5),
        style in any::<u64>(),
    ) {
        let plain: String = parts.iter().map(|part| format!("/{part}")).collect();
        let detours = ["/", "//", "/./", "/x/../", "/y/z/.././../"];
        let mut noisy = String::new();
        for (position, part) in parts.iter().enumerate() {
            let bits = style.rotate_right(position as u32 * 8);
            noisy.push_str(detours[(bits % 5) as usize]);
            for (at, byte) in part.bytes().enumerate() {
                match bits >> (3 + at) & 3 {
                    0 => noisy.push_str(&format!("%{byte:02x}")),
                    1 => noisy.push_str(&format!("%{byte:02X}")),
                    _ if byte.is_ascii() => noisy.push(byte.into()),
                    _ => noisy.push_str(&format!("%{byte:02x}")),
                }
            }
        }
        prop_assert_eq!(normalize(&noisy), normalize(&plain), "{}", noisy);
        prop_assert!(normalize(&plain).is_ok());
    }
}

/// Paths full of what normalization is about.
fn raw_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(vec!["/", "/", ".", "..", ";", "%", "%2", "%2e", "%2F", "%5c", "%00", "\\", "%41", "%c3%bc", "%3b"])
            .prop_map(str::to_owned),
        2 => "[a-z0-9]{1,3}",
        1 => any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}
