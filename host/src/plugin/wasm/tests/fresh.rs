//! How instances come and go: made before they are needed, used once or often, replaced when they are worn.

use std::time::Duration;

use super::super::factory::Factory;
use super::guests::{self, COPY, TYPES, hook};
use super::{Upstream, configured, error, exchange, factory, host, on_request, plugin, run};
use crate::config::model::{Isolation, Plugin as Configured};
use crate::plugin::role::{Lease, PluginError, PluginFactory as _};

const CLOCK: &str = "(import \"sluice:plugin/clock@0.1.0\" \"now\" (func $now (result i64)))";

/// Serves one call and traps in each later one. Takes much longer to configure than an instance may that is made while
/// a request waits; and, since it asks for the time, can't start from an image.
fn dear() -> Vec<u8> {
    let configure = "(local $left i32) (local.set $left (i32.const 3000000))
        (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (drop (call $now)) (call $ok (i32.const 0))";
    let once = "(if (global.get $used) (then unreachable))
        (global.set $used (i32.const 1)) (call $ok (i32.const 0))";
    let fields = "(global $used (mut i32) (i32.const 0))".to_owned()
        + &hook("lifecycle", "configure", "$config $length", configure)
        + &hook("on-request", "handle", "$request $exchange", once);
    let items = "import sluice:plugin/clock@0.1.0; export sluice:plugin/lifecycle@0.1.0; \
        export sluice:plugin/on-request@0.1.0;";
    guests::build(items, CLOCK, &fields)
}

fn instances(name: &str) -> u64 {
    let readings = host().metrics().plugin_readings();
    readings.into_iter().find(|(known, _)| &**known == name).map_or(0, |(_, reading)| reading.instances)
}

/// Until the plugin has so many instances.
async fn wait_for_instances(name: &str, count: u64) {
    let wait = async {
        while instances(name) != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
    assert!(waited.is_ok(), "{name} has {} instances instead of {count}", instances(name));
}

#[test]
fn dear_instances_are_made_before_they_are_needed_and_used_once() {
    run(async {
        let (factory, has_image) = imaged("prepared", &dear(), |_| {}).await;
        assert!(!has_image);
        let plugin = factory.on_thread(std::sync::Arc::new(Upstream::default()));
        for _ in 0..3 {
            wait_for_instances("prepared", 4).await;
            // More than are ready.
            for _ in 0..6 {
                let (_, result) = on_request(&plugin).await;
                assert!(result.is_ok(), "each exchange has an instance of its own: {result:?}");
            }
        }
        wait_for_instances("prepared", 4).await;
    });
}

#[test]
fn those_that_are_ready_count_among_all() {
    run(async {
        let (factory, _) = imaged("few", &dear(), |plugin| plugin.limits.instances = 2).await;
        let plugin = factory.on_thread(std::sync::Arc::new(Upstream::default()));
        wait_for_instances("few", 2).await;
        let (mut one, mut two) = (Lease::default(), Lease::default());
        assert!(plugin.on_request(&mut one, exchange()).await.1.is_ok());
        assert!(instances("few") <= 2);
        assert!(plugin.on_request(&mut two, exchange()).await.1.is_ok());
        let refused = plugin.on_request(&mut Lease::default(), exchange()).await.1;
        assert_eq!(error(refused), PluginError::Busy);
        assert_eq!(instances("few"), 2, "there is no room for more");
        drop((one, two));
        wait_for_instances("few", 2).await;
        assert!(on_request(&plugin).await.1.is_ok());
    });
}

#[test]
fn a_pooled_instance_that_was_lost_is_replaced_before_it_is_needed() {
    let mut configured = configured("lost");
    configured.limits.instances = 1;
    configured.grants.clock = true;
    let factory = factory(&dear(), &configured).unwrap();
    run(async {
        let plugin = factory.on_thread(std::sync::Arc::new(Upstream::default()));
        for _ in 0..3 {
            assert!(on_request(&plugin).await.1.is_ok());
            let trapped = error(on_request(&plugin).await.1);
            assert!(matches!(&trapped, PluginError::Trap(_)), "{trapped}");
            wait_for_instances("lost", 1).await;
        }
    });
}

#[test]
fn an_instance_is_replaced_after_a_hundred_thousand_calls() {
    // Traps in the first call beyond that.
    let body = format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.gt_u (global.get $calls) (i32.const 100000)) (then unreachable)) {COPY}"
    );
    let fields = "(global $calls (mut i32) (i32.const 0))".to_owned()
        + &hook("on-request", "handle", "$request $exchange", &body);
    let bytes = guests::build("export sluice:plugin/on-request@0.1.0;", TYPES, &fields);
    run(async {
        let plugin = plugin(&bytes, |_| {});
        let mut exchange = exchange();
        for call in 0..100_100 {
            let (back, result) = plugin.on_request(&mut Lease::default(), exchange).await;
            assert!(result.is_ok(), "call {call}: {result:?}");
            exchange = back;
        }
    });
}

