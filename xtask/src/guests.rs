//! Building the plugins: the standard ones and the tests' hostile ones.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{root, run};
use crate::toolchain::{TARGET, Toolchain};

/// A folder in which each folder with a `Cargo.toml` is a plugin, and where the files go: a gateway that serves
/// the standard plugins must not find hostile ones among them.
struct Source {
    from: &'static str,
    to: &'static [&'static str],
}

const STANDARD: Source = Source { from: "plugins", to: &["target/plugins", "target/bank/plugins"] };
const BANK: Source = Source { from: "examples/bank/plugins", to: &["target/bank/plugins"] };
const HOSTILE: Source = Source { from: "tests/guests", to: &["target/test-plugins"] };

/// Build all plugins and copy them to the target directory, as `NAME.wasm`.
///
/// # Errors
/// There is no toolchain, a plugin doesn't compile, or a file can't be written.
pub fn build() -> Result<()> {
    build_from(&[STANDARD, BANK, HOSTILE])
}

/// Those that the example bank's gateway serves.
///
/// # Errors
/// As [`build`].
pub fn build_for_bank() -> Result<()> {
    build_from(&[STANDARD, BANK])
}

fn build_from(sources: &[Source]) -> Result<()> {
    let mut guests = Vec::new();
    for source in sources {
        guests.extend(names(source.from)?.into_iter().map(|name| (name, source.to)));
    }
    if guests.is_empty() {
        return Ok(());
    }
    let toolchain = Toolchain::find()?;
    eprintln!("xtask: building {} plugins with {toolchain}", guests.len());
    let mut cargo = toolchain.cargo_build();
    for (name, _) in &guests {
        cargo.args(["--package", name]);
    }
    run(&mut cargo)?;
    let built = root().join("target/guest").join(TARGET).join("plugin");
    let bank =
        fs::read_to_string(root().join("examples/bank/sluice.toml")).context("can't read the bank's configuration")?;
    for (name, folders) in &guests {
        for folder in folders.iter().map(|folder| root().join(folder)) {
            // What is dropped in there is served; what needs grants and isn't named would be refused.
            if folder.ends_with("bank/plugins") && !is_served_by(&bank, name) {
                continue;
            }
            fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
            install(&built.join(format!("{}.wasm", name.replace('-', "_"))), &folder.join(format!("{name}.wasm")))?;
        }
    }
    Ok(())
}

/// Whether a configuration names the component, or a later version of one that it names.
fn is_served_by(config: &str, name: &str) -> bool {
    [name, name.trim_end_matches("-next")].iter().any(|name| config.contains(&format!("\"{name}.wasm\"")))
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

/// The names of a folder's packages, which are those of their own folders.
fn names(folder: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Ok(names) };
    for entry in entries {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_plugin_in_the_readme_is_the_one_that_is_built() {
        let source = include_str!("../../examples/bank/plugins/offer/src/lib.rs");
        let code = source.split_once("\n\n").and_then(|(_, code)| Some(code.split_once("\n#[cfg(test)]")?.0)).unwrap();
        assert!(include_str!("../../README.md").contains(code), "copy it into README.md:\n{code}");
    }
}
