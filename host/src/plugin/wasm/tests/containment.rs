//! Hostile guests.

use std::cell::RefCell;
use std::time::Duration;

use super::super::tests::guests::{self, COPY, TYPES};
use super::{Upstream, answered, error, exchange, on_request, plugin, plugin_with, run};
use crate::config::model::Isolation;
use crate::plugin::role::{Decision, Lease, PluginError};

/// Does `attack` if the request has a field `x-a`, and [`COPY`] if not: so one plugin is hostile and good.
fn two_faced(attack: &str) -> Vec<u8> {
    let body = format!(
        "(call $header (local.get $request) (i32.const 1024) (i32.const 3) (i32.const 128))
         (if (i32.load8_u (i32.const 128)) (then {attack})) {COPY}"
    );
    guests::filter(TYPES, &body)
}

/// Attack, then see that the exchange is whole and that the next call is served.
async fn survives(plugin: &std::rc::Rc<dyn crate::plugin::role::Plugin>) -> PluginError {
    let (whole, result) = on_request(plugin).await;
    assert_eq!(whole.request.headers["x-a"], "one");
    let attacked = error(result);
    let mut good = exchange();
    good.request.headers.remove("x-a");
    let (good, result) = plugin.on_request(&mut Lease::default(), good).await;
    assert!(matches!(result, Ok(Decision::Continue)), "{result:?}");
    assert_eq!(good.request.headers["x-b"], "none");
    attacked
}

#[test]
fn a_trap_costs_one_error() {
    run(async {
        let error = survives(&plugin(&two_faced("unreachable"), |_| {})).await;
        assert!(matches!(&error, PluginError::Trap(text) if text.contains("unreachable")), "{error}");
    });
}

#[test]
fn a_trap_names_the_guest_s_functions_as_their_author_did() {
    let functions = "(func $_ZN5hello5check17h0123456789abcdefE unreachable)
        (func $decide (call $_ZN5hello5check17h0123456789abcdefE))";
    let body = "(call $decide) (call $ok (i32.const 0))";
    let hook = guests::hook("on-request", "handle", "$request $exchange", body);
    let guest = guests::build("export sluice:plugin/on-request@0.1.0;", TYPES, &format!("{functions} {hook}"));
    let (_, result) = run(on_request(&plugin(&guest, |_| {})));
    let PluginError::Trap(text) = error(result) else { panic!("it should have trapped") };
    assert!(text.contains("unreachable") && text.contains("; in hello::check < decide"), "{text}");
}

#[test]
fn an_endless_loop_is_stopped() {
    run(async {
        let looping = plugin(&two_faced("(loop $for_ever (br $for_ever))"), |plugin| {
            plugin.limits.time = Duration::from_millis(5);
        });
        assert_eq!(survives(&looping).await, PluginError::Time);
    });
}

#[test]
fn neighbours_run_while_one_loops() {
    run(async {
        let looping = plugin(&two_faced("(loop $for_ever (br $for_ever))"), |plugin| {
            plugin.limits.time = Duration::from_millis(20);
        });
        let neighbour = plugin(&guests::copy(), |_| {});
        let order = RefCell::new(Vec::new());
        let loop_for_ever = async {
            assert_eq!(error(on_request(&looping).await.1), PluginError::Time);
            order.borrow_mut().push("loop");
        };
        let be_good = async {
            // Begun only after the loop, and on its thread.
            assert!(on_request(&neighbour).await.1.is_ok());
            order.borrow_mut().push("neighbour");
        };
        tokio::join!(loop_for_ever, be_good);
        assert_eq!(*order.borrow(), ["neighbour", "loop"]);
    });
}

#[test]
fn hoarding_memory_is_stopped() {
    run(async {
        let hoard = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
        assert_eq!(survives(&plugin(&two_faced(hoard), |_| {})).await, PluginError::Memory);
    });
}