#[test]
fn tables_have_a_limit_of_their_own() {
    let grow = |by: u32| {
        let body = format!(
            "(if (i32.eq (table.grow $table (ref.null func) (i32.const {by})) (i32.const -1)) (then unreachable)) {COPY}"
        );
        let fields =
            "(table $table 10 funcref)".to_owned() + &hook("on-request", "handle", "$request $exchange", &body);
        guests::build("export sluice:plugin/on-request@0.1.0;", TYPES, &fields)
    };
    run(async {
        // The encoder adds a small table of its own.
        let fits = plugin(&grow(900), |plugin| plugin.limits.tables = 1000);
        assert!(on_request(&fits).await.1.is_ok());
        let bomb = plugin(&grow(1000), |plugin| plugin.limits.tables = 1000);
        assert_eq!(error(on_request(&bomb).await.1), PluginError::Memory);
        let mut small = configured("no-room");
        small.limits.tables = 9;
        let refused = factory(&grow(1), &small).map(drop).unwrap_err().to_string();
        assert!(refused.contains("elements") && refused.contains("`limits.tables` allows 9"), "{refused}");
    });
}

/// Keeps the length of its configuration, and says it as the text of a failure: `a` for one byte, and so on. Adds one
/// for each call. `$extra` is what else `configure` does.
fn remembers(imports: &str, items: &str, extra: &str) -> Vec<u8> {
    let configure = format!(
        "(local $left i32) (local.set $left (i32.const 300000))
         (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
         (global.set $kept (i32.add (i32.const 96) (local.get $length)))
         (i32.store (i32.const 5000) (local.get $length)) {extra}
         (call $ok (i32.const 0))"
    );
    let tell =
        "(if (i32.ne (i32.load (i32.const 5000)) (i32.sub (global.get $kept) (i32.const 96))) (then unreachable))
        (i32.store8 (i32.const 4000) (global.get $kept))
        (global.set $kept (i32.add (global.get $kept) (i32.const 1)))
        (i32.store (i32.const 5000) (i32.add (i32.load (i32.const 5000)) (i32.const 1)))
        (call $fail (i32.const 4000) (i32.const 1))";
    let fields = "(global $kept (mut i32) (i32.const 0))".to_owned()
        + &hook("lifecycle", "configure", "$config $length", &configure)
        + &hook("on-request", "handle", "$request $exchange", tell);
    let items = format!("{items} export sluice:plugin/lifecycle@0.1.0; export sluice:plugin/on-request@0.1.0;");
    guests::build(&items, imports, &fields)
}

/// The plugin, and whether it has an image, as soon as that is known.
async fn imaged(name: &str, bytes: &[u8], change: impl FnOnce(&mut Configured)) -> (Factory, bool) {
    let mut configured = configured(name);
    configured.isolation = Isolation::Request;
    configured.config = crate::config::model::Secret::new("{  }");
    configured.grants.clock = true;
    change(&mut configured);
    let factory = host().prove(host().load(bytes).unwrap(), &configured, &Default::default()).unwrap();
    let wait = async {
        loop {
            if let Some(has) = factory.blueprint().has_image() {
                return has;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let has = tokio::time::timeout(Duration::from_secs(60), wait).await.expect("an image, or none");
    (factory, has)
}

#[test]
fn instances_start_configured_where_the_component_allows_it() {
    let log = "(import \"sluice:plugin/log@0.1.0\" \"log\" (func $log (param i32 i32 i32)))";
    let cases = [
        ("plain", remembers("", "", ""), true),
        (
            "logs",
            remembers(
                log,
                "import sluice:plugin/log@0.1.0;",
                "(call $log (i32.const 2) (i32.const 1024) (i32.const 3))",
            ),
            true,
        ),
        ("clock-unused", remembers(CLOCK, "import sluice:plugin/clock@0.1.0;", ""), true),
        // What it would find out once can't be told to all.
        ("clock-used", remembers(CLOCK, "import sluice:plugin/clock@0.1.0;", "(drop (call $now))"), false),
        ("grown", remembers("", "", "(drop (memory.grow (i32.const 3)))"), true),
    ];
    run(async {
        for (name, bytes, allowed) in cases {
            let (factory, has) = imaged(name, &bytes, |_| {}).await;
            assert_eq!(has, allowed, "{name}");
            let plugin = factory.on_thread(std::sync::Arc::new(Upstream::default()));
            for _ in 0..6 {
                // None sees what another has done.
                let told = error(on_request(&plugin).await.1);
                assert_eq!(told, PluginError::Failed("d".into()), "{name}");
            }
        }
    });
}
