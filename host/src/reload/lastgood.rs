//! The bytes last served under each plugin's name, on disk: what a start falls back on when a file is
//! broken then. Written whole or not at all, believed only if their digest is right.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::load::digest;

/// A directory of last good versions.
#[derive(Debug)]
pub struct LastGood {
    directory: PathBuf,
}

/// One kept version.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    path: PathBuf,
    digest: String,
    modified: SystemTime,
}

impl LastGood {
    /// Keep them under `cache`, the gateway's own directory.
    ///
    /// # Errors
    /// The directory can't be made.
    pub fn open(cache: &Path) -> io::Result<Self> {
        let directory = cache.join("last-good");
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    /// Keep what `name` serves now.
    ///
    /// # Errors
    /// It couldn't be written; what was kept before still is.
    pub fn store(&self, name: &str, content: &[u8], digest: &str) -> io::Result<()> {
        let path = self.directory.join(format!("{}-{digest}.wasm", encode(name)));
        let kept = self.kept(name);
        if !kept.iter().any(|kept| kept.path == path) {
            self.write(&path, content)?;
        }
        for old in kept.iter().filter(|kept| kept.path != path) {
            // A leftover is older than what was just written, and so never used.
            drop(fs::remove_file(&old.path));
        }
        Ok(())
    }

    /// What `name` served last, if that is known and whole.
    pub fn load(&self, name: &str) -> Option<Vec<u8>> {
        let newest = self.kept(name).into_iter().max_by_key(|kept| kept.modified)?;
        let mut content = Vec::new();
        File::open(&newest.path).ok()?.read_to_end(&mut content).ok()?;
        if digest(&content) != newest.digest {
            tracing::warn!(plugin = name, file = %newest.path.display(), "the last good version is damaged");
            return None;
        }
        Some(content)
    }

    fn kept(&self, name: &str) -> Vec<Kept> {
        let name = encode(name);
        let of_name = |entry: fs::DirEntry| {
            let file = entry.file_name().into_string().ok()?;
            let digest = file.strip_prefix(&name)?.strip_prefix('-')?.strip_suffix(".wasm")?;
            if digest.len() != 64 {
                return None;
            }
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok()?;
            Some(Kept { path: entry.path(), digest: digest.to_owned(), modified })
        };
        fs::read_dir(&self.directory).into_iter().flatten().flatten().filter_map(of_name).collect()
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        // Two gateways may share the directory.
        let part = self.directory.join(format!(".part-{}-{:x}", std::process::id(), unique()));
        let written = (|| {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&part)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&part, path)?;
            File::open(&self.directory)?.sync_all()
        })();
        if written.is_err() {
            drop(fs::remove_file(&part));
        }
        written
    }
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    // For file names only: gateways in one process share nothing by it.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A plugin's name as part of a file's name: what isn't a letter, digit, `-`, `_` or `.` as `%2F`.
fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(byte)),
            b'.' if !text.is_empty() => text.push('.'),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn store(kept: &LastGood, name: &str, content: &str) {
        kept.store(name, content.as_bytes(), &digest(content.as_bytes())).unwrap();
    }

    #[test]
    fn the_last_version_of_each_name_is_kept() {
        let cache = tempfile::tempdir().unwrap();
        let kept = LastGood::open(cache.path()).unwrap();
        store(&kept, "keys", "one");
        store(&kept, "keys", "two");
        store(&kept, "keys-two", "other");
        store(&kept, "keys", "one");
        store(&kept, "../..", "strange");
        let again = LastGood::open(cache.path()).unwrap();
        assert_eq!(again.load("keys").unwrap(), b"one");
        assert_eq!(again.load("keys-two").unwrap(), b"other");
        assert_eq!(again.load("../..").unwrap(), b"strange");
        assert_eq!(again.load("nobody"), None);
        assert_eq!(fs::read_dir(cache.path().join("last-good")).unwrap().count(), 3);
    }

    #[test]
    fn damaged_bytes_are_not_believed() {
        let cache = tempfile::tempdir().unwrap();
        let kept = LastGood::open(cache.path()).unwrap();
        store(&kept, "keys", "whole");
        let path = kept.kept("keys")[0].path.clone();
        fs::write(path, "whol").unwrap();
        assert_eq!(kept.load("keys"), None);
    }

    #[test]
    fn nobody_else_can_read_or_write_them() {
        let cache = tempfile::tempdir().unwrap();
        let kept = LastGood::open(cache.path()).unwrap();
        store(&kept, "keys", "content");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&kept.directory), 0o700);
        assert_eq!(mode(&kept.kept("keys")[0].path), 0o600);
    }
}
