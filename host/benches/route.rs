//! What finding a route costs, by number of routes, and what the rules before it cost:
//! `cargo bench --profile dev --bench route`.
//!
//! Each figure is for a thousand calls, so microseconds read as nanoseconds for one. Each search is for
//! another route than the one before, so that the processor's caches don't flatter large tables.

use std::cell::Cell;
use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sluice::config::model::{
    Destination, HostPattern, IdentityFields, Match, PathPattern, Route, Segment, Underscores, ValuePattern,
};
use sluice::fields::{Peer, Pseudonym, remove_client_fields, remove_hop_by_hop, set_forwarding};
use sluice::route::{Outcome, RouteRequest, Table, normalize};

const CALLS: u32 = 1000;
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

fn main() {
    divan::main();
}

/// `/service-7/users/{id}/orders`, each under a first segment of its own.
#[divan::bench(args = SIZES)]
fn paths_with_a_capture(bencher: Bencher, count: usize) {
    let routes: Vec<_> = (0..count)
        .map(|n| {
            route(
                HostPattern::Any,
                vec![literal(format!("service-{n}")), literal("users"), capture(), literal("orders")],
                false,
            )
        })
        .collect();
    search(bencher, &routes, |n| ("api.example.com".into(), format!("/service-{n}/users/4711/orders")));
}

/// `/service-7/*`
#[divan::bench(args = SIZES)]
fn prefixes(bencher: Bencher, count: usize) {
    let routes: Vec<_> =
        (0..count).map(|n| route(HostPattern::Any, vec![literal(format!("service-{n}"))], true)).collect();
    search(bencher, &routes, |n| ("api.example.com".into(), format!("/service-{n}/static/logo.svg")));
}

/// `tenant-7.example.com` with `/*`
#[divan::bench(args = SIZES)]
fn exact_hosts(bencher: Bencher, count: usize) {
    let host = |n| format!("tenant-{n}.example.com");
    let routes: Vec<_> = (0..count).map(|n| route(HostPattern::Exact(host(n)), vec![], true)).collect();
    search(bencher, &routes, |n| (format!("{}:8080", host(n)), "/users/4711".into()));
}

/// `*.tenant-7.example.com` with `/*`
#[divan::bench(args = SIZES)]
fn wildcard_hosts(bencher: Bencher, count: usize) {
    let host = |n| format!("tenant-{n}.example.com");
    let routes: Vec<_> = (0..count).map(|n| route(HostPattern::Wildcard(host(n)), vec![], true)).collect();
    search(bencher, &routes, |n| (format!("eu.api.{}", host(n)), "/users/4711".into()));
}

/// Ten paths, and for each of them routes that differ in method, a header, or both.
#[divan::bench]
fn conditions_on_one_path(bencher: Bencher) {
    let routes: Vec<_> = (0..40)
        .map(|n| {
            let mut route = route(HostPattern::Any, vec![literal(format!("path-{}", n / 4))], false);
            route.matcher.methods = vec![if n % 2 == 0 { Method::GET } else { Method::POST }];
            if n % 4 < 2 {
                let value = ValuePattern::Exact("2".into());
                route.matcher.headers.push((HeaderName::from_static("x-version"), value));
            }
            route
        })
        .collect();
    search(bencher, &routes, |n| ("api.example.com".into(), format!("/path-{}", n / 4)));
}

#[divan::bench(args = ["/users/4711/orders", "/users//./4711/%6frders"])]
fn normalize_path(bencher: Bencher, path: &str) {
    repeat(bencher, || normalize(black_box(path)).map(|path| path.len()));
}

/// All rules for the head of a request with 15 fields; making that head isn't counted.
#[divan::bench]
fn entry_rules(bencher: Bencher) {
    let identity = IdentityFields { subject: Some(HeaderName::from_static("x-user")), ..IdentityFields::default() };
    let peer = Peer::new([192, 0, 2, 7].into(), &[]);
    let pseudonym = Pseudonym::new("sluice").expect("a token");
    // One call each: a thousand heads at once would measure the memory they lie in.
    bencher.counter(ItemsCount::new(1u32)).with_inputs(head).bench_local_refs(|headers| {
        let refused = remove_hop_by_hop(headers).is_err();
        remove_client_fields(headers, &identity, Underscores::default(), peer.is_trusted());
        set_forwarding(headers, &peer, "http");
        pseudonym.append_via(headers, http::Version::HTTP_11);
        refused
    });
}

fn search(bencher: Bencher, routes: &[Route], target: impl Fn(usize) -> (String, String)) {
    let table = Table::build(routes);
    // A stride without common divisor with the number of routes visits all of them in no order.
    let targets: Vec<_> = (0..routes.len()).map(|n| target(n * 7919 % routes.len())).collect();
    let next = Cell::new(0);
    let headers = head();
    repeat(bencher, || {
        let index = next.get();
        next.set(if index + 1 == targets.len() { 0 } else { index + 1 });
        let (host, path) = &targets[index];
        let request = RouteRequest { host, path, method: &Method::GET, headers: &headers, query: None };
        let outcome = table.find(0, black_box(&request));
        assert!(matches!(outcome, Outcome::Found { .. }));
        outcome
    });
}

fn repeat<T>(bencher: Bencher, call: impl Fn() -> T) {
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| {
        for _ in 0..CALLS {
            black_box(call());
        }
    });
}

fn route(host: HostPattern, segments: Vec<Segment>, prefix: bool) -> Route {
    Route {
        name: Arc::from("bench"),
        listeners: vec![0],
        matcher: Match { host, path: PathPattern { segments, prefix }, ..Match::default() },
        plugins: Vec::new(),
        destination: Destination::Chain,
        anonymous: false,
        fall_through: false,
        place: "bench".into(),
    }
}

fn literal(text: impl Into<String>) -> Segment {
    Segment::Literal(text.into())
}

fn capture() -> Segment {
    Segment::Capture(Arc::from("id"))
}

/// What a browser sends.
fn head() -> HeaderMap {
    let fields = [
        ("host", "api.example.com"),
        ("connection", "keep-alive"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "application/json, text/plain, */*"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://www.example.com/"),
        ("origin", "https://www.example.com"),
        ("cookie", "session=0123456789abcdef; theme=dark"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-site"),
        ("x-api-key", "0123456789abcdef"),
        ("x-version", "2"),
        ("cache-control", "no-cache"),
    ];
    let value = HeaderValue::from_static;
    fields.into_iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}
