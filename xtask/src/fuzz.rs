//! `cargo xtask fuzz`: the targets of `tests/fuzz` under libFuzzer, each for a while.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{root, run};

const SECONDS: u32 = 60;
const BUILD: &str = "target/fuzz/build";

/// What libFuzzer wants counted: edges, and both sides of comparisons. No sanitizer: the code that is fuzzed is safe Rust.
const INSTRUMENTATION: &[&str] = &[
    "passes=sancov-module",
    "llvm-args=-sanitizer-coverage-level=4",
    "llvm-args=-sanitizer-coverage-inline-8bit-counters",
    "llvm-args=-sanitizer-coverage-pc-table",
    "llvm-args=-sanitizer-coverage-trace-compares",
];

/// Fuzz these targets, or all.
///
/// # Errors
/// A target finds something: the message says where the input is. Or they can't be built, or there is no such target.
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
    let known = targets()?;
    if let Some(unknown) = wanted.iter().find(|target| !known.iter().any(|known| known == *target)) {
        bail!("there is no target {unknown}, but {}", known.join(", "));
    }
    build()?;
    for target in known.iter().filter(|target| wanted.is_empty() || wanted.contains(&target.as_str())) {
        let work = root().join("target/fuzz").join(target);
        std::fs::create_dir_all(work.join("corpus"))?;
        let mut command = Command::new(root().join(BUILD).join("debug").join(target));
        // What is new goes to the first folder.
        command.arg(work.join("corpus")).arg(root().join("tests/fuzz/corpus").join(target));
        command.arg(format!("-max_total_time={seconds}")).args(["-timeout=10", "-print_final_stats=1"]);
        command.arg(format!("-artifact_prefix={}/", work.display()));
        run(&mut command).with_context(|| {
            format!("{target} found something; put the input into tests/fuzz/corpus/{target} when it is mended")
        })?;
    }
    Ok(())
}

/// Build all targets. Only our own code is instrumented: a compiler of WebAssembly that counts its every branch takes
/// longer to build than anybody waits, and teaches the fuzzer nothing.
fn build() -> Result<()> {
    let crate_folder = root().join("tests/fuzz/libfuzzer");
    // The same versions as everywhere.
    std::fs::copy(root().join("Cargo.lock"), crate_folder.join("Cargo.lock"))?;
    let flags: Vec<String> = INSTRUMENTATION.iter().map(|flag| format!("\"-C{flag}\"")).collect();
    let mut command = Command::new("cargo");
    // Flags of compilation for single packages are still a matter of cargo's next versions.
    command.env("RUSTC_BOOTSTRAP", "1").args(["build", "-Zprofile-rustflags", "--bins"]);
    for package in ["sluice", "fuzzing"] {
        command.arg("--config").arg(format!("profile.dev.package.{package}.rustflags=[{}]", flags.join(",")));
    }
    command.arg("--manifest-path").arg(crate_folder.join("Cargo.toml"));
    run(command.arg("--target-dir").arg(root().join(BUILD)))
}

/// All of them, by their corpus.
fn targets() -> Result<Vec<String>> {
    let folders = std::fs::read_dir(root().join("tests/fuzz/corpus"))?;
    let mut names: Vec<String> =
        folders.map(|folder| Ok(folder?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}
