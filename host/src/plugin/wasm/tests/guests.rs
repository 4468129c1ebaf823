//! Tiny guests written by hand, for tests and benchmarks: a core module in the text format with its
//! component type embedded, as a toolchain would leave it.

use std::path::Path;

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// What every guest here begins with: memory, an allocator that a call's end empties, and results.
///
/// `$ok` makes `ok` of a variant's case without payload, `$fail` an `err` of a text. Below 1024 is room for
/// results: the guest's own at 64, those of imports from 128 on.
const PRELUDE: &str = r#"
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 8192))
    (func (export "cabi_realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
                                (i32.sub (i32.const 0) (local.get $align))))
        (global.set $free (i32.add (local.get $at) (local.get $size)))
        (block $fits (loop $grow
            (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
            (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
            unreachable))
        (memory.copy (local.get $at) (local.get $old) (local.get $had))
        (local.get $at))
    (func $ok (param $case i32) (result i32)
        (global.set $free (i32.const 8192))
        (i32.store8 (i32.const 64) (i32.const 0))
        (i32.store8 (i32.const 68) (local.get $case))
        (i32.const 64))
    (func $fail (param $text i32) (param $length i32) (result i32)
        (global.set $free (i32.const 8192))
        (i32.store8 (i32.const 64) (i32.const 1))
        (i32.store (i32.const 68) (local.get $text))
        (i32.store (i32.const 72) (local.get $length))
        (i32.const 64))
    (data (i32.const 1024) "x-a")
    (data (i32.const 1040) "x-b")
    (data (i32.const 1056) "none")
"#;

/// Imports of `types` that most guests use.
pub const TYPES: &str = r#"
    (import "sluice:plugin/types@0.1.0" "[method]request.header" (func $header (param i32 i32 i32 i32)))
    (import "sluice:plugin/types@0.1.0" "[method]request.set-header" (func $set_header (param i32 i32 i32 i32 i32 i32)))
    (import "sluice:plugin/types@0.1.0" "[resource-drop]request" (func $drop_request (param i32)))
    (import "sluice:plugin/types@0.1.0" "[resource-drop]exchange" (func $drop_exchange (param i32)))
"#;

/// Reads the field `x-a` and sets `x-b` to its value, or to `none`.
pub const COPY: &str = r#"
    (call $header (local.get $request) (i32.const 1024) (i32.const 3) (i32.const 128))
    (if (i32.load8_u (i32.const 128))
        (then (call $set_header (local.get $request) (i32.const 1040) (i32.const 3)
                                (i32.load (i32.const 132)) (i32.load (i32.const 136)) (i32.const 144)))
        (else (call $set_header (local.get $request) (i32.const 1040) (i32.const 3)
                                (i32.const 1056) (i32.const 4) (i32.const 144))))
    (call $drop_request (local.get $request))
    (call $drop_exchange (local.get $exchange))
    (call $ok (i32.const 0))
"#;

/// A guest that exports `on-request` with that body. Both handles are parameters.
pub fn filter(imports: &str, body: &str) -> Vec<u8> {
    build("export sluice:plugin/on-request@0.1.0;", imports, &hook("on-request", "handle", "$request $exchange", body))
}

/// The filter that does [`COPY`].
pub fn copy() -> Vec<u8> {
    filter(TYPES, COPY)
}

/// One exported function with `i32` parameters of those names.
pub fn hook(interface: &str, function: &str, params: &str, body: &str) -> String {
    let params: String = params.split_whitespace().map(|name| format!("(param {name} i32) ")).collect();
    format!("(func (export \"sluice:plugin/{interface}@0.1.0#{function}\") {params} (result i32) {body})")
}

/// A core module with the component type of a world that has `items`.
pub fn build(items: &str, imports: &str, fields: &str) -> Vec<u8> {
    build_with("", items, imports, fields)
}

/// The same with more WIT packages.
pub fn build_with(packages: &str, items: &str, imports: &str, fields: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    encode(resolve, packages, items, &format!("(module {imports} {PRELUDE} {fields})"))
}

/// A core module for a world of `items`, which `packages` and nothing else describe.
pub fn build_alone(packages: &str, items: &str, module: &str) -> Vec<u8> {
    encode(Resolve::default(), packages, items, module)
}

fn encode(mut resolve: Resolve, packages: &str, items: &str, module: &str) -> Vec<u8> {
    let wit = format!("package test:guest;\nworld guest {{ {items} }}\n{packages}");
    let package = resolve.push_str("guest.wit", &wit).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut bytes = wat::parse_str(module).unwrap();
    wit_component::embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8).unwrap();
    bytes
}
