//! Who runs when, who decides, and what a failure costs.

use http::Method;

use super::fake::{Bench, Fake, Ran, always, exchange, fails, identity, local, quota};
use crate::body::Body;
use crate::config::model::OnError;
use crate::error::Error;
use crate::plugin::exchange::Origin;
use crate::plugin::role::{Authentication, Authorization, Decision, PluginError, Verdict};

fn run(bench: Bench) -> Ran {
    bench.run(exchange(Method::GET, &[]), Body::Empty, (&[], Body::Full("upstream".into())))
}

fn filter() -> Fake {
    Fake { on_request: always(|| Decision::Continue), on_response: always(|| Decision::Continue), ..Fake::default() }
}

fn finds(subject: &'static str) -> Fake {
    Fake { authenticate: always(move || Authentication::Identified(identity(subject))), ..Fake::default() }
}

fn finds_nobody() -> Fake {
    Fake { authenticate: always(|| Authentication::NoCredentials), ..Fake::default() }
}

fn limits(remaining: u64) -> Fake {
    Fake {
        rate_limit: always(move || match remaining {
            0 => Verdict::Rejected(quota("all", 0)),
            _ => Verdict::Admitted(Some(quota("all", remaining))),
        }),
        ..Fake::default()
    }
}

#[test]
fn an_empty_chain_passes_everything() {
    let ran = run(Bench::default());
    assert_eq!(ran.calls, ["upstream"]);
    assert_eq!(ran.body, "upstream");
}

#[test]
fn requests_pass_in_order_and_answers_in_reverse() {
    let ran = run(Bench::default().with("a", filter()).with("b", filter()));
    assert_eq!(ran.calls, ["a.on-request", "b.on-request", "upstream", "b.on-response", "a.on-response"]);
}

#[test]
fn one_plugins_hooks_run_at_its_place() {
    let all = Fake {
        authenticate: always(|| Authentication::Identified(identity("x"))),
        authorize: always(|| Authorization::Allowed),
        rate_limit: always(|| Verdict::Admitted(None)),
        ..filter()
    };
    let ran = run(Bench::default().with("a", filter()).with("b", all));
    let expected = [
        "a.on-request",
        "b.authenticate",
        "b.authorize",
        "b.rate-limit",
        "b.on-request",
        "upstream",
        "b.on-response",
        "a.on-response",
    ];
    assert_eq!(ran.calls, expected);
}

#[test]
fn the_first_identity_wins_and_later_authenticators_are_not_asked() {
    let ran = run(Bench::default().with("key", finds("alice")).with("jwt", finds("bob")));
    assert_eq!(ran.calls, ["key.authenticate", "upstream"]);
    assert_eq!(ran.exchange.identity.as_ref().unwrap().subject, "alice");
    assert_eq!(ran.exchange.identified_by.as_deref(), Some("key"));
}

#[test]
fn a_later_authenticator_may_find_what_the_first_did_not() {
    let ran = run(Bench::default().with("key", finds_nobody()).with("jwt", finds("bob")).with("limit", limits(3)));
    assert_eq!(ran.calls, ["key.authenticate", "jwt.authenticate", "limit.rate-limit", "upstream"]);
    assert_eq!(ran.exchange.identified_by.as_deref(), Some("jwt"));
}

#[test]
fn without_identity_it_is_401_after_the_last_authenticator() {
    let bench = Bench::default()
        .with("first", limits(3))
        .with("key", finds_nobody())
        .with("jwt", finds_nobody())
        .with("late", filter());
    let ran = run(bench);
    assert_eq!(ran.calls, ["first.rate-limit", "key.authenticate", "jwt.authenticate"]);
    assert_eq!(ran.error, Some(Error::Unauthenticated));
}

#[test]
fn hooks_of_the_last_authenticator_itself_do_not_run_without_identity() {
    let both = Fake {
        authenticate: always(|| Authentication::NoCredentials),
        authorize: always(|| Authorization::Allowed),
        ..Fake::default()
    };
    assert_eq!(run(Bench::default().with("a", both)).calls, ["a.authenticate"]);
}

#[test]
fn anonymous_routes_let_requests_without_identity_pass() {
    let bench = Bench::default().with("key", finds_nobody()).with("late", filter());
    let ran = bench.run_as(exchange(Method::GET, &[]), Body::Empty, (&[], Body::Empty), true);
    assert_eq!(ran.calls, ["key.authenticate", "late.on-request", "upstream", "late.on-response"]);
    assert!(ran.exchange.identity.is_none());
}

#[test]
fn who_denies_answers_even_where_anonymous_requests_pass() {
    let denies = Fake { authenticate: always(|| Authentication::Denied(local(403, "no"))), ..Fake::default() };
    let bench = Bench::default().with("a", filter()).with("key", denies).with("jwt", finds("bob"));
    let ran = bench.run_as(exchange(Method::GET, &[]), Body::Empty, (&[], Body::Empty), true);
    assert_eq!(ran.calls, ["a.on-request", "key.authenticate", "a.on-response"]);
    assert_eq!((ran.status(), ran.response().origin), (403, Origin::Plugin));
}

