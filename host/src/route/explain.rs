//! Why a route serves a request and the others don't: for people who ask. Each answer is got from a table of its
//! own, by the same search that serves requests, so that what is said is what is done.

use http::{HeaderName, Method};

use super::{Outcome, Rank, RouteRequest, Table};
use crate::config::model::{Match, Route};

/// What became of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It serves the request.
    Serves,
    /// It would fit, but another is more specific: the index of that one.
    LessSpecific(usize),
    /// It would fit, but a more specific one lacks the method, and that is answered 405.
    Shadowed,
    /// These don't fit.
    Differs(Vec<Difference>),
}

/// What of a route doesn't fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It isn't served on this listener.
    Listener,
    Host,
    Path,
    Method,
    Header(HeaderName),
    Query(String),
}

/// What becomes of each route for a request that `listener` received, by the routes' index.
pub fn explain(routes: &[Route], listener: usize, request: &RouteRequest<'_>) -> Vec<Verdict> {
    let serving = match Table::build(routes).find(listener, request) {
        Outcome::Found { route, .. } => Some(route),
        _ => None,
    };
    let verdict = |(index, route): (usize, &Route)| {
        if serving == Some(index) {
            return Verdict::Serves;
        }
        let differences = differences(route, listener, request);
        match serving {
            _ if !differences.is_empty() => Verdict::Differs(differences),
            Some(serving) => Verdict::LessSpecific(serving),
            None => Verdict::Shadowed,
        }
    };
    routes.iter().enumerate().map(verdict).collect()
}

/// Ask for each part of the match by itself.
fn differences(route: &Route, listener: usize, request: &RouteRequest<'_>) -> Vec<Difference> {
    if !route.listeners.contains(&listener) {
        return vec![Difference::Listener];
    }
    let fits = |part: Match| {
        let alone = Route { matcher: part, fall_through: false, ..route.clone() };
        matches!(Table::build(&[alone]).find(listener, request), Outcome::Found { .. } | Outcome::Undecodable)
    };
    let whole = &route.matcher;
    let mut differences = Vec::new();
    if !fits(Match { host: whole.host.clone(), ..Match::default() }) {
        differences.push(Difference::Host);
    }
    if !fits(Match { path: whole.path.clone(), ..Match::default() }) {
        differences.push(Difference::Path);
    }
    if !fits(Match { methods: whole.methods.clone(), ..Match::default() }) {
        differences.push(Difference::Method);
    }
    for condition in &whole.headers {
        if !fits(Match { headers: vec![condition.clone()], ..Match::default() }) {
            differences.push(Difference::Header(condition.0.clone()));
        }
    }
    for condition in &whole.query {
        if !fits(Match { query: vec![condition.clone()], ..Match::default() }) {
            differences.push(Difference::Query(condition.0.clone()));
        }
    }
    differences
}

/// Indexes of routes in the order in which they would be asked, the most specific first.
pub fn by_rank(routes: &[Route]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..routes.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(routes.get(*index).map(|route| Rank::of(&route.matcher))));
    order
}

impl Difference {
    /// In words, with what the route wants and the request has.
    pub fn describe(&self, route: &Route, host: &str, path: &str, method: &Method) -> String {
        let matcher = &route.matcher;
        match self {
            Self::Listener => "isn't served on this listener".to_owned(),
            Self::Host => format!("host {host:?} isn't {}", matcher.host),
            Self::Path => format!("path {path:?} isn't {}", matcher.path),
            Self::Method => {
                let methods: Vec<&str> = matcher.methods.iter().map(Method::as_str).collect();
                format!("method {method} is none of {}", methods.join(", "))
            }
            Self::Header(name) => format!("header field {name} isn't as wanted"),
            Self::Query(name) => format!("query parameter {name:?} isn't as wanted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::super::tests::{properties::a_route, route};
    use super::*;

    fn request<'a>(host: &'a str, path: &'a str, headers: &'a HeaderMap) -> RouteRequest<'a> {
        RouteRequest { host, path, method: &Method::GET, headers, query: None }
    }

    #[test]
    fn each_route_says_what_keeps_it_from_serving() {
        let mut other = route("api.example.com", "/users/{id}");
        other.matcher.methods = vec![Method::POST];
        other.matcher.query.push(("v".into(), crate::config::model::ValuePattern::Present));
        let mut elsewhere = route("", "/*");
        elsewhere.listeners = vec![1];
        let routes =
            [route("", "/*"), route("", "/users/{id}"), route("other.example.com", "/people"), other, elsewhere];
        let headers = HeaderMap::new();
        let verdicts = explain(&routes, 0, &request("api.example.com", "/users/7", &headers));
        assert_eq!(
            verdicts,
            [
                Verdict::LessSpecific(1),
                Verdict::Serves,
                Verdict::Differs(vec![Difference::Host, Difference::Path]),
                Verdict::Differs(vec![Difference::Method, Difference::Query("v".into())]),
                Verdict::Differs(vec![Difference::Listener]),
            ]
        );
        assert_eq!(by_rank(&routes), [3, 2, 1, 0, 4]);
    }

    #[test]
    fn a_route_behind_a_405_is_shadowed() {
        let mut strict = route("", "/users");
        strict.matcher.methods = vec![Method::POST];
        let headers = HeaderMap::new();
        let verdicts = explain(&[strict, route("", "/*")], 0, &request("a", "/users", &headers));
        assert_eq!(verdicts, [Verdict::Differs(vec![Difference::Method]), Verdict::Shadowed]);
    }

    proptest! {
        #[test]
        fn what_serves_is_what_the_table_finds_and_whatever_differs_could_not_have_served(
            routes in proptest::collection::vec(a_route(), 1..8),
            path in proptest::sample::select(vec!["/", "/a", "/a/b", "/b/a/c"]),
            host in proptest::sample::select(vec!["a.example", "b.a.example", "other"]),
        ) {
            let headers = HeaderMap::new();
            let asked = request(host, path, &headers);
            let verdicts = explain(&routes, 0, &asked);
            let found = match Table::build(&routes).find(0, &asked) {
                Outcome::Found { route, .. } => Some(route),
                _ => None,
            };
            prop_assert_eq!(verdicts.iter().position(|verdict| *verdict == Verdict::Serves), found);
            for (index, verdict) in verdicts.iter().enumerate() {
                let alone = Table::build(&routes[index..=index]).find(0, &asked);
                let fits = matches!(alone, Outcome::Found { .. } | Outcome::Undecodable);
                prop_assert_eq!(fits, !matches!(verdict, Verdict::Differs(_)), "{} {:?} {:?}", index, verdict, alone);
            }
        }
    }
}
