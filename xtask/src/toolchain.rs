//! A toolchain for Rust plugins: rustup's, where it has or can get the `wasm32-unknown-unknown` target;
//! else Debian's `rustc-web`, with the standard library built from its sources.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::command::{output, root, run, run_bounded};

/// What plugins are compiled for: no operating system, no WASI.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// `rustup target add` hangs instead of failing where it reaches no server.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(60);

/// What Debian 12 calls the parts.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// Where Debian's packages put the parts that a build needs.
const DEBIAN_FILES: [&str; 3] = ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/bin/wasm-ld-22"];

/// A way to compile for [`TARGET`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The default cargo with an installed target.
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
        if has_debian() {
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
        // The host's flags and toolchain choice must not leak into the guests' build.
        command.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTFLAGS");
        if self == Self::Debian {
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

fn has_target() -> Result<bool> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn has_debian() -> bool {
    DEBIAN_FILES.iter().all(|file| Path::new(file).exists())
}

fn add_target() -> Result<bool> {
    eprintln!("xtask: asking rustup for {TARGET} (at most {} s)", RUSTUP_PATIENCE.as_secs());
    let Ok(status) = run_bounded(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_PATIENCE) else {
        return Ok(false);
    };
    Ok(status.is_some_and(|status| status.success()) && has_target()?)
}

fn install_debian() -> Result<()> {
    let remedy = format!(
        "install it by `rustup target add {TARGET}` or, on Debian 12, by `apt-get install {}`",
        DEBIAN.join(" ")
    );
    if !Path::new("/usr/bin/apt-get").exists() || output(Command::new("id").arg("-u"))? != "0" {
        bail!("no Rust toolchain for {TARGET}; {remedy}");
    }
    eprintln!("xtask: rustup can't add {TARGET} here; installing Debian's {}", DEBIAN.join(", "));
    let quiet = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    run(quiet().arg("update"))?;
    run(quiet().args(["install", "--yes", "--no-install-recommends"]).args(DEBIAN))?;
    if !has_debian() {
        bail!(
            "Debian's packages are installed and yet {} aren't all there in {}; {remedy}",
            DEBIAN_FILES.join(", "),
            root().display()
        );
    }
    Ok(())
}
