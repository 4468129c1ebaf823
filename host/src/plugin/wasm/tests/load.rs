//! From bytes to a plugin: what is refused, and how it is said.

use std::sync::Arc;

use super::super::{ConfigureError, Kind, LoadError, inspect};
use super::guests::{self, COPY, TYPES, hook};
use super::{configured, factory, host};
use crate::config::model::Secret;
use crate::plugin::role::Hooks;

const ON_REQUEST: &str = "export sluice:plugin/on-request@0.1.0;";
const CONFIGURABLE: &str = "export sluice:plugin/lifecycle@0.1.0; export sluice:plugin/on-request@0.1.0;";

/// A filter that also takes a configuration, with that body of `configure`.
fn configurable(configure: &str) -> Vec<u8> {
    let fields = hook("on-request", "handle", "$request $exchange", COPY)
        + &hook("lifecycle", "configure", "$config $length", configure);
    guests::build(CONFIGURABLE, TYPES, &fields)
}

#[test]
fn a_core_module_is_a_plugin() {
    let bytes = guests::copy();
    let found = inspect(&bytes).unwrap();
    assert_eq!((found.kind, found.hooks, found.lifecycle), (Kind::CoreModule, Hooks::ON_REQUEST, false));
    assert_eq!(found.wit_version.as_deref(), Some("0.1.0"));
    let component = host().load(&bytes).unwrap();
    assert_eq!(component.inspection().digest, found.digest);
}

#[test]
fn the_same_bytes_are_compiled_once() {
    let bytes = guests::filter(TYPES, &format!("(drop (i32.const 1)) {COPY}"));
    let first = host().load(&bytes).unwrap();
    let second = host().load(&bytes).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let old = Arc::downgrade(&first);
    drop((first, second));
    assert!(old.upgrade().is_none(), "the host keeps nothing alive");
    assert!(host().load(&bytes).is_ok(), "from the disk this time");
}

#[test]
fn what_is_no_plugin_is_refused() {
    let load = |bytes: &[u8]| host().load(bytes).map(drop).unwrap_err();
    assert_eq!(load(b""), LoadError::Empty);
    assert!(matches!(load(b"\x7fELF"), LoadError::NotWasm { .. }));
    assert!(load(b"(module)").to_string().contains("wasm-tools parse"));
    let plain = wat::parse_str("(module)").unwrap();
    assert_eq!(load(&plain), LoadError::NoComponentType);
    let wasi = wat::parse_str(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#).unwrap();
    assert!(load(&wasi).to_string().contains("--adapt"));
    let whole = guests::copy();
    for length in [9, 100, whole.len() / 2, whole.len() - 1] {
        let error = load(&whole[..length]);
        assert!(matches!(error, LoadError::Malformed(_) | LoadError::NoComponentType), "{length}: {error}");
    }
}

#[test]
fn a_plugin_without_hooks_is_told_which_there_are() {
    let fields = hook("lifecycle", "configure", "$config $length", "(call $ok (i32.const 0))");
    let error = host().load(&guests::build("export sluice:plugin/lifecycle@0.1.0;", "", &fields)).unwrap_err();
    assert_eq!(error, LoadError::NoHook);
    assert!(error.to_string().contains("`authenticate`") && error.to_string().contains("`balance`"), "{error}");
}

#[test]
fn another_version_is_named() {
    let packages = "package sluice:plugin@0.9.0 { interface on-request { handle: func(); } }";
    let module = r#"(module (memory (export "memory") 1) (func (export "sluice:plugin/on-request@0.9.0#handle")))"#;
    let bytes = guests::build_alone(packages, "export sluice:plugin/on-request@0.9.0;", module);
    let told = host().load(&bytes).unwrap_err().to_string();
    assert!(told.contains("0.9.0") && told.contains("speaks 0.1.0"), "{told}");
}

#[test]
fn an_unknown_import_is_named() {
    let packages = "package acme:cloud@1.0.0 { interface secrets { get: func() -> u32; } }";
    let imports = format!("{TYPES} (import \"acme:cloud/secrets@1.0.0\" \"get\" (func $get (result i32)))");
    let fields = hook("on-request", "handle", "$request $exchange", &format!("(drop (call $get)) {COPY}"));
    let items = format!("import acme:cloud/secrets@1.0.0; {ON_REQUEST}");
    let bytes = guests::build_with(packages, &items, &imports, &fields);
    assert_eq!(host().load(&bytes).unwrap_err(), LoadError::UnknownImport("acme:cloud/secrets@1.0.0".into()));
}

#[test]
fn a_hook_of_the_wrong_type_is_refused() {
    let packages = "package sluice:plugin@0.1.0 { interface on-request { handle: func(); } }";
    let module = r#"(module (memory (export "memory") 1) (func (export "sluice:plugin/on-request@0.1.0#handle")))"#;
    let bytes = guests::build_alone(packages, ON_REQUEST, module);
    let error = factory(&bytes, &configured("wrong-type")).map(drop).unwrap_err();
    assert!(matches!(&error, ConfigureError::Failed(text) if text.contains("`on-request.handle`")), "{error}");
}

#[test]
fn an_import_of_the_wrong_type_is_refused() {
    let packages =
        "package sluice:plugin@0.1.0 { interface log { log: func(); } interface on-request { handle: func(); } }";
    let module = r#"(module (import "sluice:plugin/log@0.1.0" "log" (func $log)) (memory (export "memory") 1)
        (func (export "sluice:plugin/on-request@0.1.0#handle") call $log))"#;
    let bytes = guests::build_alone(packages, &format!("import sluice:plugin/log@0.1.0; {ON_REQUEST}"), module);
    let error = host().load(&bytes).unwrap_err();
    assert!(matches!(&error, LoadError::Interface(text) if text.contains("log")), "{error}");
}

