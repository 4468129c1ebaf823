//! `sluice plugin inspect`: what a file is, and what it would take to use it.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use sluice::config::model::Capability;
use sluice::plugin::wasm::{self, Inspection, MAX_BYTES};

use super::{fail, print};

pub fn inspect(path: &Path) -> ExitCode {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return fail(format_args!("{}: can't be read: {error}", path.display()));
    }
    let inspection = match wasm::inspect(&bytes) {
        Ok(inspection) => inspection,
        Err(error) => return fail(format_args!("{}: {error}", path.display())),
    };
    let described = describe(path, &inspection);
    match inspection.check() {
        Ok(()) => print(&format!("{described}\n{}", example(path, &inspection))),
        Err(error) => {
            print(&described);
            fail(format_args!("\n{}: {error}", path.display()))
        }
    }
}

fn describe(path: &Path, inspection: &Inspection) -> String {
    let join = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let texts = |names: &std::collections::BTreeSet<String>| join(names.iter().map(String::as_str).collect());
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        // Writing to a string doesn't fail.
        let _ = writeln!(text, "{key:<15}{value}");
    };
    line("file", &path.display().to_string());
    line("kind", &inspection.kind.to_string());
    line("size", &format!("{} bytes, {} functions", inspection.size, inspection.functions));
    line("sha256", &inspection.digest);
    let version = inspection.wit_version.as_deref().map(|version| format!("{}@{version}", wasm::PACKAGE));
    line("WIT", version.as_deref().unwrap_or("none"));
    line("hooks", &join(inspection.hooks.names().collect()));
    line("configuration", if inspection.lifecycle { "yes" } else { "takes none" });
    line("imports", &texts(&inspection.imports));
    if !inspection.wasi.is_empty() {
        line("WASI", &texts(&inspection.wasi));
    }
    if !inspection.unknown_imports.is_empty() {
        line("not served", &texts(&inspection.unknown_imports));
    }
    if !inspection.ignored_exports.is_empty() {
        line("not called", &texts(&inspection.ignored_exports));
    }
    text
}

/// The entry that would use the file.
fn example(path: &Path, inspection: &Inspection) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let needed = Capability::ALL.into_iter().filter(|capability| inspection.imports.contains(capability.name()));
    let grants: Vec<String> = needed.map(|capability| capability.grant(&["CLUSTER"])).collect();
    let grants = if grants.is_empty() { String::new() } else { format!("grants = [{}]\n", grants.join(", ")) };
    format!("[[plugin]]\nname = \"{stem}\"\ncomponent = \"{file}\"\n{grants}")
}
