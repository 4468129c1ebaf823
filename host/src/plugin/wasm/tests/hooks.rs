//! Each hook from the chain's side.

use bytes::Bytes;

use super::guests::{self, TYPES, hook};
use super::{answered, error, exchange, plugin, run};
use crate::balance::{EndpointView, IdentityView, PickContext, RequestView, View};
use crate::plugin::exchange::Identity;
use crate::plugin::role::{Authentication, Authorization, BodyDecision, Decision, Hooks, Lease, PluginError, Verdict};

#[test]
fn a_pooled_filter_reads_and_writes() {
    run(async {
        let plugin = plugin(&guests::copy(), |_| {});
        assert_eq!(plugin.hooks(), Hooks::ON_REQUEST);
        for value in ["one", "two"] {
            let mut exchange = exchange();
            exchange.request.headers.insert("x-a", value.parse().unwrap());
            let (exchange, result) = plugin.on_request(&mut Lease::default(), exchange).await;
            assert!(matches!(result, Ok(Decision::Continue)), "{result:?}");
            assert_eq!(exchange.request.headers["x-b"], value);
        }
    });
}

#[test]
fn authenticate_and_authorize() {
    run(async {
        // identified({ subject: "none", no issuer, no expiry, claims: "{}" })
        let found = "(i32.store8 (i32.const 64) (i32.const 0)) (i32.store8 (i32.const 72) (i32.const 0))
             (i32.store (i32.const 80) (i32.const 1056)) (i32.store (i32.const 84) (i32.const 4))
             (i32.store8 (i32.const 88) (i32.const 0)) (i32.store8 (i32.const 104) (i32.const 0))
             (i32.store (i32.const 120) (i32.const 2048)) (i32.store (i32.const 124) (global.get $claims)) (i32.const 64)";
        // Lets in whoever has an identity: the option's tag is the third parameter.
        let asked = "(if (i32.eqz (local.get $some)) (then (return (call $fail (i32.const 1056) (i32.const 4)))))
             (call $ok (i32.const 0))";
        let params = "$request $exchange $some $subject $subject_len $issuer $issuer_ptr $issuer_len $expires";
        let authorize = hook("authorize", "authorize", params, asked).replace(
            "(param $expires i32)",
            "(param $expires i32) (param $at i64) (param $claims i32) (param $claims_len i32)",
        );
        let with_claims = |length: u32| {
            let fields = format!("(global $claims i32 (i32.const {length})) (data (i32.const 2048) \"{{}}x\")")
                + &hook("authenticate", "authenticate", "$request $exchange", found)
                + &authorize;
            guests::build("export sluice:plugin/authenticate@0.1.0; export sluice:plugin/authorize@0.1.0;", "", &fields)
        };
        let good = plugin(&with_claims(2), |_| {});
        let (mut exchange, result) = good.authenticate(&mut Lease::default(), exchange()).await;
        let Ok(Authentication::Identified(identity)) = result else { panic!("{result:?}") };
        assert_eq!(identity, Identity { subject: "none".into(), issuer: None, expires_at: None, claims: "{}".into() });
        let (_, result) = good.authorize(&mut Lease::default(), super::exchange()).await;
        assert!(matches!(result, Err(PluginError::Failed(text)) if text == "none"));
        exchange.identity = Some(identity);
        let (_, result) = good.authorize(&mut Lease::default(), exchange).await;
        assert!(matches!(result, Ok(Authorization::Allowed)), "{result:?}");

        let bad = plugin(&with_claims(3), |_| {});
        let (_, result) = bad.authenticate(&mut Lease::default(), super::exchange()).await;
        assert!(matches!(error(result), PluginError::InvalidResult(text) if text.contains("JSON object")));
    });
}