#[test]
fn deep_recursion_is_stopped() {
    run(async {
        let body = format!(
            "(call $header (local.get $request) (i32.const 1024) (i32.const 3) (i32.const 128))
             (if (i32.load8_u (i32.const 128)) (then (drop (call $deep (i32.const 1))))) {COPY}"
        );
        let deep = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";
        let fields = deep.to_owned() + &guests::hook("on-request", "handle", "$request $exchange", &body);
        let bytes = guests::build("export sluice:plugin/on-request@0.1.0;", TYPES, &fields);
        let error = survives(&plugin(&bytes, |_| {})).await;
        assert!(matches!(&error, PluginError::Trap(text) if text.contains("stack")), "{error}");
    });
}

#[test]
fn a_kept_handle_is_dead() {
    run(async {
        // The first call keeps its request, the second uses it.
        let body = format!(
            "(if (i32.eqz (global.get $kept))
                (then (global.set $kept (local.get $request)) (return (call $ok (i32.const 0)))))
             (local.set $request (global.get $kept)) {COPY}"
        );
        let fields = "(global $kept (mut i32) (i32.const 0))".to_owned()
            + &guests::hook("on-request", "handle", "$request $exchange", &body);
        let bytes = guests::build("export sluice:plugin/on-request@0.1.0;", TYPES, &fields);
        let plugin = plugin(&bytes, |_| {});
        assert!(on_request(&plugin).await.1.is_ok());
        let (untouched, result) = on_request(&plugin).await;
        assert!(!untouched.request.headers.contains_key("x-b"));
        let error = error(result);
        assert!(matches!(&error, PluginError::Trap(text) if text.contains("after its call had returned")), "{error}");
    });
}

#[test]
fn guests_that_never_drop_handles_are_served_for_ever() {
    run(async {
        let plugin = plugin(&guests::filter(TYPES, "(call $ok (i32.const 0))"), |_| {});
        for _ in 0..20_000 {
            assert!(on_request(&plugin).await.1.is_ok());
        }
    });
}

#[test]
fn a_header_with_line_breaks_is_refused() {
    run(async {
        // Fails with the text of the edit's error.
        let body = "(call $set_header (local.get $request) (i32.const 1040) (i32.const 3)
                        (i32.const 2048) (i32.const 12) (i32.const 144))
                    (if (i32.load8_u (i32.const 144))
                        (then (return (call $fail (i32.load (i32.const 152)) (i32.load (i32.const 156))))))
                    (call $ok (i32.const 0))";
        let fields = "(data (i32.const 2048) \"a\\r\\nevil: yes\")".to_owned()
            + &guests::hook("on-request", "handle", "$request $exchange", body);
        let bytes = guests::build("export sluice:plugin/on-request@0.1.0;", TYPES, &fields);
        let (untouched, result) = on_request(&plugin(&bytes, |_| {})).await;
        assert!(!untouched.request.headers.contains_key("x-b"));
        let error = error(result);
        assert!(matches!(&error, PluginError::Failed(text) if text.contains("control characters")), "{error}");
    });
}

#[test]
fn an_illegal_answer_is_an_invalid_result() {
    run(async {
        // respond({ status: 99, no fields, no body })
        let body = "(i32.store8 (i32.const 64) (i32.const 0)) (i32.store8 (i32.const 68) (i32.const 1))
                    (i32.store16 (i32.const 72) (i32.const 99)) (i64.store (i32.const 76) (i64.const 0))
                    (i64.store (i32.const 84) (i64.const 0)) (i32.const 64)";
        let result = on_request(&plugin(&guests::filter("", body), |_| {})).await.1;
        assert_eq!(error(result), PluginError::InvalidResult("the status 99 isn't within 200 and 599".into()));
        let result = on_request(&plugin(&guests::filter("", "(call $ok (i32.const 2))"), |_| {})).await.1;
        assert!(matches!(error(result), PluginError::InvalidResult(text) if text.contains("on-request-body")));
        // A variant's case that doesn't exist is a breach of the ABI.
        let result = on_request(&plugin(&guests::filter("", "(call $ok (i32.const 9))"), |_| {})).await.1;
        assert!(matches!(error(result), PluginError::Trap(_)));
    });
}

