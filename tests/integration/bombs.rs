//! Guests that no toolchain would leave: written by hand, to harm by what they are made of. A neighbour's traffic goes on
//! meanwhile, and sees nothing.

#[expect(dead_code, reason = "the host's tests use more of it")]
#[path = "../../host/src/plugin/wasm/tests/guests.rs"]
mod guests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sluice::snapshot::status::State;

use crate::harness::components::guest;
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::until;
use crate::harness::upstream::Upstream;
use crate::hostile::neighbour;
use guests::{COPY, TYPES, build, copy, filter, hook};

const PLUGINS: &str = r#"
[[plugin]]
name = "bomb"
component = "bomb.wasm"
limits = { instances = 4, time = "200ms" }
[[plugin]]
name = "stamp"
component = "stamp.wasm"
"#;

/// A gateway with this guest before `/bomb/`, and a neighbour at `/good/` who is asked all the time.
async fn with_neighbours<T>(bomb: &[u8], test: impl AsyncFnOnce(&Site) -> T) -> T {
    let upstream = Upstream::mirror().await;
    let files = Files::new();
    files.put_component("bomb.wasm", bomb);
    files.put_component("stamp.wasm", &std::fs::read(guest("stamp")).unwrap());
    let text = [
        PLUGINS,
        &route("up", "/bomb/*", &["bomb"]),
        "[[route]]\nname = \"good\"\nmatch = { path = \"/good/*\" }\nplugins = [\"stamp\"]\ncluster = \"up\"\n",
        &cluster("up", &[upstream.address]),
    ];
    let site = files.start(&text.concat()).await;
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let neighbours: Vec<_> =
        (0..4).map(|_| tokio::spawn(neighbour(site.address(), stop.clone(), served.clone()))).collect();
    let outcome = test(&site).await;
    // And afterwards.
    let before = served.load(Ordering::SeqCst);
    until(|| served.load(Ordering::SeqCst) > before + 20).await;
    stop.store(true, Ordering::SeqCst);
    for neighbour in neighbours {
        neighbour.await.expect("the neighbours noticed nothing");
    }
    outcome
}

#[tokio::test]
async fn tables_that_grow_without_end_end_at_their_limit() {
    // As large as it gets, by doubling; then it gives up.
    let body = "(loop $more
        (br_if $more (i32.ne (table.grow $table (ref.null func) (table.size $table)) (i32.const -1))))
        unreachable";
    let fields = "(table $table 10 funcref)".to_owned() + &hook("on-request", "handle", "$request $exchange", body);
    let bomb = build("export sluice:plugin/on-request@0.1.0;", TYPES, &fields);
    with_neighbours(&bomb, async |site| {
        for _ in 0..20 {
            site.get("/bomb/").await.assert_problem(503);
        }
    })
    .await;
}

#[tokio::test]
async fn a_handle_that_was_given_back_is_worth_nothing() {
    let again = COPY.replace(
        "(call $ok",
        "(call $header (local.get $request) (i32.const 1024) (i32.const 3) (i32.const 128)) (call $ok",
    );
    with_neighbours(&filter(TYPES, &again), async |site| {
        for _ in 0..5 {
            site.get("/bomb/").await.assert_problem(503);
        }
    })
    .await;
    let invented = COPY.replacen("(local.get $request)", "(i32.const 4711)", 1);
    with_neighbours(&filter(TYPES, &invented), async |site| site.get("/bomb/").await.assert_problem(503)).await;
}

#[tokio::test]
async fn what_takes_long_to_compile_holds_nobody_up() {
    // Ten thousand functions of a hundred operations each.
    let operations = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 7)) (i32.const 3)))".repeat(25);
    let functions = format!("(func (param i32) {operations})").repeat(10_000);
    let fields = functions + &hook("on-request", "handle", "$request $exchange", COPY);
    let bomb = build("export sluice:plugin/on-request@0.1.0;", TYPES, &fields);
    with_neighbours(&copy(), async |site| {
        let before = site.plugin("bomb").digest;
        assert_eq!(site.get("/bomb/").await.status, 200);
        site.files.put_component("bomb.wasm", &bomb);
        // Meanwhile the version before serves.
        while site.plugin("bomb").digest == before && site.plugin("bomb").state != State::LastGood {
            assert_eq!(site.get("/bomb/").await.status, 200);
        }
        assert_eq!(site.get("/bomb/").await.status, 200);
    })
    .await;
}
