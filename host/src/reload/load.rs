//! Reads component files from the drop-in directory: once, whole, and only if nobody but the gateway's
//! owner could have written them. Never looks into the bytes.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// Bits of a mode that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// A component file as it was read.
#[derive(Debug, Clone)]
pub struct Read {
    pub bytes: Bytes,
    /// SHA-256 in hexadecimal.
    pub digest: String,
}

/// Why a file of the drop-in directory isn't used. The texts follow the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("doesn't exist; put it into {}", .0.display())]
    Missing(PathBuf),
    #[error("leads out of the plugin directory, to {}; copy the file into it", .0.display())]
    Outside(PathBuf),
    #[error("can be written by others than its owner (mode {mode:03o}); run `chmod go-w {}`", .path.display())]
    Writable { path: PathBuf, mode: u32 },
    #[error("is no regular file")]
    NotAFile,
    #[error("has {size} bytes; {limit} are the most")]
    TooLarge { size: u64, limit: u64 },
    #[error("can't be read: {0}")]
    Io(String),
}

/// Read the file `component` of the drop-in directory, at most `limit` bytes.
///
/// # Errors
/// Says why the file isn't used.
pub fn read(directory: &Path, component: &Path, limit: u64) -> Result<Read, FileError> {
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing(directory.to_owned()),
        _ => FileError::Io(error.to_string()),
    };
    let root = fs::canonicalize(directory).map_err(missing)?;
    let real = fs::canonicalize(root.join(component)).map_err(missing)?;
    if !real.starts_with(&root) {
        return Err(FileError::Outside(real));
    }
    check_directories(&root, &real)?;
    // Before opening: to open a pipe is to wait for its writer.
    if !fs::metadata(&real).map_err(missing)?.is_file() {
        return Err(FileError::NotAFile);
    }
    let mut file = File::open(&real).map_err(missing)?;
    let metadata = file.metadata().map_err(missing)?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile);
    }
    check_mode(&real, &metadata)?;
    let too_large = |size| FileError::TooLarge { size, limit };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.by_ref().take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(missing)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    let digest = digest(&bytes);
    Ok(Read { bytes: bytes.into(), digest })
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The names of the `.wasm` files right in the drop-in directory, sorted. A directory that can't be
/// listed is empty.
pub fn list(directory: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| PathBuf::from(entry.file_name()))
        .filter(|name| is_component(name))
        .collect();
    names.sort_unstable();
    names
}

/// Whether a file's name is that of a dropped component. Editors and copying tools put a dot before the
/// names of files that aren't ready.
fn is_component(name: &Path) -> bool {
    let hidden = name.as_os_str().as_encoded_bytes().starts_with(b".");
    !hidden && name.extension().is_some_and(|extension| extension == "wasm") && name.to_str().is_some()
}

/// Who can write to a directory can put another file in the place of one that was checked.
fn check_directories(root: &Path, file: &Path) -> Result<(), FileError> {
    for directory in file.ancestors().skip(1).take_while(|directory| directory.starts_with(root)) {
        let metadata = fs::metadata(directory).map_err(|error| FileError::Io(error.to_string()))?;
        check_mode(directory, &metadata)?;
    }
    Ok(())
}

fn check_mode(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS_WRITE != 0 && !is_read_only(path) {
        return Err(FileError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Whether the file system is mounted read-only, so that its modes don't matter: Kubernetes mounts a
/// `ConfigMap` with mode 0777.
fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|system| system.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of what the path leads to; none if there is nothing.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// A file that tests make up.
    #[cfg(test)]
    pub(super) fn for_test(inode: u64, size: u64) -> Self {
        Self { device: 1, inode, size, modified: (0, 0), changed: (0, 0) }
    }

    /// Whether both are of the same file, perhaps at different times.
    pub fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const LIMIT: u64 = 100;

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("plugins")).unwrap();
        set_mode(&directory.path().join("plugins"), 0o755);
        directory
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        set_mode(path, 0o644);
    }

    #[test]
    fn bytes_come_with_their_digest() {
        let base = directory();
        let plugins = base.path().join("plugins");
        write(&plugins.join("a.wasm"), "abc");
        let read = read(&plugins, Path::new("a.wasm"), LIMIT).unwrap();
        assert_eq!(read.bytes, "abc");
        assert_eq!(read.digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn links_may_lead_about_inside_but_not_outside() {
        let base = directory();
        let plugins = base.path().join("plugins");
        fs::create_dir(plugins.join("..2026")).unwrap();
        write(&plugins.join("..2026/a.wasm"), "inside");
        symlink("..2026", plugins.join("..data")).unwrap();
        symlink("..data/a.wasm", plugins.join("a.wasm")).unwrap();
        assert_eq!(read(&plugins, Path::new("a.wasm"), LIMIT).unwrap().bytes, "inside");

        write(&base.path().join("b.wasm"), "outside");
        symlink("../b.wasm", plugins.join("b.wasm")).unwrap();
        let outside = fs::canonicalize(base.path().join("b.wasm")).unwrap();
        assert_eq!(read(&plugins, Path::new("b.wasm"), LIMIT).unwrap_err(), FileError::Outside(outside.clone()));
        assert_eq!(read(&plugins, Path::new("../b.wasm"), LIMIT).unwrap_err(), FileError::Outside(outside));
    }

    #[test]
    fn what_others_can_write_is_refused_with_the_command_that_mends_it() {
        let base = directory();
        let plugins = base.path().join("plugins");
        let file = plugins.join("a.wasm");
        write(&file, "abc");
        set_mode(&file, 0o664);
        let error = read(&plugins, Path::new("a.wasm"), LIMIT).unwrap_err();
        let real = fs::canonicalize(&file).unwrap();
        let text = format!("can be written by others than its owner (mode 664); run `chmod go-w {}`", real.display());
        assert_eq!(error.to_string(), text);
        set_mode(&file, 0o644);
        set_mode(&plugins, 0o777);
        let error = read(&plugins, Path::new("a.wasm"), LIMIT).unwrap_err();
        assert!(matches!(error, FileError::Writable { mode: 0o777, .. }), "{error}");
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let base = directory();
        let plugins = base.path().join("plugins");
        let error = |name: &str| read(&plugins, Path::new(name), LIMIT).unwrap_err();
        assert_eq!(error("a.wasm"), FileError::Missing(plugins.clone()));
        fs::create_dir(plugins.join("b.wasm")).unwrap();
        assert_eq!(error("b.wasm"), FileError::NotAFile);
        write(&plugins.join("c.wasm"), &"x".repeat(101));
        assert_eq!(error("c.wasm"), FileError::TooLarge { size: 101, limit: 100 });
    }

    #[test]
    fn only_finished_components_are_listed() {
        let base = directory();
        let plugins = base.path().join("plugins");
        for name in ["b.wasm", "a.wasm", ".c.wasm", "d.wasm.part", "e.txt"] {
            write(&plugins.join(name), "");
        }
        assert_eq!(list(&plugins), [Path::new("a.wasm"), Path::new("b.wasm")]);
        assert_eq!(list(&base.path().join("nowhere")), [] as [&Path; 0]);
    }
}
