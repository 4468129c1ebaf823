//! `cargo xtask test`: everything that has to hold before a change lands.

use std::process::Command;

use anyhow::Result;

use crate::command::run;
use crate::{browser, demo, dependencies, docs, guests, languages};

/// Formatting, dependencies, lints, plugins, then all tests and the demo.
///
/// # Errors
/// The first step that fails.
pub fn run_all() -> Result<()> {
    run(Command::new("cargo").args(["fmt", "--all", "--check"]))?;
    dependencies::check()?;
    docs::check_configurations()?;
    run(cargo("clippy").args(["--all-targets", "--", "-D", "warnings"]))?;
    guests::build()?;
    languages::prepare()?;
    run(&mut cargo("test"))?;
    test_in_browser()?;
    demo::check()?;
    eprintln!("xtask: all is well");
    Ok(())
}

/// The dashboard's test, where there is a browser; else say that it is left out.
fn test_in_browser() -> Result<()> {
    const NAME: &str = "dashboard::the_dashboard_in_chromium";
    if let Some(reason) = browser::prepare()? {
        eprintln!("xtask: SKIPPED {NAME}: {reason}");
        return Ok(());
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--locked", "--package", "sluice-tests", "--", "--ignored", "--exact", NAME]);
    run(&mut cargo)
}

fn cargo(task: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args([task, "--workspace", "--locked"]);
    command
}
