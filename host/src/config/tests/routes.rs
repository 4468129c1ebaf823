//! `[[route]]`

use http::{Method, StatusCode};

use super::*;
use crate::config::model::{Destination, HostPattern, Route, ValuePattern};

fn route(rest: &str) -> Result<Route, Vec<String>> {
    let text = format!("[[route]]\nname = \"r\"\n{rest}");
    read_with_basics(&text).map(|config| config.routes.into_iter().next().unwrap())
}

/// What `rest` adds begins on line 10.
#[track_caller]
fn assert_refused_with(rest: &str, expected: &[&str]) {
    assert_problems(&format!("[[route]]\nname = \"r\"\n{rest}"), expected);
}

#[test]
fn matches_are_brought_to_canonical_form() {
    let matcher = route(
        "cluster = \"users\"\nmatch = { host = \"API.Example.com.\", path = \"/%7eu/{id}\", methods = [\"POST\", \"GET\"], \
         headers = { X-B = \"1\", x-a = true }, query = { q = \"a b\" } }",
    )
    .unwrap()
    .matcher;
    assert_eq!(matcher.host, HostPattern::Exact("api.example.com".into()));
    assert_eq!(matcher.path, pattern::parse("/~u/{id}").ok().unwrap());
    assert_eq!(matcher.methods, [Method::GET, Method::POST]);
    let headers: Vec<(&str, &ValuePattern)> =
        matcher.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(headers, [("x-a", &ValuePattern::Present), ("x-b", &ValuePattern::Exact("1".into()))]);
    assert_eq!(matcher.query, [("q".into(), ValuePattern::Exact("a b".into()))]);
    // Without a match, a route takes everything.
    let matcher = route("cluster = \"users\"").unwrap().matcher;
    assert_eq!((matcher.host, matcher.path.prefix, matcher.path.segments.len()), (HostPattern::Any, true, 0));
}

#[test]
fn wrong_matches_are_named() {
    assert_refused_with(
        "cluster = \"users\"\n[route.match]\nhost = \"a.example.com:80\"\npath = \"users\"\nmethods = [\"get\", \"GET\", \"GET\", \"*\"]\n\
         headers = { \"a b\" = \"x\", Host = \"y\", z = 5, y = false, X = \"1\", x = \"2\" }\nquery = 5\nhots = \"a\"",
        &[
            "sluice.toml:12: route \"r\": match.host: expected a host such as \"api.example.com\", found \"a.example.com:80\"; \
             write \"a.example.com\"; hosts are compared without port",
            "sluice.toml:13: route \"r\": match.path: expected a path such as \"/users/{id}\" or \"/files/*\", \
             but \"users\" doesn't begin with a slash; begin it with a slash",
            "sluice.toml:14: route \"r\": match.methods: expected a method such as \"GET\", found \"get\"; did you mean \"GET\"?",
            "sluice.toml:14: route \"r\": match.methods: expected a method such as \"GET\", found \"*\"; \
             leave match.methods out for any method",
            "sluice.toml:14: route \"r\": match.methods: \"GET\" is there twice; remove one of the two",
            "sluice.toml:15: route \"r\": match.headers: the host isn't matched as a field; use match.host",
            "sluice.toml:15: route \"r\": match.headers: expected the name of a header field, found \"a b\"; \
             field names are letters, digits and hyphens",
            "sluice.toml:15: route \"r\": match.headers: \"x\" is there twice; remove one of the two",
            "sluice.toml:15: route \"r\": match.headers.y: matching what is absent is not supported in this version; \
             remove it, or write true for any value",
            "sluice.toml:15: route \"r\": match.headers.z: expected a string or true, found an integer; \
             write the exact value in quotes, or true for any value",
            "sluice.toml:16: route \"r\": match.query: expected a table, found an integer; \
             write query = { NAME = \"VALUE\" }, or NAME = true for any value",
            "sluice.toml:17: route \"r\": match: unknown key \"hots\"; did you mean \"host\"? \
             (valid keys: host, path, methods, headers, query)",
        ],
    );
}

