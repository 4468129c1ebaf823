//! Compiled components on disk. A file is named by the component's digest and the engine that it was
//! compiled for, is written whole or not at all, and is believed only if its own hash is right.
//!
//! The files are machine code that the gateway will run. That is why the directory must belong to the
//! gateway's user and be writable by nobody else; nothing here ever loosens that.

use std::fs::{self, DirBuilder, File, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::HostError;

/// Files kept; the longest unused ones go first.
const MOST_FILES: usize = 256;
/// Files written between looks at how many there are.
const PRUNE_EVERY: usize = 64;
/// Before each file's content: what it is, and the content's SHA-256.
const MAGIC: &[u8; 8] = b"sluice01";
const HEADER: usize = MAGIC.len() + 32;
/// A bound against nonsense: the largest component compiles to a tenth of this.
const MAX_FILE: u64 = 1 << 30;

/// A directory of compiled components.
pub(crate) struct Cache {
    directory: PathBuf,
    stored: AtomicUsize,
}

impl Cache {
    /// Use `directory`, made with mode 0700 if it isn't there.
    ///
    /// # Errors
    /// It can't be made, isn't the gateway's own, or others may write to it.
    pub(crate) fn open(directory: &Path) -> Result<Self, HostError> {
        let fault = |reason: String| HostError::Cache { path: directory.to_owned(), reason };
        let io_fault = |error: io::Error| fault(error.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io_fault)?;
        let metadata = fs::metadata(directory).map_err(io_fault)?;
        if !metadata.is_dir() {
            return Err(fault("it is no directory".into()));
        }
        check_owner(&metadata).map_err(fault)?;
        let cache = Self { directory: directory.to_owned(), stored: AtomicUsize::new(0) };
        cache.prune();
        Ok(cache)
    }

    /// The compiled component of that digest; none if there is none that can be trusted.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(engine, digest);
        let compiled = match read(&path) {
            Ok(compiled) => compiled,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a compiled plugin can't be used; compiling it again");
                return None;
            }
        };
        // SAFETY: `deserialize` runs what it is given, so the bytes must be what `serialize` made. They come
        // from a directory and a file that belong to our own user and that no other user may write to
        // (checked by `open` and `read`), their hash shows that they are whole, and their name that they
        // are for this very engine configuration, which wasmtime checks as well. Whoever could forge
        // such a file could replace the gateway's own binary.
        match unsafe { Component::deserialize(engine, compiled) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a compiled plugin can't be used; compiling it again");
                None
            }
        }
    }

    /// Keep a compiled component. A failure is logged: the cache only saves time.
    pub(crate) fn store(&self, engine: &Engine, digest: &str, component: &Component) {
        let path = self.path(engine, digest);
        let compiled = match component.serialize() {
            Ok(compiled) => compiled,
            Err(error) => return tracing::warn!(%error, "a compiled plugin can't be kept"),
        };
        if let Err(error) = write(&path, &compiled) {
            tracing::warn!(file = %path.display(), %error, "a compiled plugin can't be kept");
        }
        if self.stored.fetch_add(1, Ordering::Relaxed) % PRUNE_EVERY == PRUNE_EVERY - 1 {
            self.prune();
        }
    }

    fn path(&self, engine: &Engine, digest: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.directory.join(format!("{digest}-{:016x}.cwasm", hasher.finish()))
    }

    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        let mut files: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "cwasm" || extension == "part"))
            .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
            .collect();
        files.sort_unstable_by(|a, b| b.cmp(a));
        for (_, path) in files.into_iter().skip(MOST_FILES) {
            // Another gateway with the same cache may have been faster.
            drop(fs::remove_file(path));
        }
    }
}

fn check_owner(metadata: &fs::Metadata) -> Result<(), String> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user; give the gateway a directory of its own".into());
    }
    if metadata.mode() & 0o022 != 0 {
        return Err("others may write to it; `chmod go-w` it, or give the gateway a directory of its own".into());
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    check_owner(&metadata).map_err(io::Error::other)?;
    if metadata.len() > MAX_FILE {
        return Err(io::Error::other("it is too large"));
    }
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    let mut compiled = Vec::new();
    file.read_to_end(&mut compiled)?;
    let (magic, hash) = header.split_at(MAGIC.len());
    if magic != MAGIC || hash != Sha256::digest(&compiled).as_slice() {
        return Err(io::Error::other("it is damaged"));
    }
    // What is used stays longest. A read-only file system is no reason to complain.
    drop(file.set_modified(SystemTime::now()));
    Ok(compiled)
}

fn write(path: &Path, compiled: &[u8]) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let part = path.with_extension(format!("{}-{unique}.part", std::process::id()));
    let written = (|| {
        let mut file = File::create_new(&part)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(compiled))?;
        file.write_all(compiled)?;
        fs::rename(&part, path)
    })();
    if written.is_err() {
        drop(fs::remove_file(&part));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        Engine::new(wasmtime::Config::new().concurrency_support(false)).unwrap()
    }

    fn component(engine: &Engine) -> Component {
        Component::from_binary(engine, &wat::parse_str("(component (core module (memory 1)))").unwrap()).unwrap()
    }

    #[test]
    fn keeps_and_finds_again() {
        let directory = tempfile::tempdir().unwrap();
        let (engine, cache) = (engine(), Cache::open(&directory.path().join("a/b")).unwrap());
        assert_eq!(fs::metadata(directory.path().join("a/b")).unwrap().mode() & 0o777, 0o700);
        assert!(cache.load(&engine, "d").is_none());
        cache.store(&engine, "d", &component(&engine));
        assert!(cache.load(&engine, "d").is_some());
        assert_eq!(fs::metadata(cache.path(&engine, "d")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let (engine, cache) = (engine(), Cache::open(&directory.path().join("c")).unwrap());
        cache.store(&engine, "d", &component(&engine));
        let path = cache.path(&engine, "d");
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&flipped[..], &whole[..whole.len() / 2], b"", b"sluice01"] {
            fs::write(&path, damaged).unwrap();
            assert!(cache.load(&engine, "d").is_none());
        }
        fs::write(&path, &whole).unwrap();
        assert!(cache.load(&engine, "d").is_some());
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert!(cache.load(&engine, "d").is_none(), "others may write to it");
    }

    #[test]
    fn stays_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let (engine, cache) = (engine(), Cache::open(&directory.path().join("c")).unwrap());
        let component = component(&engine);
        for index in 0..MOST_FILES + 2 * PRUNE_EVERY {
            cache.store(&engine, &index.to_string(), &component);
        }
        assert_eq!(fs::read_dir(directory.path().join("c")).unwrap().count(), MOST_FILES);
        assert!(cache.load(&engine, &(MOST_FILES + 2 * PRUNE_EVERY - 1).to_string()).is_some(), "the newest stays");
    }

    #[test]
    fn refuses_a_directory_that_others_write_to() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(
            matches!(Cache::open(directory.path()), Err(HostError::Cache { reason, .. }) if reason.contains("chmod"))
        );
    }
}
