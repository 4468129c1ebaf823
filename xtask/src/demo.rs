//! `cargo xtask demo`: builds what the demo of the mobile bank needs, and hands over to it (`examples/bank/demo`).

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{self, root};
use crate::guests;

/// Build, then become the demo, so that signals reach it alone. Returns only if that isn't possible.
///
/// # Errors
/// Something doesn't build, or can't be started.
pub fn run(arguments: &[&str]) -> Result<()> {
    let mut demo = build()?;
    Err(demo.args(arguments).exec()).context("can't start the demo")
}

/// Build, run it, and fail if it shows anything but what it says.
///
/// # Errors
/// As [`run`], and the demo's own failure.
pub fn check() -> Result<()> {
    command::run(&mut build()?)
}

fn build() -> Result<Command> {
    guests::build_for_bank()?;
    run_cargo()?;
    Ok(Command::new(target_directory()?.join("debug/bank-demo")))
}

fn run_cargo() -> Result<()> {
    command::run(Command::new("cargo").args(["build", "--locked", "--package", "sluice", "--package", "bank-services"]))
}

/// Where cargo puts what it builds; not always `target`.
fn target_directory() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("CARGO_TARGET_DIR") {
        return Ok(root().join(directory));
    }
    Ok(root().join("target"))
}