#[test]
fn hosts() {
    let host = |written: &str| {
        let route = route(&format!("cluster = \"users\"\nmatch = {{ host = \"{written}\" }}"));
        route.map(|route| route.matcher.host).map_err(|problems| {
            let remedy = problems[0].split_once("; ").unwrap().1.to_owned();
            assert_eq!(problems.len(), 1);
            remedy
        })
    };
    assert_eq!(host("*.Example.com"), Ok(HostPattern::Wildcard("example.com".into())));
    assert_eq!(host("10.0.0.1"), Ok(HostPattern::Exact("10.0.0.1".into())));
    assert_eq!(host("[0:0::1]"), Ok(HostPattern::Exact("[::1]".into())));
    let refused = |written: &str, remedy: &str| assert_eq!(host(written), Err(remedy.to_owned()));
    refused("*", "leave match.host out for any host");
    refused("*.a.com:80", "write \"*.a.com\"; hosts are compared without port");
    refused("a.*.com", "a wildcard stands for the first labels alone: \"*.example.com\"");
    refused("bücher.example", "write the name in its ASCII form (xn--…)");
    refused("::1", "IPv6 needs brackets: \"[::1]\"");
    refused("https://a.com", "write a host name, without scheme, port and path");
    refused("", "write a host name, without scheme, port and path");
    refused("a..b", "write a host name, without scheme, port and path");
}

#[test]
fn destinations() {
    let destination = |rest: &str| route(rest).unwrap().destination;
    let Destination::Clusters(clusters) = destination("clusters = [{ name = \"users\", weight = 3 }]") else {
        panic!()
    };
    assert_eq!(clusters, [(0, 3)]);
    let Destination::Clusters(clusters) = destination("clusters = [\"users\"]") else { panic!() };
    assert_eq!(clusters, [(0, 1)]);
    assert!(matches!(destination("plugins = [\"dropped\"]"), Destination::Chain));
    let Destination::Respond(respond) = destination(
        "respond = { status = 404, body = \"no\", headers = { Set-Cookie = [\"a=1\", \"b=2\"], x = \"y\" } }",
    ) else {
        panic!()
    };
    assert_eq!((respond.status, &*respond.body), (StatusCode::NOT_FOUND, &b"no"[..]));
    assert_eq!(respond.headers.len(), 3);
    let Destination::Redirect(redirect) = destination(
        "match = { path = \"/a/{id}/{x}\" }\nredirect = { scheme = \"https\", host = \"b.com:1\", path = \"/c/{id}-{x}?q={id}\" }",
    ) else {
        panic!()
    };
    assert_eq!(redirect.status, StatusCode::FOUND);
    assert_eq!((redirect.scheme.unwrap(), redirect.host.unwrap()), ("https".into(), "b.com:1".into()));
    assert_eq!(redirect.path.unwrap(), "/c/{id}-{x}?q={id}");
}

#[test]
fn a_destination_is_needed_and_one_is_enough() {
    let none = "sluice.toml:8: route \"r\": has no destination; add cluster = \"CLUSTER\", redirect = { … } or respond = { … }, \
                or end plugins with one that answers";
    assert_refused_with("", &[none]);
    assert_refused_with("plugins = []", &[none]);
    assert_refused_with(
        "cluster = \"users\"\nrespond = {}",
        &["sluice.toml:11: route \"r\": has two destinations, \"cluster\" and \"respond\"; remove one of the two"],
    );
}

#[test]
fn weights_have_a_sum() {
    let zero = "the weights sum to 0, so that no cluster gets a request; give at least one cluster a weight above 0";
    assert_refused_with(
        "clusters = [{ name = \"users\", weight = 0 }]",
        &[&format!("sluice.toml:10: route \"r\": clusters: {zero}")],
    );
    assert_refused_with(
        "clusters = []",
        &["sluice.toml:10: route \"r\": clusters: names no cluster; give at least one cluster a weight above 0"],
    );
    assert_refused_with(
        "clusters = [{ name = \"users\", weight = -1 }, { wieght = 1, name = \"user\" }, \"users\"]",
        &[
            "sluice.toml:10: route \"r\": cluster: there is no cluster \"user\"; did you mean \"users\"? (clusters: users)",
            "sluice.toml:10: route \"r\": clusters: unknown key \"wieght\"; did you mean \"weight\"? (valid keys: name, weight)",
            "sluice.toml:10: route \"r\": clusters: \"users\" is there twice; remove one of the two",
            "sluice.toml:10: route \"r\": clusters.weight: expected a whole number from 0 to 65535, found -1; \
             write a number from 0 to 65535",
        ],
    );
}

