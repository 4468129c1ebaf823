//! A toolchain for Rust plugins: rustup's, where it has or can get the `wasm32-unknown-unknown` target;
//! else Debian's `rustc-web`, with the standard library built from its sources. Installs what is missing, and
//! says so.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::{output, root, run, run_bounded};

/// What plugins are compiled for: no operating system, no WASI.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// `rustup target add` hangs instead of failing where it reaches no server.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(30);

/// What Debian 12 calls the parts. These are kept new enough for its browsers; its `rustc` isn't.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// A way to compile for [`TARGET`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The default toolchain, which has the target.
    Rustup,
    /// Debian's compiler with `-Zbuild-std`.
    Debian,
}

impl Toolchain {
    /// Find one, installing what is missing where that is possible.
    ///
    /// # Errors
    /// None can be had; the message names the commands that would install one.
    pub fn find() -> Result<Self> {
        if has_target()? {
            return Ok(Self::Rustup);
        }
        if missing_of_debian().is_empty() {
            return Ok(Self::Debian);
        }
        if add_target()? {
            return Ok(Self::Rustup);
        }
        install_debian()?;
        Ok(Self::Debian)
    }

    /// `cargo build` for guests, ready for `-p` arguments.
    pub fn cargo_build(self) -> Command {
        let mut command = match self {
            Self::Rustup => Command::new("cargo"),
            Self::Debian => Command::new("/usr/bin/cargo"),
        };
        command.args(["build", "--profile", "plugin", "--target", TARGET, "--target-dir", "target/guest", "--locked"]);
        // Flags meant for the gateway don't fit guests.
        command.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTFLAGS");
        if self == Self::Debian {
            for variable in ["RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO"] {
                command.env_remove(variable);
            }
            command
                .arg("-Zbuild-std=std,panic_abort")
                .env("PATH", "/usr/bin:/bin")
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTFLAGS", "-C linker=wasm-ld-22 -C linker-flavor=wasm-ld");
        }
        command
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rustup => "the installed Rust toolchain",
            Self::Debian => "Debian's Rust and a standard library from source",
        })
    }
}

fn has_target() -> Result<bool> {
    Ok(sysroot()?.join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn sysroot() -> Result<PathBuf> {
    Ok(output(Command::new("rustc").args(["--print", "sysroot"]))?.into())
}

/// Ask rustup. That it couldn't is remembered for this toolchain, since finding out takes its time.
fn add_target() -> Result<bool> {
    if output(Command::new("rustup").arg("--version")).is_err() {
        return Ok(false);
    }
    let sysroot = sysroot()?.to_string_lossy().into_owned();
    let memory = root().join("target/xtask/rustup-without-wasm");
    if fs::read_to_string(&memory).is_ok_and(|remembered| remembered == sysroot) {
        return Ok(false);
    }
    eprintln!("xtask: asking rustup for {TARGET} (at most {} s)", RUSTUP_PATIENCE.as_secs());
    let added = run_bounded(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_PATIENCE)?;
    if added.is_some_and(|status| status.success()) && has_target()? {
        return Ok(true);
    }
    eprintln!("xtask: rustup can't add it here; delete {} to ask it again", memory.display());
    fs::create_dir_all(root().join("target/xtask"))
        .and_then(|()| fs::write(&memory, sysroot))
        .with_context(|| format!("can't write {}", memory.display()))?;
    Ok(false)
}

/// Those of Debian's packages that aren't installed; all of them on another system.
fn missing_of_debian() -> Vec<&'static str> {
    let installed = |package: &&str| {
        let mut query = Command::new("dpkg-query");
        query.args(["--show", "--showformat=${db:Status-Status}", package]);
        output(&mut query).is_ok_and(|status| status == "installed")
    };
    DEBIAN.into_iter().filter(|package| !installed(package)).collect()
}

fn install_debian() -> Result<()> {
    let missing = missing_of_debian();
    let remedy = format!(
        "install one by `rustup target add {TARGET}` or, on Debian 12, by `sudo apt-get install {}`",
        missing.join(" ")
    );
    if !Path::new("/usr/bin/apt-get").exists() || output(Command::new("id").arg("-u"))? != "0" {
        bail!("plugins need a Rust toolchain for {TARGET}; {remedy}");
    }
    eprintln!("xtask: installing Debian's {}", missing.join(", "));
    let quiet = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    let install = || run(quiet().args(["install", "--yes", "--no-install-recommends"]).args(&missing));
    // The package lists of a fresh machine are empty or old.
    install()
        .or_else(|_| run(quiet().arg("update")).and_then(|()| install()))
        .with_context(|| format!("plugins need a Rust toolchain for {TARGET}; {remedy}"))
}
