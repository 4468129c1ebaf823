//! Copies of an example in a temporary directory: same layout, other addresses. The originals are never touched.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// Deleted when dropped.
pub struct Copy {
    directory: TempDir,
}

impl Copy {
    /// An empty one, readable by its owner alone.
    ///
    /// # Errors
    /// The system's temporary directory can't be written.
    pub fn new(name: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir()?;
        Ok(Self { directory })
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// Put `text` at a place, with each old address replaced by a new one.
    ///
    /// # Errors
    /// An old address isn't there, or the file can't be written.
    pub fn configuration(&self, at: &str, text: &str, addresses: &[(&str, SocketAddr)]) -> Result<PathBuf> {
        let mut parts = vec![(text.to_owned(), false)];
        for (old, new) in addresses {
            let quoted = format!("\"{old}\"");
            ensure!(text.contains(&quoted), "{at} no longer names {quoted}");
            // New addresses stay out of reach of the next replacement.
            parts = parts.into_iter().flat_map(|part| split(part, &quoted, &format!("\"{new}\""))).collect();
        }
        let text: String = parts.into_iter().map(|(text, _)| text).collect();
        let path = self.path(at);
        write(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Copy all components of a directory.
    ///
    /// # Errors
    /// There are none, or they can't be copied.
    pub fn components(&self, from: &Path, to: &str) -> Result<()> {
        let directory = fs::read_dir(from).with_context(|| format!("can't read {}", from.display()))?;
        let mut found = false;
        for entry in directory {
            let path = entry?.path();
            if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|end| end == "wasm")) {
                write(&self.path(to).join(name), &fs::read(&path)?)?;
                found = true;
            }
        }
        ensure!(found, "no components in {}; run `cargo xtask plugins`", from.display());
        Ok(())
    }
}

/// Write a file by renaming, so that nobody ever sees half of it.
///
/// # Errors
/// It can't be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let put = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let part = path.with_extension("part");
        fs::write(&part, bytes)?;
        fs::rename(&part, path)
    };
    put().with_context(|| format!("can't write {}", path.display()))
}

/// Split a part that isn't replaced yet at each `old`, with `new` between.
fn split((text, done): (String, bool), old: &str, new: &str) -> Vec<(String, bool)> {
    if done {
        return vec![(text, true)];
    }
    let mut parts = Vec::new();
    for piece in text.split(old) {
        if !parts.is_empty() {
            parts.push((new.to_owned(), true));
        }
        parts.push((piece.to_owned(), false));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_replaced_once_each() {
        let copy = Copy::new("stage").unwrap();
        let text = r#"a = ["127.0.0.1:1", "127.0.0.1:2"]
b = "127.0.0.1:1""#;
        let new = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let path = copy.configuration("x/a.toml", text, &[("127.0.0.1:1", new(2)), ("127.0.0.1:2", new(3))]).unwrap();
        let expected = r#"a = ["127.0.0.1:2", "127.0.0.1:3"]
b = "127.0.0.1:2""#;
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
        let error = copy.configuration("x/a.toml", text, &[("127.0.0.1:9", new(2))]).unwrap_err().to_string();
        assert_eq!(error, "x/a.toml no longer names \"127.0.0.1:9\"");
    }
}