#[test]
fn wrong_redirects_are_named() {
    assert_refused_with(
        "redirect = { status = 305, scheme = \"ftp\", host = \"a b\", path = \"c\" }",
        &[
            "sluice.toml:10: route \"r\": redirect.host: expected a host such as \"api.example.com\", found \"a b\"; \
             write a host name or address, with a port if need be, without scheme and path",
            "sluice.toml:10: route \"r\": redirect.path: expected a path such as \"/new/{id}\", but \"c\" doesn't begin with \
             one slash; begin it with a slash; hosts go to redirect.host",
            "sluice.toml:10: route \"r\": redirect.scheme: expected \"http\" or \"https\", found \"ftp\"; valid: http, https",
            "sluice.toml:10: route \"r\": redirect.status: 305 isn't a redirect that clients follow; \
             write 301, 302, 303, 307 or 308",
        ],
    );
    assert_refused_with(
        "redirect = { status = 200 }",
        &[
            "sluice.toml:10: route \"r\": redirect: leads back to where it comes from; set at least one of scheme, host and path",
            "sluice.toml:10: route \"r\": redirect.status: expected a whole number from 300 to 399, found 200; \
             write a number from 300 to 399",
        ],
    );
    let path = |path: &str| {
        let refused =
            route(&format!("match = {{ path = \"/a/{{id}}\" }}\nredirect = {{ path = '{path}' }}")).unwrap_err();
        refused.join("\n").split_once(", but ").unwrap().1.split_once("; ").unwrap().0.to_owned()
    };
    assert_eq!(path("/{ix}"), "\"/{ix}\" uses {ix}, which match.path doesn't capture");
    assert_eq!(path("/a}id}"), "\"/a}id}\" has a brace that isn't part of {name}");
    assert_eq!(path("/{id"), "\"/{id\" has a brace that isn't part of {name}");
    assert_eq!(path("//evil.example"), "\"//evil.example\" doesn't begin with one slash");
    assert_eq!(path("/a\\b"), "\"/a\\\\b\" has characters that have to be escaped");
}

#[test]
fn wrong_answers_are_named() {
    assert_refused_with(
        "respond = { status = 204, body = \"x\", headers = { Content-Length = \"1\", \"\" = \"a\", x = [\"a\", \"s3cret\\n\"] } }",
        &[
            "sluice.toml:10: route \"r\": respond.body: an answer 204 has no body; remove the body, or use another status",
            "sluice.toml:10: route \"r\": respond.headers: expected the name of a header field, found \"\"; \
             field names are letters, digits and hyphens",
            "sluice.toml:10: route \"r\": respond.headers: the field \"content-length\" can't be set on an answer; \
             it is the gateway's own; name another field",
            "sluice.toml:10: route \"r\": respond.headers.x: expected a header value without control characters and outer \
             blanks; remove line breaks, other control characters and outer blanks",
        ],
    );
    assert_refused_with(
        "respond = { status = 101 }",
        &["sluice.toml:10: route \"r\": respond.status: expected a whole number from 200 to 599, found 101; \
           write a number from 200 to 599"],
    );
}

#[test]
fn names_are_looked_up() {
    assert_refused_with(
        "listeners = [\"publik\"]\nplugins = [\"droped\", \"dropped\", \"dropped\"]\ncluster = \"user\"",
        &[
            "sluice.toml:10: route \"r\": listeners: there is no listener \"publik\"; did you mean \"public\"? (listeners: public)",
            "sluice.toml:11: route \"r\": plugins: \"dropped\" is there twice; remove one of the two",
            "sluice.toml:11: route \"r\": plugins: there is no plugin \"droped\"; did you mean \"dropped\"? (plugins: dropped)",
            "sluice.toml:12: route \"r\": cluster: there is no cluster \"user\"; did you mean \"users\"? (clusters: users)",
        ],
    );
    // A file that a plugin has as its component goes by the plugin's name.
    assert_problems(
        "[[plugin]]\nname = \"keys\"\ncomponent = \"dropped.wasm\"\n[[route]]\nname = \"r\"\nplugins = [\"dropped\"]",
        &["sluice.toml:13: route \"r\": plugins: dropped.wasm is the component of plugin \"keys\"; name \"keys\""],
    );
}