#[test]
fn rate_limit_names_its_policy() {
    run(async {
        // rejected(quota { policy, limit: 5, window 1000, … })
        let check = |length: u32| {
            let body = format!(
                "(i32.store8 (i32.const 64) (i32.const 0)) (i32.store8 (i32.const 72) (i32.const 1))
                 (i32.store (i32.const 80) (i32.const 1056)) (i32.store (i32.const 84) (i32.const {length}))
                 (i64.store (i32.const 88) (i64.const 5)) (i64.store (i32.const 96) (i64.const 1000))
                 (i64.store (i32.const 104) (i64.const 0)) (i64.store (i32.const 112) (i64.const 900))
                 (i64.store (i32.const 120) (i64.const 200)) (i32.const 64)"
            );
            let fields = hook("rate-limit", "check", "$request $exchange", &body);
            plugin(&guests::build("export sluice:plugin/rate-limit@0.1.0;", "", &fields), |_| {})
        };
        let (_, result) = check(4).rate_limit(&mut Lease::default(), exchange()).await;
        let Ok(Verdict::Rejected(quota)) = result else { panic!("{result:?}") };
        assert_eq!((quota.policy.as_str(), quota.limit, quota.window_ms), ("none", 5, 1000));
        assert_eq!((quota.remaining, quota.reset_ms, quota.retry_after_ms), (0, 900, 200));
        let (_, result) = check(5).rate_limit(&mut Lease::default(), exchange()).await;
        assert!(matches!(error(result), PluginError::InvalidResult(text) if text.contains("policy")));
    });
}

/// Asks for both bodies and gives them back doubled.
fn doubling() -> Vec<u8> {
    let double = "(memory.copy (i32.add (local.get $body) (local.get $length)) (local.get $body) (local.get $length))
        (i32.store8 (i32.const 64) (i32.const 0)) (i32.store8 (i32.const 68) (i32.const 1))
        (i32.store (i32.const 72) (local.get $body)) (i32.store (i32.const 76) (i32.shl (local.get $length) (i32.const 1)))
        (global.set $free (i32.const 8192)) (i32.const 64)";
    let need = "(call $ok (i32.const 2))";
    let fields = hook("on-request", "handle", "$request $exchange", need)
        + &hook("on-request-body", "handle", "$request $exchange $body $length", double)
        + &hook("on-response", "handle", "$request $response $exchange", need)
        + &hook("on-response-body", "handle", "$request $response $exchange $body $length", double);
    let items = "export sluice:plugin/on-request@0.1.0; export sluice:plugin/on-request-body@0.1.0;
        export sluice:plugin/on-response@0.1.0; export sluice:plugin/on-response-body@0.1.0;";
    guests::build(items, "", &fields)
}

#[test]
fn bodies_are_handed_over_and_replaced() {
    run(async {
        let plugin = plugin(&doubling(), |plugin| plugin.limits.body = 100);
        assert_eq!(plugin.body_limit(), 100);
        let mut lease = Lease::default();
        let (exchange, result) = plugin.on_request(&mut lease, exchange()).await;
        assert!(matches!(result, Ok(Decision::NeedBody)), "{result:?}");
        let (_, result) = plugin.on_request_body(&mut lease, exchange, Bytes::from_static(b"ab")).await;
        assert!(matches!(result, Ok(BodyDecision::Replace(body)) if body == "abab"));
        let (exchange, result) = plugin.on_response(&mut lease, answered()).await;
        assert!(matches!(result, Ok(Decision::NeedBody)), "{result:?}");
        let (exchange, result) = plugin.on_response_body(&mut lease, exchange, Bytes::from(vec![b'x'; 50])).await;
        assert!(matches!(result, Ok(BodyDecision::Replace(body)) if body.len() == 100));
        let (_, result) = plugin.on_response_body(&mut lease, exchange, Bytes::from(vec![b'x'; 51])).await;
        assert!(matches!(error(result), PluginError::InvalidResult(text) if text.contains("limits.body")));
    });
}

