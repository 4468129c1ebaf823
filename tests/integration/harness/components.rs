//! The components that `cargo xtask plugins` builds, the `sluice` program, and places to put files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace")
}

/// A standard plugin.
pub fn plugin(name: &str) -> PathBuf {
    built("target/plugins", name)
}

/// One of the guests in `tests/guests`.
pub fn guest(name: &str) -> PathBuf {
    built("target/test-plugins", name)
}

fn built(folder: &str, name: &str) -> PathBuf {
    let path = root().join(folder).join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} isn't there; build it with:\n\n    cargo xtask plugins\n", path.display());
    path
}

/// A temporary directory that only its owner can write to, wherever the system's is.
pub fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("site-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

/// The `sluice` program, as the sources are now.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--package", "sluice", "--bin", "sluice"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(root()).status().expect("cargo runs");
        assert!(built.success(), "`cargo build --package sluice` failed");
        // The test runs as target/PROFILE/deps/NAME.
        let own = std::env::current_exe().expect("a test has a path");
        let profile = own.ancestors().nth(2).expect("tests run inside the target directory");
        profile.join("sluice")
    })
}

/// Where compiled code is kept from one test to the next: compiling is most of a gateway's start.
fn compiled() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    std::fs::create_dir_all(&path).expect("a directory for compiled code");
    path
}

/// Give a cache what other tests have compiled. Files are named by what they were compiled from and for.
pub fn warm(cache: &Path) {
    link_all(&compiled(), cache);
}

/// Keep what this cache has.
pub fn keep(cache: &Path) {
    link_all(cache, &compiled());
}

fn link_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "cwasm") {
            // It may be there, or just have gone.
            drop(std::fs::hard_link(&path, to.join(entry.file_name())));
        }
    }
}
