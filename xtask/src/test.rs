//! `cargo xtask test`: everything that has to hold before a change lands.

use std::process::Command;

use anyhow::Result;

use crate::command::run;
use crate::{demo, dependencies, guests};

/// Formatting, dependencies, lints, plugins, then all tests and the demo.
///
/// # Errors
/// The first step that fails.
pub fn run_all() -> Result<()> {
    run(Command::new("cargo").args(["fmt", "--all", "--check"]))?;
    dependencies::check()?;
    run(cargo("clippy").args(["--all-targets", "--", "-D", "warnings"]))?;
    guests::build()?;
    run(&mut cargo("test"))?;
    demo::check()?;
    eprintln!("xtask: all is well");
    Ok(())
}

fn cargo(task: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args([task, "--workspace", "--locked"]);
    command
}
