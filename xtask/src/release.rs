//! `cargo xtask release`: the gateway built by a profile of itself. It is built to count what it does, does what the
//! benchmarks ask of it, and is built again by those counts (profile-guided optimisation).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::bench;
use crate::command::{output, root, run};

/// Build it, and tell where it is.
///
/// # Errors
/// Something doesn't build, or the tools for profiles are missing; the message says which and how to get them.
pub fn build() -> Result<()> {
    let profdata = profdata()?;
    let host = host()?;
    let folder = root().join("target/profile");
    let counts = folder.join("counts");
    if counts.exists() {
        fs::remove_dir_all(&counts).with_context(|| format!("can't empty {}", counts.display()))?;
    }
    let counting = cargo(&host, &folder.join("counting"), &format!("-Cprofile-generate={}", counts.display()))?;
    bench::train(&counting)?;
    let merged = folder.join("merged.profdata");
    run(Command::new(&profdata).arg("merge").arg("--output").arg(&merged).arg(&counts))?;
    // What the benchmarks don't reach has no counts, which is as it should be.
    let flags = format!("-Cprofile-use={} -Cllvm-args=-pgo-warn-missing-function=false", merged.display());
    let built = cargo(&host, &root().join("target/optimised"), &flags)?;
    println!("{}", built.display());
    Ok(())
}

/// The release build with these flags, which don't concern build scripts.
fn cargo(host: &str, target: &Path, flags: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--bin", "sluice", "--target", host, "--target-dir"]).arg(target);
    run(cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", flags))?;
    Ok(target.join(host).join("release/sluice"))
}

/// The machine that is built on, as rustc names it.
fn host() -> Result<String> {
    let told = output(Command::new("rustc").arg("-vV"))?;
    told.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc doesn't say its host")
}

/// The `llvm-profdata` that knows the compiler's profiles: rustup's, or Debian's of the same LLVM.
fn profdata() -> Result<PathBuf> {
    let sysroot = PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?);
    let told = output(Command::new("rustc").arg("-vV"))?;
    let version =
        told.lines().find_map(|line| line.strip_prefix("LLVM version: ")).context("rustc doesn't say its LLVM")?;
    let major = version.split('.').next().unwrap_or_default();
    let own = sysroot.join("lib/rustlib").join(host()?).join("bin/llvm-profdata");
    let debian = PathBuf::from(format!("/usr/lib/llvm-{major}/bin/llvm-profdata"));
    match [own, debian].into_iter().find(|program| program.is_file()) {
        Some(program) => Ok(program),
        None => bail!(
            "there is no llvm-profdata of LLVM {major}: `rustup component add llvm-tools`, or `sudo apt-get install llvm-{major}`"
        ),
    }
}
