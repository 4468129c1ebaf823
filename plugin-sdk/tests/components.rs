//! What the standard plugins are once they are components: exactly the wanted imports and exports. Needs the
//! files that `cargo xtask plugins` builds.

use std::collections::BTreeSet;
use std::path::PathBuf;

use wasmparser::{Parser, Payload};

/// A plugin, what it imports besides `log` and types, and the hooks it exports.
const PLUGINS: &[(&str, &[&str], &[&str])] = &[
    ("aggregate", &["http-client"], &["aggregate"]),
    ("api-key", &[], &["authenticate"]),
    ("jwt", &["clock", "crypto"], &["authenticate"]),
    ("jwt-remote", &["clock", "crypto", "http-client", "kv"], &["authenticate"]),
    ("least-pending", &[], &["balance"]),
    ("rate-limit", &["limiter"], &["rate-limit"]),
    ("transform", &[], &["on-request", "on-request-body", "on-response", "on-response-body"]),
];

#[test]
fn standard_plugins_import_and_export_what_they_should() {
    for (name, imports, hooks) in PLUGINS {
        let component = component(name);
        let (imported, exported) = interfaces(&component);
        let capabilities: BTreeSet<_> =
            imported.iter().filter(|name| !["types", "endpoints", "log"].contains(&name.as_str())).collect();
        assert_eq!(
            capabilities,
            imports.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().iter().collect(),
            "imports of {name}"
        );
        assert!(imported.contains("log"), "a panic of {name} is logged");
        let wanted: BTreeSet<String> = hooks.iter().chain(&["lifecycle"]).map(|name| (*name).to_owned()).collect();
        assert_eq!(exported, wanted, "exports of {name}");
    }
}

fn component(name: &str) -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../target/plugins/{name}.wasm"));
    let module = std::fs::read(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; build it with `cargo xtask plugins`", file.display()));
    let mut encoder = wit_component::ComponentEncoder::default().validate(true).module(&module).unwrap();
    encoder.encode().unwrap()
}

/// The interfaces of `sluice:plugin@0.1.0` that a component imports and exports. There are no others.
fn interfaces(component: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| interface(import.unwrap().name.name)));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map(|export| interface(export.unwrap().name.name)));
            }
            _ => {}
        }
    }
    (imports, exports)
}

fn interface(name: &str) -> String {
    let short = name.strip_prefix("sluice:plugin/").and_then(|name| name.strip_suffix("@0.1.0"));
    short.unwrap_or_else(|| panic!("`{name}` is none of the contract's interfaces")).to_owned()
}
