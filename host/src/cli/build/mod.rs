//! `sluice plugin bindings` and `sluice plugin component`: what a project in a compiled language builds with, so that
//! its author needs a compiler and nothing else.
//!
//! Bindings are made for the hooks that `wit/` exports, and for every capability: using one imports it.

mod bindings;
mod component;

use std::path::Path;

use wit_parser::{Resolve, WorldId};

pub use bindings::{Bound, bindings};
pub use component::component;

/// The name of the world in a project's `wit/`.
const WORLD: &str = "plugin";

/// What a project's `wit/` says of its hooks, and all that can be imported.
///
/// # Errors
/// The folder can't be read, or isn't right; the text says where.
fn world(wit: &Path) -> Result<(Resolve, WorldId), String> {
    let wrong = |error: anyhow::Error| format!("{}: {error:#}", wit.display());
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).map_err(wrong)?;
    let own = resolve.packages.get(package).map(|package| package.name.interface_id(WORLD));
    let Some(own) = own.filter(|_| resolve.packages[package].worlds.contains_key(WORLD)) else {
        return Err(format!("{}: there must be a world named `{WORLD}`", wit.display()));
    };
    let capabilities = format!("{}/capabilities@{}", sluice::plugin::wasm::PACKAGE, sluice::plugin::wasm::VERSION);
    let whole = format!("package sluice:build;\nworld {WORLD} {{ include {own}; include {capabilities}; }}\n");
    let whole = resolve.push_str("sluice-build.wit", &whole).map_err(wrong)?;
    let world = resolve.select_world(&[whole], Some(WORLD)).map_err(wrong)?;
    Ok((resolve, world))
}

/// The hooks that a world exports, by the names of their interfaces.
fn hooks(resolve: &Resolve, world: WorldId) -> Vec<String> {
    let exports = resolve.worlds[world].exports.keys();
    let name = |key: &wit_parser::WorldKey| {
        let whole = resolve.name_world_key(key);
        let name = whole.strip_prefix(sluice::plugin::wasm::PACKAGE)?.strip_prefix('/')?;
        Some(name.split('@').next().unwrap_or(name).to_owned())
    };
    exports.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// A folder with `wit/`, for a world of `items`.
    pub fn project(items: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let contract = folder.path().join("wit/deps/sluice");
        fs::create_dir_all(&contract).unwrap();
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, contract.join(path.file_name().unwrap())).unwrap();
        }
        let wit = format!("package local:plugin;\nworld plugin {{ {items} }}\n");
        fs::write(folder.path().join("wit/plugin.wit"), wit).unwrap();
        folder
    }
}
