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
