//! What plugins are lent, used by real guests.

use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::guests::{self, COPY, TYPES, hook};
use super::{Upstream, configured, error, exchange, factory, on_request, plugin, plugin_with, run};
use crate::config::model::Plugin as Configured;
use crate::plugin::http_client::ClientError;
use crate::plugin::role::{Decision, Lease, PluginError};

/// Texts for requests: cluster, method, target, and a digit for each case of `client-error`.
const REQUEST: &str = r#"
    (data (i32.const 2048) "users") (data (i32.const 2056) "GET")
    (data (i32.const 2064) "/users/7?x=1") (data (i32.const 2080) "0123456")
"#;
const HTTP: &str = "import sluice:plugin/http-client@0.1.0; export sluice:plugin/on-request@0.1.0;";

/// Sends one request, sets `x-b` to the answer's body, or fails with the number of the error.
pub(super) fn sends() -> Vec<u8> {
    let imports = format!(
        "{TYPES} (import \"sluice:plugin/http-client@0.1.0\" \"send\"
            (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"
    );
    let body =
        "(call $send (i32.const 2048) (i32.const 5) (i32.const 2056) (i32.const 3) (i32.const 2064) (i32.const 12)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
        (if (i32.load8_u (i32.const 256)) (then
            (return (call $fail (i32.add (i32.const 2080) (i32.load8_u (i32.const 260))) (i32.const 1)))))
        (call $set_header (local.get $request) (i32.const 1040) (i32.const 3)
            (i32.load (i32.const 272)) (i32.load (i32.const 276)) (i32.const 144))
        (call $ok (i32.const 0))";
    guests::build(HTTP, &imports, &(REQUEST.to_owned() + &hook("on-request", "handle", "$request $exchange", body)))
}

/// Sends three requests at once and sets `x-b` to three characters: `k`, or the number of the error.
fn sends_three() -> Vec<u8> {
    let imports = format!(
        "{TYPES} (import \"sluice:plugin/http-client@0.1.0\" \"send-all\" (func $send_all (param i32 i32 i32)))"
    );
    let body = "(local $index i32) (local $result i32)
        (loop $next
            (local.set $result (i32.add (i32.const 3000) (i32.mul (local.get $index) (i32.const 48))))
            (i32.store (local.get $result) (i32.const 2048)) (i32.store offset=4 (local.get $result) (i32.const 5))
            (i32.store offset=8 (local.get $result) (i32.const 2056)) (i32.store offset=12 (local.get $result) (i32.const 3))
            (i32.store offset=16 (local.get $result) (i32.const 2064)) (i32.store offset=20 (local.get $result) (i32.const 12))
            (local.set $index (i32.add (local.get $index) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $index) (i32.const 3))))
        (call $send_all (i32.const 3000) (i32.const 3) (i32.const 256))
        (local.set $index (i32.const 0))
        (loop $next
            (local.set $result (i32.add (i32.load (i32.const 256)) (i32.mul (local.get $index) (i32.const 24))))
            (i32.store8 (i32.add (i32.const 4000) (local.get $index))
                (if (result i32) (i32.load8_u (local.get $result))
                    (then (i32.add (i32.const 48) (i32.load8_u offset=4 (local.get $result))))
                    (else (i32.const 107))))
            (local.set $index (i32.add (local.get $index) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $index) (i32.const 3))))
        (call $set_header (local.get $request) (i32.const 1040) (i32.const 3) (i32.const 4000) (i32.const 3) (i32.const 144))
        (call $ok (i32.const 0))";
    guests::build(HTTP, &imports, &(REQUEST.to_owned() + &hook("on-request", "handle", "$request $exchange", body)))
}

fn granted(plugin: &mut Configured) {
    plugin.grants.http_client = Some(vec!["users".into()]);
}

