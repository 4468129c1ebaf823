//! What the table finds, case by case, and in how many steps.

use http::{HeaderMap, HeaderValue, Method};

use super::super::table::Search;
use super::*;
use crate::route::{conflicts, host_key};

#[test]
fn exact_prefix_and_captured_paths() {
    let routes = [
        route("", "/users"),
        route("", "/users/"),
        route("", "/files/*"),
        route("", "/users/{id}"),
        route("", "/users/{id}/posts/{post}"),
        route("", "/"),
    ];
    for (at, expected) in [
        ("/users", Some(0)),
        ("/users/", Some(1)),
        ("/users/7", Some(3)),
        ("/users/7/", None),
        ("/users/7/posts/8", Some(4)),
        ("/users/7/posts", None),
        ("/files", Some(2)),
        ("/files/", Some(2)),
        ("/files/a/b", Some(2)),
        ("/filesystem", None),
        ("/", Some(5)),
        ("/nothing", None),
        ("not-absolute", None),
    ] {
        assert_eq!(found(&find(&routes, "", at)), expected, "{at}");
    }
}

#[test]
fn captures_are_decoded() {
    let routes = [route("", "/users/{id}/posts/{post}/*")];
    let outcome = find(&routes, "", "/users/a%20b/posts/%C3%BC/c/d");
    let captures = vec![("id".into(), "a b".to_owned()), ("post".into(), "ü".to_owned())];
    assert_eq!(outcome, Outcome::Found { route: 0, captures });
}

#[test]
fn a_capture_that_is_no_text_is_refused_and_not_passed_to_other_routes() {
    let routes = [route("", "/users/{id}"), route("", "/*")];
    assert_eq!(find(&routes, "", "/users/%FF"), Outcome::Undecodable);
    assert_eq!(found(&find(&routes, "", "/other/%FF")), Some(1));
}

#[test]
fn the_most_specific_path_wins_whatever_the_order() {
    let mut routes = vec![
        route("", "/*"),
        route("", "/a/*"),
        route("", "/a/{x}/*"),
        route("", "/a/b/*"),
        route("", "/{x}/{y}"),
        route("", "/a/{y}"),
        route("", "/a/b"),
    ];
    for _ in 0..routes.len() {
        routes.rotate_left(1);
        for (at, expected) in [
            ("/a/b", "/a/b"),
            ("/a/c", "/a/{y}"),
            ("/c/b", "/{x}/{y}"),
            ("/a/b/c", "/a/b/*"),
            ("/a/c/c", "/a/{x}/*"),
            ("/a/", "/a/*"),
            ("/c/c/c", "/*"),
        ] {
            let index = found(&find(&routes, "", at)).unwrap();
            assert_eq!(&*routes[index].name, expected, "{at}");
        }
    }
}

#[test]
fn hosts_from_exact_to_any() {
    let routes = [
        route("", "/*"),
        route("*.example.com", "/*"),
        route("*.api.example.com", "/*"),
        route("api.example.com", "/only"),
        route("[2001:db8::1]", "/*"),
    ];
    for (on, at, expected) in [
        ("api.example.com", "/only", 3),
        ("API.Example.com.:8080", "/only", 3),
        ("api.example.com", "/other", 1),
        ("v1.api.example.com", "/only", 2),
        ("a.b.api.example.com", "/", 2),
        ("www.example.com:80", "/", 1),
        ("example.com", "/", 0),
        (".example.com", "/", 0),
        ("wwwexample.com", "/", 0),
        ("[2001:DB8:0::1]:443", "/", 4),
        ("", "/", 0),
    ] {
        assert_eq!(found(&find(&routes, on, at)), Some(expected), "{on}{at}");
    }
    assert_eq!(host_key("API.Example.com.:8080"), "api.example.com");
}

#[test]
fn routes_belong_to_their_listeners() {
    let mut routes = [route("", "/a"), route("", "/a")];
    routes[1].listeners = vec![2];
    let table = Table::build(&routes);
    let request = RouteRequest { host: "", path: "/a", method: &Method::GET, headers: &HeaderMap::new(), query: None };
    let by_listener = [0, 1, 2, 3].map(|listener| found(&table.find(listener, &request)));
    assert_eq!(by_listener, [Some(0), None, Some(1), None]);
}

#[test]
fn conditions_choose_among_routes_of_one_path() {
    let routes = [
        route("", "/a"),
        route("", "/a").header("x-version", "2"),
        route("", "/a").parameter("debug"),
        route("", "/a").header("x-version", "2").parameter("debug"),
        route("", "/*").header("x-version", "3"),
    ];
    let headers = |value| HeaderMap::from_iter([("x-version".parse().unwrap(), HeaderValue::from_static(value))]);
    let get = |at, value| found(&ask(&routes, &Method::GET, "", at, &headers(value)));
    assert_eq!(get("/a", "1"), Some(0));
    assert_eq!(get("/a", "2"), Some(1));
    assert_eq!(get("/a?debug", "1"), Some(2));
    assert_eq!(get("/a?debug=1", "2"), Some(3));
    assert_eq!(get("/a", "3"), Some(0));
    assert_eq!(get("/b", "3"), Some(4));
    assert_eq!(get("/b", "2"), None);
}

#[test]
fn conditions_that_fail_lead_to_less_specific_routes() {
    let routes = [route("", "/a/b").header("x-canary", "1"), route("", "/a/{x}"), route("", "/a/*")];
    assert_eq!(found(&find(&routes, "", "/a/b")), Some(1));
}

