//! What belongs to the dashboard: its libraries, and its test in a browser.
//!
//! The libraries are files of the repository, so that building the gateway needs nothing but crates, works offline,
//! and shows in a change what a new version of a library brings. They are fetched by npm, here and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::{output, root, run, run_bounded};

/// A package, the files that are taken of it, and the name that its licence gets.
struct Library {
    package: &'static str,
    version: &'static str,
    files: &'static [&'static str],
    licence: &'static str,
}

const LIBRARIES: [Library; 3] = [
    Library {
        package: "preact",
        version: "10.29.8",
        files: &["dist/preact.umd.js", "hooks/dist/hooks.umd.js"],
        licence: "LICENSE.preact",
    },
    Library { package: "htm", version: "3.1.1", files: &["dist/htm.umd.js"], licence: "LICENSE.htm" },
    Library {
        package: "uplot",
        version: "1.6.32",
        files: &["dist/uPlot.iife.min.js", "dist/uPlot.min.css"],
        licence: "LICENSE.uplot",
    },
];

/// npm hangs rather than fails where there is no network.
const PATIENCE: Duration = Duration::from_secs(300);

/// Fetch the dashboard's libraries anew, in the versions above.
///
/// # Errors
/// There is no npm, or it fails.
pub fn vendor() -> Result<()> {
    let to = root().join("host/dashboard/vendor");
    let work = root().join("target/vendor");
    fs::create_dir_all(&work)?;
    for library in &LIBRARIES {
        let name = format!("{}@{}", library.package, library.version);
        let mut npm = Command::new("npm");
        npm.args(["pack", "--silent", "--pack-destination"]).arg(&work).arg(&name);
        if !run_bounded(&mut npm, PATIENCE)?.is_some_and(|status| status.success()) {
            bail!("npm doesn't give {name}");
        }
        let archive = work.join(format!("{}-{}.tgz", library.package, library.version));
        run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&work))?;
        let package = work.join("package");
        for file in library.files {
            install(&package.join(file), &to.join(Path::new(file).file_name().unwrap_or_default()))?;
        }
        install(&package.join("LICENSE"), &to.join(library.licence))?;
        fs::remove_dir_all(&package)?;
    }
    let sums = output(Command::new("sh").arg("-c").arg(format!("cd {} && sha256sum *.js *.css", to.display())))?;
    fs::write(to.join("SHA256SUMS"), sums + "\n")?;
    run(Command::new("git").args(["status", "--short", "host/dashboard/vendor"]))
}

fn install(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("can't copy {} to {}", from.display(), to.display())).map(drop)
}

/// Get ready to test in a browser. Why that isn't possible, if it isn't.
///
/// # Errors
/// A file can't be written.
pub fn prepare() -> Result<Option<String>> {
    let missing: Vec<&str> = [
        ("Chromium", &["chromium", "chromium-browser", "google-chrome"][..]),
        ("Node.js", &["node"]),
        ("npm", &["npm"]),
    ]
    .into_iter()
    .filter(|(_, programs)| !programs.iter().any(|program| find(program).is_some()))
    .map(|(name, _)| name)
    .collect();
    if !missing.is_empty() {
        return Ok(Some(format!("{} missing (Debian: apt-get install chromium nodejs npm)", missing.join(", "))));
    }
    let work = root().join("target/browser");
    fs::create_dir_all(&work)?;
    for name in ["package.json", "package-lock.json"] {
        install(&root().join("tests/browser").join(name), &work.join(name))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(&work);
    let got = run_bounded(&mut npm, PATIENCE)?.is_some_and(|status| status.success());
    Ok((!got).then(|| "npm doesn't give Playwright".to_owned()))
}

fn find(program: &str) -> Option<PathBuf> {
    let places = std::env::var_os("PATH")?;
    std::env::split_paths(&places).map(|place| place.join(program)).find(|path| path.is_file())
}