fn answer(status: u16, body: &'static str) -> Result<http::Response<Bytes>, ClientError> {
    Ok(http::Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
}

#[test]
fn a_request_reaches_its_cluster() {
    run(async {
        let upstream = Upstream::answering([answer(200, "seven")]);
        let plugin = plugin_with(&sends(), upstream.clone(), granted);
        let mut exchange = exchange();
        exchange.request.headers.insert("cdn-loop", "edge".parse().unwrap());
        let (exchange, result) = plugin.on_request(&mut Lease::default(), exchange).await;
        assert!(matches!(result, Ok(Decision::Continue)), "{result:?}");
        assert_eq!(exchange.request.headers["x-b"], "seven");
        let asked = upstream.asked.lock().unwrap();
        let (cluster, request) = &asked[0];
        assert_eq!((cluster.as_str(), request.uri().to_string().as_str()), ("users", "/users/7?x=1"));
        assert_eq!(request.headers()["cdn-loop"], "edge", "a loop can be seen");
        assert_eq!(request.headers().len(), 1);
    });
}

#[test]
fn each_failure_has_its_case() {
    let number = |answer, change: fn(&mut Configured)| {
        run(async {
            let plugin = plugin_with(&sends(), Upstream::answering([answer]), |plugin| {
                granted(plugin);
                change(plugin);
            });
            match error(on_request(&plugin).await.1) {
                PluginError::Failed(number) => number,
                other => panic!("{other}"),
            }
        })
    };
    assert_eq!(number(answer(200, ""), |plugin| plugin.grants.http_client = Some(vec!["other".into()])), "0");
    assert_eq!(number(Err(ClientError::Timeout), |_| {}), "2");
    assert_eq!(number(Err(ClientError::Unavailable), |_| {}), "3");
    assert_eq!(number(Err(ClientError::TooLarge), |_| {}), "4");
    assert_eq!(number(answer(200, "large"), |plugin| plugin.limits.response = 4), "4");
    assert_eq!(number(answer(508, ""), |_| {}), "5");
    assert_eq!(number(answer(200, ""), |plugin| plugin.limits.calls = 0), "6");
}

#[test]
fn a_batch_runs_in_parallel_and_counts_each_call() {
    run(async {
        let upstream = Upstream::answering([answer(200, ""), Err(ClientError::Unavailable), answer(404, "")]);
        let plugin = plugin_with(&sends_three(), upstream.clone(), |plugin| {
            granted(plugin);
            plugin.limits.calls = 2;
        });
        let (exchange, result) = on_request(&plugin).await;
        assert!(matches!(result, Ok(Decision::Continue)), "{result:?}");
        assert_eq!(exchange.request.headers["x-b"], "k36");
        assert_eq!(exchange.calls, [("test".into(), 2)]);
        assert_eq!(upstream.asked.lock().unwrap().len(), 2);
    });
}

#[test]
fn kv_outlives_a_reload_and_is_private() {
    // Fails with the digit that the counter has reached.
    let imports = "(import \"sluice:plugin/kv@0.1.0\" \"increment\" (func $increment (param i32 i32 i64 i32 i64 i32)))";
    let body =
        "(call $increment (i32.const 1024) (i32.const 3) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 256))
        (i32.store8 (i32.const 4000) (i32.add (i32.const 48) (i32.load8_u (i32.const 264))))
        (call $fail (i32.const 4000) (i32.const 1))";
    let fields = hook("on-request", "handle", "$request $exchange", body);
    let bytes =
        guests::build("import sluice:plugin/kv@0.1.0; export sluice:plugin/on-request@0.1.0;", imports, &fields);
    let generation = |name: &str| {
        let mut plugin = configured(name);
        plugin.grants.kv = true;
        factory(&bytes, &plugin).unwrap()
    };
    let count = |factory: &Arc<dyn crate::plugin::role::PluginFactory>| {
        run(async {
            let plugin = factory.on_thread(Arc::new(Upstream::default()));
            error(on_request(&plugin).await.1)
        })
    };
    let old = generation("counting");
    assert_eq!(count(&old), PluginError::Failed("1".into()));
    let new = generation("counting");
    drop(old);
    assert_eq!(count(&new), PluginError::Failed("2".into()));
    assert_eq!(count(&generation("another")), PluginError::Failed("1".into()));
}

/// Calls one capability, and fails with the digit of the result's case.
fn one_call(interface: &str, function: &str, params: usize, arguments: &str) -> Vec<u8> {
    let types = "i32 ".repeat(params);
    let types = if interface == "metrics" { "i32 i32 i32 i32 i64 i32".to_owned() } else { types };
    let imports = format!("(import \"sluice:plugin/{interface}@0.1.0\" \"{function}\" (func $call (param {types})))");
    let body = format!(
        "(call $call {arguments} (i32.const 256))
         (i32.store8 (i32.const 4000) (i32.add (i32.const 48) (i32.load8_u (i32.const 256))))
         (call $fail (i32.const 4000) (i32.const 1))"
    );
    let world = format!("import sluice:plugin/{interface}@0.1.0; export sluice:plugin/on-request@0.1.0;");
    guests::build(&world, &imports, &hook("on-request", "handle", "$request $exchange", &body))
}

/// A digest of the text `x-a`.
fn digests() -> Vec<u8> {
    one_call("crypto", "digest", 4, "(i32.const 1) (i32.const 1024) (i32.const 3)")
}

/// Adds 7 to the counter `none`.
fn counts() -> Vec<u8> {
    one_call("metrics", "add", 6, "(i32.const 1056) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 7)")
}

#[test]
fn what_is_not_granted_is_refused_with_the_line_that_grants_it() {
    for (bytes, name) in [(digests(), "crypto"), (counts(), "metrics")] {
        let Err(refused) = factory(&bytes, &configured("ungranted")) else { panic!("{name} was lent") };
        let text = refused.to_string();
        assert!(text.contains(&format!("imports `{name}`")), "{text}");
        assert!(text.contains(&format!("grants = [\"{name}\"]")), "{text}");
    }
}

#[test]
fn a_guest_reaches_crypto() {
    run(async {
        let plugin = plugin(&digests(), |plugin| plugin.grants.crypto = true);
        assert_eq!(error(on_request(&plugin).await.1), PluginError::Failed("0".into()));
    });
}

#[test]
fn a_guest_counts_up_to_its_limit() {
    let call = |name: &str, series| {
        let mut configured = configured(name);
        configured.grants.metrics = true;
        configured.limits.series = series;
        let factory = factory(&counts(), &configured).unwrap();
        run(async { error(on_request(&factory.on_thread(Arc::new(Upstream::default()))).await.1) })
    };
    assert_eq!(call("no-series", 0), PluginError::Failed("1".into()));
    assert_eq!(call("own-numbers", 1), PluginError::Failed("0".into()));
    let text = super::host().metrics().encode(crate::telemetry::metrics::Format::Plain, &[], &[]);
    assert!(text.contains("plugin_own_numbers_none_total{plugin=\"own-numbers\"} 7"), "{text}");
    assert!(!text.contains("plugin_no_series"), "{text}");
}

/// A log that tests can read.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Run something and return what it logged.
pub(super) fn logged(what: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, what);
    let bytes = lines.0.lock().unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_flooded_log_is_cut() {
    let imports = format!("{TYPES} (import \"sluice:plugin/log@0.1.0\" \"log\" (func $log (param i32 i32 i32)))");
    let body = format!(
        "(local $left i32) (local.set $left (i32.const 1000))
         (loop $more (call $log (i32.const 2) (i32.const 2048) (i32.const 10))
             (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $more (local.get $left))) {COPY}"
    );
    let fields = "(data (i32.const 2048) \"line\\nINFO!\")".to_owned()
        + &hook("on-request", "handle", "$request $exchange", &body);
    let bytes =
        guests::build("import sluice:plugin/log@0.1.0; export sluice:plugin/on-request@0.1.0;", &imports, &fields);
    let text = logged(|| {
        run(async {
            let plugin = plugin(&bytes, |plugin| plugin.limits.log = 95);
            assert!(on_request(&plugin).await.1.is_ok());
        });
    });
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("sluice::plugin")).collect();
    assert_eq!(lines.len(), 11, "nine whole ones, half a line, and a last word: {text}");
    assert!(lines[0].contains("line\\nINFO!") && lines[0].contains("plugin=\"test\""), "{}", lines[0]);
    assert!(lines[0].contains("exchange=\"0123456789abcdef0123456789abcdef\""), "{}", lines[0]);
    assert!(lines[10].contains("log truncated"), "{}", lines[10]);
}