#[test]
fn a_wrong_method_is_405_and_no_way_round_a_chain() {
    let routes = [
        route("", "/admin/users").methods(&[Method::GET]),
        route("", "/admin/users").methods(&[Method::PUT, Method::DELETE]),
        route("", "/admin/users").methods(&[Method::PATCH]).header("x-beta", "1"),
        route("", "/admin/*"),
    ];
    let ask = |method, at| super::ask(&routes, &method, "", at, &HeaderMap::new());
    assert_eq!(found(&ask(Method::HEAD, "/admin/users")), Some(0));
    assert_eq!(found(&ask(Method::DELETE, "/admin/users")), Some(1));
    assert_eq!(allowed(&ask(Method::POST, "/admin/users")).as_deref(), Some("DELETE, GET, HEAD, PUT"));
    assert_eq!(found(&ask(Method::POST, "/admin/other")), Some(3));
}

#[test]
fn a_wrong_method_does_not_fall_to_another_host_either() {
    let routes = [route("a.example", "/x").methods(&[Method::GET]), route("", "/*")];
    let outcome = ask(&routes, &Method::POST, "a.example", "/x", &HeaderMap::new());
    assert_eq!(allowed(&outcome).as_deref(), Some("GET, HEAD"));
}

#[test]
fn fall_through_goes_on_and_remembers_the_methods() {
    let routes = [
        route("", "/a/b").methods(&[Method::GET]).falling_through(),
        route("", "/a/*").methods(&[Method::POST]),
        route("", "/*"),
        route("other.example", "/a").methods(&[Method::GET]).falling_through(),
    ];
    let ask = |method, on, at, count: usize| super::ask(&routes[..count], &method, on, at, &HeaderMap::new());
    assert_eq!(found(&ask(Method::GET, "", "/a/b", 3)), Some(0));
    assert_eq!(found(&ask(Method::POST, "", "/a/b", 3)), Some(1));
    assert_eq!(allowed(&ask(Method::PUT, "", "/a/b", 3)).as_deref(), Some("GET, HEAD, POST"));
    assert_eq!(allowed(&ask(Method::PUT, "", "/a/b", 1)).as_deref(), Some("GET, HEAD"));
    assert_eq!(found(&ask(Method::PUT, "other.example", "/a", 4)), None);
}

#[test]
fn routes_that_cannot_be_told_apart_are_found() {
    let routes = [
        route("", "/users/{id}"),
        route("", "/users/{name}"),
        route("", "/users/me"),
        route("", "/users/{id}").methods(&[Method::GET]),
        route("", "/users/{id}").methods(&[Method::POST]),
        route("", "/users/{id}").methods(&[Method::HEAD]),
        route("", "/v").header("x-v", "1"),
        route("", "/v").header("x-v", "2"),
        route("", "/v").parameter("q"),
        route("a.example", "/users/{id}"),
    ];
    assert_eq!(conflicts(&routes), [(0, 1), (3, 5), (6, 8)]);
}

#[test]
fn other_listeners_do_not_conflict() {
    let mut routes = [route("", "/a"), route("", "/a"), route("", "/a")];
    routes[1].listeners = vec![1];
    routes[2].listeners = vec![1, 2];
    assert_eq!(conflicts(&routes), [(1, 2)]);
}

#[test]
fn conflicts_among_many_versions_of_one_path_are_found_by_hash() {
    let mut routes: Vec<_> = (0..10_000).map(|version| route("", "/v").header("x-v", &version.to_string())).collect();
    assert_eq!(conflicts(&routes), []);
    routes.push(route("", "/v").header("x-v", "4711"));
    assert_eq!(conflicts(&routes), [(4711, 10_000)]);
}

fn steps(table: &Table, on: &str, at: &str) -> usize {
    let request = RouteRequest { host: on, path: at, method: &Method::GET, headers: &HeaderMap::new(), query: None };
    let mut search = Search::new(table, &request);
    search.run(0);
    search.steps
}

#[test]
fn steps_do_not_grow_with_the_number_of_routes() {
    let steps_among = |count: usize| {
        let routes: Vec<_> = (0..count)
            .flat_map(|n| [route(&format!("h{n}.example"), "/*"), route("", &format!("/s{n}/users/{{id}}"))])
            .collect();
        let table = Table::build(&routes);
        assert_eq!(table.nodes.len(), count + 1 + 3 * count);
        [
            steps(&table, "h7.example", "/s7/users/1"),
            steps(&table, "", "/s7/users/1"),
            steps(&table, "", "/none/at/all"),
        ]
    };
    assert_eq!(steps_among(10), [1, 4, 1]);
    assert_eq!(steps_among(10_000), [1, 4, 1]);
}

#[test]
fn hostile_paths_cost_no_more_than_the_tree() {
    // Every level branches, and no branch leads to the end that the path asks for.
    let mut routes = Vec::new();
    for bits in 0..64u32 {
        let at: String = (0..6).map(|level| if bits >> level & 1 == 1 { "/{x}" } else { "/a" }).collect();
        routes.push(route("", &format!("{at}/end")));
    }
    let table = Table::build(&routes);
    assert_eq!(steps(&table, "", "/a/a/a/a/a/a/other"), 127);
    let long = "/a".repeat(30_000);
    assert_eq!(steps(&table, "", &long), 127);
}

#[test]
fn long_patterns_and_long_hosts_are_searched_without_recursion() {
    let deep = "/{x}".repeat(20_000);
    let routes = [route("", &deep), route("*.example.com", "/*")];
    let table = Table::build(&routes);
    assert_eq!(steps(&table, "", &"/a".repeat(20_000)), 20_001);
    assert_eq!(steps(&table, &format!("{}example.com", "a.".repeat(30_000)), "/"), 1);
}
