//! `cargo xtask docs`: the parts of the manual that are made of code. What makes them is a test of the command line, since
//! that alone knows the commands, the schema and the metrics; each other run of it compares.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command::{root, run};

/// Write `docs/reference`.
///
/// # Errors
/// The code doesn't build.
pub fn write() -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--quiet", "--locked", "--package", "sluice", "--bin", "sluice", "cli::reference"]);
    run(cargo.env("SLUICE_WRITE_DOCS", "yes"))
}

/// Check the repository's configurations against the schema that their first lines name, as editors do; where there is
/// no taplo, say that this is left out.
///
/// # Errors
/// One doesn't fit.
pub fn check_configurations() -> Result<()> {
    if Command::new("taplo").arg("--version").output().is_err() {
        eprintln!("xtask: SKIPPED configurations as editors see them: taplo is missing (PyPI: pip install taplo)");
        return Ok(());
    }
    let mut files = vec![root().join("config/sluice.toml")];
    configurations(&root().join("examples"), &mut files)?;
    run(Command::new("taplo").args(["check", "--colors", "never"]).args(files))
}

fn configurations(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            configurations(&path, found)?;
        } else if path.extension().is_some_and(|own| own == "toml") && !path.ends_with("Cargo.toml") {
            found.push(path);
        }
    }
    Ok(())
}