#[test]
fn a_grant_that_is_missing_is_named_with_its_line() {
    let imports = format!("{TYPES} (import \"sluice:plugin/clock@0.1.0\" \"now\" (func $now (result i64)))");
    let fields = hook("on-request", "handle", "$request $exchange", &format!("(drop (call $now)) {COPY}"));
    let bytes = guests::build(&format!("import sluice:plugin/clock@0.1.0; {ON_REQUEST}"), &imports, &fields);
    let mut plugin = configured("ungranted");
    let told = factory(&bytes, &plugin).map(drop).unwrap_err().to_string();
    assert!(told.contains("`clock`") && told.contains("grants = [\"clock\"]"), "{told}");
    plugin.grants.clock = true;
    assert!(factory(&bytes, &plugin).is_ok());
}

#[test]
fn a_configuration_nobody_takes_is_refused() {
    let mut plugin = configured("unconfigurable");
    plugin.has_config = true;
    assert_eq!(factory(&guests::copy(), &plugin).map(drop).unwrap_err(), ConfigureError::TakesNoConfiguration);
}

#[test]
fn configure_is_called_with_the_configuration() {
    // Refuses with the configuration itself.
    let bytes = configurable("(call $fail (local.get $config) (local.get $length))");
    let mut plugin = configured("refusing");
    plugin.config = Secret::new("{\"a\":\n1}");
    let error = factory(&bytes, &plugin).map(drop).unwrap_err();
    assert_eq!(error, ConfigureError::Refused("{\"a\":\\n1}".into()));
    assert!(factory(&configurable("(call $ok (i32.const 0))"), &plugin).is_ok());
}

#[test]
fn configure_that_never_ends_is_stopped() {
    let bytes = configurable("(loop $for_ever (br $for_ever)) unreachable");
    let mut plugin = configured("endless");
    plugin.limits.configure = std::time::Duration::from_millis(5);
    assert_eq!(factory(&bytes, &plugin).map(drop).unwrap_err(), ConfigureError::Time);
}

#[test]
fn a_start_that_traps_or_hoards_is_explained() {
    let trap = configurable("unreachable");
    let error = factory(&trap, &configured("trapping")).map(drop).unwrap_err();
    assert!(matches!(&error, ConfigureError::Failed(text) if text.contains("unreachable")), "{error}");

    let mut plugin = configured("hoarding");
    plugin.limits.memory = 32 << 10;
    let told = factory(&guests::copy(), &plugin).map(drop).unwrap_err().to_string();
    assert!(told.contains("limits.memory") && told.contains("\"1MiB\""), "{told}");
}
