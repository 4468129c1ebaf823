//! The manual's reference, made of what the code says: keys of the schema, commands of the command line, metrics, and
//! the plugin contract. `cargo xtask docs` writes it; here is found out whether it is as the code is.

mod commands;
mod contract;
mod keys;
mod metrics;

use std::fs;
use std::path::{Path, PathBuf};

/// What `cargo xtask docs` sets: write the pages instead of comparing them.
const WRITE: &str = "SLUICE_WRITE_DOCS";

/// What each page begins with, so that nobody mends it by hand.
const REMARK: &str = "<!-- Written by `cargo xtask docs`. Change what it is made of. -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files that are written, by their places in the repository.
fn files() -> [(&'static str, String); 6] {
    let page = |text: String| format!("{REMARK}{text}");
    [
        ("docs/reference/keys.md", page(keys::page())),
        ("docs/reference/file.md", page(keys::file())),
        ("docs/reference/commands.md", page(commands::page())),
        ("docs/reference/metrics.md", page(metrics::page())),
        ("docs/reference/contract.md", page(contract::page())),
        // What examples name in their first line, for editors.
        ("config/sluice.schema.json", format!("{:#}\n", sluice::config::schema())),
    ]
}

#[test]
fn the_reference_is_as_the_code_is() {
    let mut stale = Vec::new();
    for (name, text) in files() {
        let path = root().join(name);
        if std::env::var_os(WRITE).is_some() {
            fs::write(path, text).unwrap();
        } else if fs::read_to_string(path).ok().as_ref() != Some(&text) {
            stale.push(name);
        }
    }
    assert_eq!(stale, [""; 0], "stale; write them anew with `cargo xtask docs`");
}

/// A cell of a table: one line, without a bar of its own.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Angle brackets are text, and no tags.
fn plain(text: &str) -> String {
    text.replace('<', "&lt;")
}
