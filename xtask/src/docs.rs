//! `cargo xtask docs`: the parts of the manual that are made of code. What makes them is a test of the command line, since
//! that alone knows the commands, the schema and the metrics; each other run of it compares.

use std::process::Command;

use anyhow::Result;

use crate::command::run;

/// Write `docs/reference`.
///
/// # Errors
/// The code doesn't build.
pub fn write() -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--quiet", "--locked", "--package", "sluice", "--bin", "sluice", "cli::reference"]);
    run(cargo.env("SLUICE_WRITE_DOCS", "yes"))
}
