//! Reads text files of bounded size, and remembers which were read. Never follows anything but the
//! path it is given, and never waits for a pipe or device.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What a configuration draws on beside its text: files, and the environment.
pub(super) struct Surroundings<'a> {
    /// The directory of the main file; relative paths start there. As it was named, so that messages
    /// name files in the operator's own words.
    pub base: PathBuf,
    /// Looks up an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    read: RefCell<BTreeSet<PathBuf>>,
    /// Of all names and texts so far.
    digest: RefCell<Sha256>,
}

impl<'a> Surroundings<'a> {
    pub fn new(base: PathBuf, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { base, environment, read: RefCell::default(), digest: RefCell::default() }
    }

    /// The text of a file of at most `limit` bytes, and a note that it matters, even if it isn't there.
    ///
    /// # Errors
    /// Says why it couldn't be read.
    pub fn read(&self, path: &Path, limit: u64) -> Result<String, String> {
        self.note(path);
        let text = read_text(path, limit);
        self.digest(path, text.as_deref().unwrap_or_else(|reason| reason));
        text
    }

    /// Counts a text towards the digest.
    pub fn digest(&self, path: &Path, text: &str) {
        let mut digest = self.digest.borrow_mut();
        for part in [path.as_os_str().as_encoded_bytes(), text.as_bytes()] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }

    pub fn note(&self, path: &Path) {
        self.read.borrow_mut().insert(absolute(path));
    }

    /// The files that were asked for, absolute, and the digest of what they hold.
    pub fn into_files(self) -> (Vec<PathBuf>, [u8; 32]) {
        (self.read.into_inner().into_iter().collect(), self.digest.into_inner().finalize().into())
    }
}

/// Absolute, with symbolic links kept: when a link is changed, the new target counts.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    // "a/./b" comes out as "a/b"; an empty last component as nothing.
    path.components().collect()
}

fn read_text(path: &Path, limit: u64) -> Result<String, String> {
    // Before opening: to open a pipe is to wait for its writer.
    if !std::fs::metadata(path).map_err(reason)?.is_file() {
        return Err("isn't a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(reason)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() as u64 > limit {
        return Err(format!("is larger than {} KiB", limit >> 10));
    }
    String::from_utf8(bytes).map_err(|_| "isn't UTF-8 text".to_owned())
}

/// Why a file or directory couldn't be read, in words that follow its name.
pub(super) fn reason(error: std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "doesn't exist".to_owned(),
        ErrorKind::PermissionDenied => "can't be read: permission denied".to_owned(),
        _ => format!("can't be read: {error}"),
    }
}