#[test]
fn an_answer_ends_the_request_phase_and_its_maker_has_no_response_phase() {
    let answers = Fake { on_request: always(|| Decision::Respond(local(418, "tea"))), ..filter() };
    let ran = run(Bench::default().with("a", filter()).with("b", answers).with("c", filter()));
    assert_eq!(ran.calls, ["a.on-request", "b.on-request", "a.on-response"]);
    assert_eq!((ran.status(), &ran.body[..]), (418, &b"tea"[..]));
}

#[test]
fn authorize_denies() {
    let denies = Fake { authorize: always(|| Authorization::Denied(local(403, ""))), ..Fake::default() };
    assert_eq!(run(Bench::default().with("a", denies)).status(), 403);
}

#[test]
fn an_aggregate_ends_the_chain_and_has_a_response_phase() {
    let aggregates = Fake { aggregate: always(|| local(200, "both")), ..filter() };
    let ran = run(Bench::default().with("a", filter()).with("b", aggregates));
    assert_eq!(ran.calls, ["a.on-request", "b.on-request", "b.aggregate", "b.on-response", "a.on-response"]);
    assert_eq!((&ran.body[..], ran.response().origin), (&b"both"[..], Origin::Plugin));
}

#[test]
fn limits_are_told_in_every_answer() {
    let ran = run(Bench::default().with("a", limits(3)).with("b", limits(7)));
    assert_eq!(ran.response().headers["ratelimit"], r#""all";r=3;t=1, "all";r=7;t=1"#);
    assert_eq!(ran.response().headers["ratelimit-policy"], r#""all";q=10;w=1, "all";q=10;w=1"#);
}

#[test]
fn a_used_up_limit_is_429_with_the_time_to_wait() {
    let ran = run(Bench::default().with("a", limits(3)).with("b", limits(0)).with("c", limits(9)));
    assert_eq!(ran.error, Some(Error::RateLimited { retry_after: 2 }));
    assert_eq!(ran.response().headers["ratelimit"], r#""all";r=3;t=1, "all";r=0;t=1"#);
}

#[test]
fn a_failure_is_503_and_the_failed_plugin_has_no_response_phase() {
    let broken = Fake { on_request: fails(), ..filter() };
    let ran = run(Bench::default().with("a", filter()).with("b", broken).with("c", filter()));
    assert_eq!(ran.calls, ["a.on-request", "b.on-request", "a.on-response"]);
    assert_eq!(ran.error, Some(Error::Plugin { plugin: "b".into(), kind: "time" }));
}

#[test]
fn an_open_plugins_failure_is_passed_over_with_all_its_later_hooks() {
    let broken = Fake { rate_limit: fails(), on_error: OnError::Open, ..filter() };
    let ran = run(Bench::default().with("a", filter()).with("b", broken).with("c", filter()));
    let expected = ["a.on-request", "b.rate-limit", "c.on-request", "upstream", "c.on-response", "a.on-response"];
    assert_eq!(ran.calls, expected);
    assert_eq!(ran.status(), 200);
}

#[test]
fn a_plugin_without_a_component_never_fails_open() {
    let nowhere = Fake {
        on_request: Some(Box::new(|_| Err(PluginError::Unavailable))),
        on_error: OnError::Open,
        ..Fake::default()
    };
    let ran = run(Bench::default().with("unknown", nowhere).with("b", filter()));
    assert_eq!(ran.calls, ["unknown.on-request"]);
    assert_eq!(ran.error, Some(Error::Plugin { plugin: "unknown".into(), kind: "unavailable" }));
}

#[test]
fn decisions_about_callers_never_fail_open() {
    let open = OnError::Open;
    for broken in [
        Fake { authenticate: fails(), on_error: open, ..Fake::default() },
        Fake { authorize: fails(), on_error: open, ..Fake::default() },
        Fake { aggregate: fails(), on_error: open, ..Fake::default() },
    ] {
        let ran = run(Bench::default().with("b", broken));
        assert_eq!(ran.error, Some(Error::Plugin { plugin: "b".into(), kind: "time" }));
    }
}

#[test]
fn a_failure_in_the_response_phase_replaces_the_answer_for_those_that_follow() {
    let broken = Fake { on_response: fails(), ..filter() };
    let ran = run(Bench::default().with("a", filter()).with("b", broken).with("c", filter()));
    assert_eq!(ran.calls.last().unwrap(), "a.on-response");
    assert_eq!((ran.status(), ran.response().origin), (503, Origin::Gateway));
    let open = Fake { on_response: fails(), on_error: OnError::Open, ..filter() };
    let ran = run(Bench::default().with("b", open));
    assert_eq!((ran.status(), &ran.body[..]), (200, &b"upstream"[..]));
}

#[test]
fn an_answer_can_be_replaced_in_the_response_phase() {
    let replaces = Fake { on_response: always(|| Decision::Respond(local(404, "hidden"))), ..filter() };
    let ran = run(Bench::default().with("a", filter()).with("b", replaces).with("limit", limits(3)));
    assert_eq!((ran.status(), &ran.body[..], ran.response().origin), (404, &b"hidden"[..], Origin::Plugin));
    assert!(ran.response().headers.contains_key("ratelimit"));
}