#[test]
fn listeners_are_named_where_there_are_several() {
    let more = "[[listener]]\nname = \"private\"\naddress = \"127.0.0.1:8081\"\n[[route]]\nname = \"r\"\ncluster = \"users\"\n";
    assert_problems(
        more,
        &["sluice.toml:11: route \"r\": missing key \"listeners\", since there is more than one; \
           add listeners = [\"private\", \"public\"], or some of them"],
    );
    let config = read_with_basics(&format!("{more}listeners = [\"private\", \"public\"]")).unwrap();
    assert_eq!(config.routes[0].listeners, [0, 1]);
    assert_problems(
        &format!("{more}listeners = []"),
        &["sluice.toml:14: route \"r\": listeners: names no listener; name one, or remove the key"],
    );
}

#[test]
fn route_names_differ() {
    let entry = |path: &str| format!("[[route]]\nname = \"r\"\nmatch = {{ path = \"{path}\" }}\ncluster = \"users\"\n");
    assert_problems(
        &(entry("/a") + &entry("/b")),
        &["sluice.toml:13: route \"r\": name: another route has that name, at sluice.toml:9; rename one of the two"],
    );
}

#[test]
fn routes_can_be_told_apart() {
    let ambiguous = |a: &str, b: &str| {
        let entry = |name: &str, matcher: &str| {
            format!("[[route]]\nname = \"{name}\"\nmatch = {{ {matcher} }}\ncluster = \"users\"\n")
        };
        let outcome = read_with_basics(&(entry("a", a) + &entry("b", b)));
        let expected = "sluice.toml:12: route \"b\": match: can't be told apart from route \"a\", at sluice.toml:8; \
                        change the match of one of the two, or remove it";
        match outcome {
            Ok(_) => false,
            Err(problems) => {
                assert_eq!(problems, [expected]);
                true
            }
        }
    };
    assert!(ambiguous("", ""));
    assert!(ambiguous("", "path = \"/*\""));
    assert!(ambiguous("path = \"/a/{id}\"", "path = \"/a/{name}\""));
    assert!(ambiguous("path = \"/%61\"", "path = \"/a\""));
    assert!(ambiguous("host = \"a.com\"", "host = \"A.com.\""));
    assert!(ambiguous("methods = [\"GET\"]", "methods = [\"POST\", \"GET\"]"));
    assert!(ambiguous("methods = [\"GET\"]", "methods = [\"HEAD\"]"));
    assert!(ambiguous("headers = { a = \"1\" }", "headers = { a = \"1\" }"));
    assert!(ambiguous("headers = { a = \"1\" }", "headers = { b = \"1\" }"));
    assert!(ambiguous("headers = { a = \"1\" }", "headers = { a = true }"));
    assert!(!ambiguous("path = \"/a\"", "path = \"/a/\""));
    assert!(!ambiguous("path = \"/a\"", "path = \"/a/*\""));
    assert!(!ambiguous("path = \"/a/{id}\"", "path = \"/a/b\""));
    assert!(!ambiguous("host = \"a.com\"", "host = \"*.a.com\""));
    assert!(!ambiguous("methods = [\"GET\"]", "methods = [\"POST\"]"));
    assert!(!ambiguous("methods = [\"GET\"]", ""));
    assert!(!ambiguous("headers = { a = \"1\" }", "headers = { a = \"2\" }"));
    assert!(!ambiguous("headers = { a = \"1\" }", "headers = { a = \"1\", b = true }"));
    assert!(!ambiguous("query = { a = \"1\" }", ""));
}

#[test]
fn routes_of_different_listeners_dont_meet() {
    let text = "[[listener]]\nname = \"private\"\naddress = \"127.0.0.1:8081\"\n\
                [[route]]\nname = \"a\"\ncluster = \"users\"\nlisteners = [\"public\"]\n\
                [[route]]\nname = \"b\"\ncluster = \"users\"\nlisteners = [\"private\"]\n";
    assert!(read_with_basics(text).is_ok());
}

#[test]
fn flags() {
    let route = route("cluster = \"users\"\nanonymous = true\nfall_through = true").unwrap();
    assert!(route.anonymous && route.fall_through);
    assert_refused_with(
        "cluster = \"users\"\nanonymous = \"yes\"",
        &[
            "sluice.toml:11: route \"r\": anonymous: expected true or false, found a string; write true or false without quotes",
        ],
    );
}
