//! A file that is moved aside when it has become large: `access.log` to `access.log.1`, that to
//! `access.log.2`, and so on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

pub(super) struct RotatedFile {
    path: PathBuf,
    file: File,
    size: u64,
    /// In bytes; 0 for never.
    rotate: u64,
    /// Old files that are kept.
    keep: u32,
}

impl RotatedFile {
    pub fn open(path: &Path, rotate: u64, keep: u32) -> io::Result<Self> {
        let (file, size) = append_to(path)?;
        Ok(Self { path: path.to_owned(), file, size, rotate, keep })
    }

    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut rest = lines;
        while !rest.is_empty() {
            let room = self.rotate.saturating_sub(self.size);
            let fits = if self.rotate == 0 { rest.len() } else { whole_lines(rest, room, self.size == 0) };
            let Some((now, later)) = rest.split_at_checked(fits).filter(|(now, _)| !now.is_empty()) else {
                self.rotate()?;
                continue;
            };
            self.file.write_all(now)?;
            self.size += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    pub fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.size) = append_to(&self.path)?;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            // There may be no such file yet.
            let _ = std::fs::rename(self.numbered(number), self.numbered(number + 1));
        }
        let moved = match self.keep {
            0 => std::fs::remove_file(&self.path),
            _ => std::fs::rename(&self.path, self.numbered(1)),
        };
        // Somebody may have moved or removed it without a word; then a new one is begun all the same.
        moved.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        self.reopen()?;
        // Should somebody else have made the file anew, and large, it is written to all the same.
        self.size = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// How many bytes of whole lines fit into `room`; one line fits into an empty file whatever its length.
fn whole_lines(lines: &[u8], room: u64, empty: bool) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(lines.len());
    let within = lines.get(..room).unwrap_or(lines);
    match within.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None if empty => lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1),
        None => 0,
    }
}

/// Others than its owner and group mustn't read who visited what.
fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_full_file_is_moved_aside_between_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let mut file = RotatedFile::open(&path, 10, 2).unwrap();
        file.write(b"one\ntwo\nthree\n").unwrap();
        file.write(b"a line longer than ten\nx\n").unwrap();
        assert_eq!(read(&path), "x\n");
        assert_eq!(read(&directory.path().join("a.log.1")), "a line longer than ten\n");
        assert_eq!(read(&directory.path().join("a.log.2")), "three\n");
        assert!(!directory.path().join("a.log.3").exists());
    }

    #[test]
    fn what_is_there_already_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        std::fs::write(&path, "12345678\n").unwrap();
        RotatedFile::open(&path, 10, 1).unwrap().write(b"new\n").unwrap();
        assert_eq!((read(&path), read(&directory.path().join("a.log.1"))), ("new\n".into(), "12345678\n".into()));
    }

    #[test]
    fn a_file_that_was_removed_is_begun_anew_when_it_would_be_full() {
        for keep in [0, 2] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.log");
            let mut file = RotatedFile::open(&path, 10, keep).unwrap();
            file.write(b"12345678\n").unwrap();
            std::fs::remove_file(&path).unwrap();
            file.write(b"after\n").unwrap();
            assert_eq!(read(&path), "after\n");
        }
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("a.log"), directory.path().join("old.log"));
        let mut file = RotatedFile::open(&path, 0, 0).unwrap();
        file.write(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.write(b"two\n").unwrap();
        file.reopen().unwrap();
        file.write(b"three\n").unwrap();
        assert_eq!((read(&moved), read(&path)), ("one\ntwo\n".into(), "three\n".into()));
    }
}
