//! The programs that take part: found beside this one, and built if need be.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Build the gateway and the service.
///
/// # Errors
/// They can't be built.
pub fn build() -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    cargo.args(["build", "--quiet", "--locked", "--package", "sluice", "--package", "arrangements", "--bins"]);
    ensure!(cargo.status().context("can't start cargo")?.success(), "the programs can't be built");
    Ok(())
}

/// The path of a program that was built.
///
/// # Errors
/// It wasn't.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    // Tests are one directory further down.
    let found = own.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.with_context(|| {
        format!("{name} isn't built; run `cargo build --bins --package sluice --package arrangements`")
    })
}
