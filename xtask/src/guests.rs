//! Building the plugins: the standard ones and the tests' hostile ones.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{root, run};
use crate::toolchain::{TARGET, Toolchain};

/// Folders in which each folder with a `Cargo.toml` is a plugin.
const FOLDERS: [&str; 2] = ["plugins", "tests/guests"];

/// Build all plugins and copy them to `target/plugins`, as `NAME.wasm`.
///
/// # Errors
/// There is no toolchain, a plugin doesn't compile, or a file can't be written.
pub fn build() -> Result<()> {
    let names = names()?;
    if names.is_empty() {
        return Ok(());
    }
    let toolchain = Toolchain::find()?;
    let mut cargo = toolchain.cargo_build();
    for name in &names {
        cargo.args(["--package", name]);
    }
    run(&mut cargo)?;
    let built = root().join("target/guest").join(TARGET).join("plugin");
    let target = root().join("target/plugins");
    fs::create_dir_all(&target)?;
    for name in &names {
        let file = built.join(format!("{}.wasm", name.replace('-', "_")));
        install(&file, &target.join(format!("{name}.wasm")))?;
    }
    Ok(())
}

/// Copy beside and rename, so that a gateway watching the folder never sees half a file.
fn install(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("can't read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let part = to.with_extension("part");
    fs::write(&part, &bytes).with_context(|| format!("can't write {}", part.display()))?;
    fs::rename(&part, to).with_context(|| format!("can't write {}", to.display()))?;
    eprintln!("xtask: {} ({} KiB)", to.display(), bytes.len().div_ceil(1024));
    Ok(())
}

/// The packages' names, which are their folders' names.
fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in FOLDERS {
        let Ok(entries) = fs::read_dir(root().join(folder)) else { continue };
        for entry in entries {
            let entry = entry?;
            if entry.path().join("Cargo.toml").exists() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}
