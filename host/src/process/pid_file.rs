//! A file that tells the process's number to those who signal it. It is taken away at the end, unless a successor has
//! written its own number by then.

use std::io;
use std::path::{Path, PathBuf};

/// The file, as long as the process is the one that it names.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Write the number of this process, over that of another. The file is replaced at once, so that nobody reads
    /// half a number.
    ///
    /// # Errors
    /// The directory isn't there or can't be written to.
    pub fn write(path: &Path) -> io::Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(".new");
        std::fs::write(&part, format!("{}\n", std::process::id()))?;
        std::fs::rename(&part, path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let own = std::process::id().to_string();
        if std::fs::read_to_string(&self.0).is_ok_and(|text| text.trim() == own) {
            // If it can't be removed, it names a process that isn't there, as after a crash.
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_its_process_and_not_with_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sluice.pid");
        let file = PidFile::write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
        let file = PidFile::write(&path).unwrap();
        std::fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists());
        assert!(PidFile::write(&directory.path().join("none/sluice.pid")).is_err());
    }
}
