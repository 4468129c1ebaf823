//! Where lines go in the end. Only the writer's thread comes here, so that it may block.

use std::io::{self, Write as _};

use super::file::RotatedFile;
use super::syslog::Syslog;
use crate::config::model::AccessOutput;

/// An opened output.
pub(super) enum Sink {
    Stdout,
    Stderr,
    File(RotatedFile),
    Syslog(Syslog),
}

impl Sink {
    /// # Errors
    /// It can't be opened.
    pub fn open(output: &AccessOutput) -> io::Result<Self> {
        Ok(match output {
            AccessOutput::Stdout => Self::Stdout,
            AccessOutput::Stderr => Self::Stderr,
            AccessOutput::File { path, rotate, keep } => Self::File(RotatedFile::open(path, *rotate, *keep)?),
            AccessOutput::Syslog { target, facility } => Self::Syslog(Syslog::open(target, *facility)?),
        })
    }

    /// Write whole lines.
    ///
    /// # Errors
    /// Some of them weren't written.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines).and_then(|()| out.flush())
            }
            Self::Stderr => io::stderr().lock().write_all(lines),
            Self::File(file) => file.write(lines),
            Self::Syslog(syslog) => syslog.write(lines),
        }
    }

    /// Another program has moved the file away: begin a new one.
    ///
    /// # Errors
    /// It can't be opened; the old one is used on.
    pub fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout | Self::Stderr => Ok(()),
            Self::File(file) => file.reopen(),
            Self::Syslog(syslog) => syslog.reopen(),
        }
    }
}
