//! From a core module to a component. WASI preview 1, if a language insists on it, is filled in by a stub that has
//! nothing behind it: so the component imports no WASI, and needs no grants for its language's sake.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::super::fail;

const PREVIEW_1: &str = "wasi_snapshot_preview1";
const STUB: &str = include_str!("stub.wat");
/// What the stub imports.
const STUB_WORLD: &str = "package sluice:stub;\nworld stub { import sluice:plugin/log@0.1.0; }\n";

/// Turn `module`, which was built with the bindings for `wit`, into the component `output`.
pub fn component(module: &Path, wit: &Path, output: &Path) -> ExitCode {
    match encode(module, wit).and_then(|bytes| write(output, &bytes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(why),
    }
}

fn encode(path: &Path, wit: &Path) -> Result<Vec<u8>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let mut module = fs::read(path).map_err(|error| wrong(&format_args!("can't be read: {error}")))?;
    let (resolve, world) = super::world(wit)?;
    let mut encode = || {
        let stub = stub(resolve.clone())?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
        ComponentEncoder::default().validate(true).module(&module)?.adapter(PREVIEW_1, &stub)?.encode()
    };
    encode().map_err(|error: anyhow::Error| wrong(&format_args!("can't be turned into a component: {error:#}")))
}

fn stub(mut resolve: Resolve) -> anyhow::Result<Vec<u8>> {
    let package = resolve.push_str("stub.wit", STUB_WORLD)?;
    let world = resolve.select_world(&[package], Some("stub"))?;
    let mut stub = wat::parse_str(STUB)?;
    embed_component_metadata(&mut stub, &resolve, world, StringEncoding::UTF8)?;
    Ok(stub)
}

/// Beside and renamed, so that a gateway that watches the folder never sees half a file.
fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let part = path.with_extension("part");
    let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| format!("{}: can't be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::project;
    use super::*;

    /// Asks WASI for the time and prints it, whatever the hook.
    const MODULE: &str = r#"(module
      (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $print (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
      (func $hook (result i32)
        (drop (call $time (i32.const 0) (i64.const 0) (i32.const 64)))
        (drop (call $print (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32)))
        (i32.const 0))
      (func (export "sluice:plugin/lifecycle@0.1.0#configure") (param i32 i32) (result i32) (call $hook))
      (func (export "sluice:plugin/on-request@0.1.0#handle") (param i32 i32) (result i32) (call $hook))
      (func (export "sluice:plugin/on-response@0.1.0#handle") (param i32 i32 i32) (result i32) (call $hook)))"#;

    #[test]
    fn what_insists_on_wasi_gets_none_of_it() {
        let folder = project("include sluice:plugin/filter@0.1.0;");
        let module = folder.path().join("module.wasm");
        fs::write(&module, wat::parse_str(MODULE).unwrap()).unwrap();
        let component = encode(&module, &folder.path().join("wit")).unwrap();
        let inspection = sluice::plugin::wasm::inspect(&component).unwrap();
        inspection.check().unwrap();
        assert!(inspection.wasi.is_empty(), "{:?}", inspection.wasi);
        assert!(inspection.imports.contains("log"), "{:?}", inspection.imports);
        assert!(!inspection.imports.contains("kv"), "what isn't used isn't imported");
    }

    #[test]
    fn a_missing_hook_is_named() {
        let folder = project("include sluice:plugin/filter@0.1.0; export sluice:plugin/authorize@0.1.0;");
        let module = folder.path().join("module.wasm");
        fs::write(&module, wat::parse_str(MODULE).unwrap()).unwrap();
        let why = encode(&module, &folder.path().join("wit")).unwrap_err();
        assert!(why.contains("authorize"), "{why}");
    }
}
