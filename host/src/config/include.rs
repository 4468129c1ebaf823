//! Finds the files that `include` patterns name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::document::Node;
use super::files::reason;
use super::problem::{Fault, quote};
use super::values;

/// More is an accident.
const MOST_FILES: usize = 10_000;

/// What one pattern names.
pub(super) struct Found {
    /// In the order of their names. As written, below the directory of the main file.
    pub files: Vec<PathBuf>,
    /// Where a new file could match; `None` if the pattern is a plain path.
    pub directory: Option<PathBuf>,
}

/// Reads a pattern, relative to `base`, and finds its files.
pub(super) fn find(node: Node<'_>, base: &Path) -> Result<Found, Fault> {
    let pattern = values::path(node)?;
    let shown = quote(&pattern.to_string_lossy());
    let joined = base.join(&pattern);
    let name = joined.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let directory = joined.parent().unwrap_or(base).to_path_buf();
    let written_directory = pattern.parent().unwrap_or(Path::new(""));
    if written_directory.to_string_lossy().contains(['*', '?', '[']) || name.contains(['?', '[']) || name.is_empty() {
        return Err(Fault::new(
            format!("expected a pattern such as \"routes.d/*.toml\", found {shown}"),
            "only \"*\" is special, and only in the last part",
        ));
    }
    if !name.contains('*') {
        return Ok(Found { files: vec![joined], directory: None });
    }
    let listing = std::fs::read_dir(if directory.as_os_str().is_empty() { Path::new(".") } else { &directory });
    let listing = listing.map_err(|error| {
        Fault::new(format!("the directory of {shown} {}", reason(error)), "create the directory, or remove the pattern")
    })?;
    let names: BTreeSet<String> = listing
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|candidate| matches(&name, candidate))
        .take(MOST_FILES + 1)
        .collect();
    if names.len() > MOST_FILES {
        return Err(Fault::new(format!("more than {MOST_FILES} files match {shown}"), "narrow the pattern"));
    }
    let files = names.into_iter().map(|name| directory.join(name)).filter(|path| path.is_file()).collect();
    Ok(Found { files, directory: Some(directory) })
}

/// Whether `name` fits a pattern in which `*` stands for any text. Hidden files have to be named:
/// editors keep their half-written copies in them.
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(after) = rest.split_once(part).map(|(_, after)| after) else { return false };
        rest = after;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_text() {
        assert!(matches("*.toml", "a.toml"));
        assert!(matches("*", "a.toml"));
        assert!(matches("a*b*c", "a1b2c"));
        assert!(matches("a*b*c", "abbc"));
        assert!(matches("plain.toml", "plain.toml"));
        assert!(matches(".*", ".hidden"));
        assert!(!matches("*.toml", "a.toml~"));
        assert!(!matches("*.toml", ".a.toml"));
        assert!(!matches("a*a", "a"));
        assert!(!matches("a*b*c", "acb"));
        assert!(!matches("plain.toml", "plain.toml.swp"));
    }
}