#[test]
fn a_request_is_read_only_in_the_response_phase() {
    run(async {
        // Succeeds only if the edit is refused as read-only, the third case.
        let body = "(call $set_header (local.get $request) (i32.const 1040) (i32.const 3)
                        (i32.const 1056) (i32.const 4) (i32.const 144))
                    (if (i32.eq (i32.load8_u (i32.const 148)) (i32.const 2)) (then (return (call $ok (i32.const 0)))))
                    (call $fail (i32.const 1056) (i32.const 4))";
        let fields = hook("on-response", "handle", "$request $response $exchange", body);
        let plugin = plugin(&guests::build("export sluice:plugin/on-response@0.1.0;", TYPES, &fields), |_| {});
        let (exchange, result) = plugin.on_response(&mut Lease::default(), answered()).await;
        assert!(matches!(result, Ok(Decision::Continue)), "{result:?}");
        assert!(!exchange.request.headers.contains_key("x-b"));
    });
}

struct Endpoints(Vec<u32>);

impl View for Endpoints {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, index: usize) -> Option<EndpointView<'_>> {
        let in_flight = *self.0.get(index)?;
        Some(EndpointView { in_flight, ..EndpointView::new("192.0.2.1:80") })
    }
}

struct Request;

impl RequestView for Request {
    fn header(&self, name: &str) -> Option<&[u8]> {
        (name == "x-a").then_some(b"2")
    }

    fn path(&self) -> &str {
        "/"
    }

    fn identity(&self) -> Option<IdentityView<'_>> {
        None
    }
}

/// A `balance` plugin; `$context` and `$endpoints` are its parameters, and it returns `some($index)`.
fn balancer(body: &str) -> Vec<u8> {
    let imports = r#"
        (import "sluice:plugin/endpoints@0.1.0" "[method]endpoint-list.len" (func $len (param i32) (result i32)))
        (import "sluice:plugin/endpoints@0.1.0" "[method]endpoint-list.get" (func $get (param i32 i32 i32)))
        (import "sluice:plugin/endpoints@0.1.0" "[method]pick-context.header" (func $field (param i32 i32 i32 i32)))"#;
    let some = "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (local.get $index)) (i32.const 64)";
    let fields = hook("balance", "pick", "$context $endpoints", &format!("(local $index i32) {body} {some}"));
    guests::build("export sluice:plugin/balance@0.1.0;", imports, &fields)
}

fn context(request: &Request) -> PickContext<'_> {
    PickContext { cluster: "shop", attempt: 1, tried: &[], client: None, request: Some(request) }
}

#[test]
fn pick_sees_request_and_endpoints() {
    // The first endpoint whose in-flight count is the digit in the field `x-a`.
    let body = "(call $field (local.get $context) (i32.const 1024) (i32.const 3) (i32.const 128))
        (block $found (loop $next
            (br_if $found (i32.ge_u (local.get $index) (call $len (local.get $endpoints))))
            (call $get (local.get $endpoints) (local.get $index) (i32.const 144))
            (br_if $found (i32.eq (i32.load (i32.const 156))
                                  (i32.sub (i32.load8_u (i32.load (i32.const 132))) (i32.const 48))))
            (local.set $index (i32.add (local.get $index) (i32.const 1)))
            (br $next)))";
    // No runtime at all: a pick never waits.
    let plugin = plugin(&balancer(body), |_| {});
    for _ in 0..10 {
        let picked = plugin.pick(&context(&Request), &Endpoints(vec![9, 0, 2, 2]));
        assert_eq!(picked, Ok(Some(2)));
    }
}

#[test]
fn a_pick_that_loops_is_stopped() {
    let plugin = plugin(&balancer("(loop $for_ever (br $for_ever))"), |plugin| {
        plugin.limits.time = std::time::Duration::from_millis(5);
        plugin.limits.instances = 1;
    });
    for _ in 0..2 {
        assert_eq!(plugin.pick(&context(&Request), &Endpoints(vec![1])), Err(PluginError::Time));
    }
}
