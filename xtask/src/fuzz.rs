//! `cargo xtask fuzz`: the targets of `tests/fuzz` under libFuzzer, each for a while.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{root, run};

const SECONDS: u32 = 60;

/// Fuzz these targets, or all.
///
/// # Errors
/// A target finds something: the message says where the input is. Or there is no `cargo-fuzz`, or no such target.
pub fn fuzz(arguments: &[&str]) -> Result<()> {
    let mut seconds = SECONDS;
    let mut wanted = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => {
                let value = words.next().context("--seconds wants a value")?;
                seconds = value.parse().context("--seconds wants a number")?;
            }
            flag if flag.starts_with('-') => bail!("unknown option {flag}"),
            target => wanted.push(target),
        }
    }
    let found =
        Command::new("cargo").args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !found.success() {
        bail!("there is no cargo-fuzz; install it: `cargo install cargo-fuzz`");
    }
    let known = targets()?;
    if let Some(unknown) = wanted.iter().find(|target| !known.iter().any(|known| known == *target)) {
        bail!("there is no target {unknown}, but {}", known.join(", "));
    }
    let crate_folder = root().join("tests/fuzz/libfuzzer");
    // The same versions as everywhere.
    std::fs::copy(root().join("Cargo.lock"), crate_folder.join("Cargo.lock"))?;
    for target in known.iter().filter(|target| wanted.is_empty() || wanted.contains(&target.as_str())) {
        let work = root().join("target/fuzz").join(target);
        std::fs::create_dir_all(work.join("corpus"))?;
        let mut command = Command::new("cargo");
        // Instrumentation is no matter of the nightly compiler; that cargo-fuzz asks for it is for sanitizers.
        command.env("RUSTC_BOOTSTRAP", "1").args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"]);
        command.arg(&crate_folder).arg("--target-dir").arg(root().join("target/fuzz/build")).arg(target);
        // What is new goes to the first folder.
        command.arg(work.join("corpus")).arg(root().join("tests/fuzz/corpus").join(target)).arg("--");
        command.arg(format!("-max_total_time={seconds}")).args(["-timeout=10", "-print_final_stats=1"]);
        command.arg(format!("-artifact_prefix={}/", work.display()));
        run(&mut command).with_context(|| {
            format!("{target} found something; put the input into tests/fuzz/corpus/{target} when it is mended")
        })?;
    }
    Ok(())
}

/// All of them, by their corpus.
fn targets() -> Result<Vec<String>> {
    let folders = std::fs::read_dir(root().join("tests/fuzz/corpus"))?;
    let mut names: Vec<String> =
        folders.map(|folder| Ok(folder?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}
