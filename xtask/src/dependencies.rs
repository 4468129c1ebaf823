//! What the workspace depends on: from the registry alone, under licences that allow everything Apache-2.0 does, and
//! in one version each. Needs no network: all of it is in `Cargo.lock` and the crates' own manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::command::root;

/// Licences that ask for no more than their text to be passed on.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are there in more than one version because others want them so, and nobody can help it.
const DOUBLE: &[&str] = &[
    "base64",
    "cpufeatures",
    "embedded-io",
    "getrandom",
    "hashbrown",
    "io-lifetimes",
    "r-efi",
    "rand",
    "rand_core",
    "syn",
    "synstructure",
    "untrusted",
    "wasm-encoder",
    "wasmparser",
    "wit-bindgen",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Check all packages of the lock file.
///
/// # Errors
/// All that is wrong, one in a line.
pub fn check() -> Result<()> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "`cargo metadata --locked` failed");
    let metadata: Value = serde_json::from_slice(&output.stdout).context("the output of `cargo metadata`")?;
    let wrong = faults(metadata["packages"].as_array().context("`cargo metadata` names no packages")?);
    if !wrong.is_empty() {
        bail!("dependencies (the lists are in xtask/src/dependencies.rs):\n{}", wrong.join("\n"));
    }
    Ok(())
}

fn faults(packages: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        versions.entry(name).or_default().insert(version);
        // Those without a source are the workspace's own.
        if package["source"].is_string() && text("source") != REGISTRY {
            wrong.push(format!("{name} {version} comes from {}; take it from the registry", text("source")));
        }
        if !is_allowed(text("license")) {
            wrong.push(format!(
                "{name} {version} is under `{}`, which isn't among the licences we take",
                text("license")
            ));
        }
    }
    for (name, versions) in &versions {
        let of_windows = name.starts_with("windows");
        if versions.len() > 1 && !of_windows && !DOUBLE.contains(name) {
            let versions: Vec<&str> = versions.iter().copied().collect();
            wrong.push(format!("{name} is there as {}; see `cargo tree -i {name}@VERSION`", versions.join(" and ")));
        }
    }
    for name in DOUBLE.iter().filter(|name| versions.get(*name).is_none_or(|versions| versions.len() < 2)) {
        wrong.push(format!("{name} isn't there twice any more; take it off the list"));
    }
    wrong
}

/// What is left of a licence expression (SPDX 2.3, annex D); crates write `/` for `OR` too.
struct Licence<'a>(&'a str);

fn is_allowed(expression: &str) -> bool {
    let mut licence = Licence(expression);
    licence.any() && licence.0.trim().is_empty()
}

impl<'a> Licence<'a> {
    fn any(&mut self) -> bool {
        let mut allowed = self.all();
        while self.eat("OR") || self.eat("/") {
            allowed |= self.all();
        }
        allowed
    }

    fn all(&mut self) -> bool {
        let mut allowed = self.one();
        while self.eat("AND") {
            allowed &= self.one();
        }
        allowed
    }

    fn one(&mut self) -> bool {
        if self.eat("(") {
            return self.any() & self.eat(")");
        }
        let mut name = self.word().to_owned();
        if self.eat("WITH") {
            name = format!("{name} WITH {}", self.word());
        }
        LICENCES.contains(&name.as_str())
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn word(&mut self) -> &'a str {
        let text = self.0.trim_start();
        let end = text.find([' ', '/', '(', ')']).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.0 = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn licences_are_read_as_expressions() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "ISC AND (Apache-2.0 OR GPL-2.0)",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in
            ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT)", "Apache-2.0 WITH other", "GPL-3.0 OR (MIT AND AGPL-3.0)"]
        {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn strangers_and_doubles_are_named() {
        let package = |name: &str, version, source| json!({ "name": name, "version": version, "license": "MIT", "source": source });
        let mut packages: Vec<Value> = DOUBLE
            .iter()
            .flat_map(|name| [package(name, "1.0.0", REGISTRY), package(name, "2.0.0", REGISTRY)])
            .collect();
        assert_eq!(faults(&packages), [] as [String; 0]);
        packages.push(package("left-pad", "1.0.0", "git+https://example.com/left-pad"));
        packages.push(package("left-pad", "2.0.0", REGISTRY));
        let wrong = faults(&packages);
        assert!(
            matches!(&wrong[..], [source, double] if source.contains("example.com") && double.contains("1.0.0 and 2.0.0")),
            "{wrong:?}"
        );
    }
}