#[test]
fn a_cancelled_call_leaves_the_pool_usable() {
    run(async {
        let plugin = plugin(&two_faced("(loop $for_ever (br $for_ever))"), |plugin| plugin.limits.instances = 1);
        let mut lease = Lease::default();
        let mut call = plugin.on_request(&mut lease, exchange());
        std::future::poll_fn(|context| {
            assert!(call.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(call);
        let mut good = exchange();
        good.request.headers.remove("x-a");
        assert!(plugin.on_request(&mut lease, good).await.1.is_ok());
    });
}

#[test]
fn a_full_pool_is_busy_and_first_come_first_served() {
    run(async {
        let plugin = plugin(&two_faced("(loop $for_ever (br $for_ever))"), |plugin| plugin.limits.instances = 1);
        let (mut first, mut second) = (Lease::default(), Lease::default());
        let mut hog = plugin.on_request(&mut first, exchange());
        std::future::poll_fn(|context| {
            assert!(hog.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let (whole, refused) = plugin.on_request(&mut second, exchange()).await;
        assert_eq!(error(refused), PluginError::Busy);
        assert_eq!(whole.request.headers["x-a"], "one");
        let mut good = exchange();
        good.request.headers.remove("x-a");
        let waiting = plugin.on_request(&mut second, good);
        let (served, ()) = tokio::join!(waiting, async {
            tokio::task::yield_now().await;
            drop(hog);
        });
        assert!(served.1.is_ok(), "{:?}", served.1);
    });
}

#[test]
fn a_call_that_waits_too_long_passes_its_deadline() {
    let bytes = super::capabilities::sends();
    run(async {
        let silent = std::sync::Arc::new(Upstream::default());
        let granted = |plugin: &mut crate::config::model::Plugin| {
            plugin.grants.http_client = Some(vec!["users".into()]);
            plugin.limits.deadline = Duration::from_millis(5);
        };
        let first = plugin_with(&bytes, silent.clone(), granted);
        let (whole, result) = on_request(&first).await;
        assert_eq!(error(result), PluginError::Deadline);
        assert_eq!(whole.calls, [("test".into(), 1)]);

        let patient = plugin_with(&bytes, silent, |plugin| plugin.grants.http_client = Some(vec!["users".into()]));
        let mut late = exchange();
        late.deadline = Some(std::time::Instant::now());
        assert_eq!(error(patient.on_request(&mut Lease::default(), late).await.1), PluginError::Deadline);
    });
}

#[test]
fn isolated_exchanges_share_nothing_and_keep_their_own() {
    run(async {
        // Fails in `on-response` unless exactly one `on-request` ran in this instance.
        let fields = "(global $seen (mut i32) (i32.const 0))".to_owned()
            + &guests::hook(
                "on-request",
                "handle",
                "$request $exchange",
                "(global.set $seen (i32.add (global.get $seen) (i32.const 1))) (call $ok (i32.const 0))",
            )
            + &guests::hook(
                "on-response",
                "handle",
                "$request $response $exchange",
                "(if (i32.ne (global.get $seen) (i32.const 1)) (then (return (call $fail (i32.const 1056) (i32.const 4)))))
                 (call $ok (i32.const 0))",
            );
        let items = "export sluice:plugin/on-request@0.1.0; export sluice:plugin/on-response@0.1.0;";
        let bytes = guests::build(items, "", &fields);
        let isolated = plugin(&bytes, |plugin| {
            plugin.isolation = Isolation::Request;
            plugin.limits.instances = 2;
        });
        let (mut one, mut two) = (Lease::default(), Lease::default());
        assert!(isolated.on_request(&mut one, exchange()).await.1.is_ok());
        assert!(isolated.on_request(&mut two, exchange()).await.1.is_ok());
        let third = isolated.on_request(&mut Lease::default(), exchange()).await.1;
        assert_eq!(error(third), PluginError::Busy, "both places are held until their exchanges end");
        assert!(isolated.on_response(&mut one, answered()).await.1.is_ok());
        assert!(isolated.on_response(&mut two, answered()).await.1.is_ok());
        drop(one);
        assert!(isolated.on_request(&mut Lease::default(), exchange()).await.1.is_ok());
    });
}
