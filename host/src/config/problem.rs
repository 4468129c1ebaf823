//! What is wrong with a configuration: collected, never thrown, so that one run reports everything.
//! Nothing here decides what is wrong, and no value that may be secret ever gets into a problem.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One error of a configuration: where it is, what is wrong, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named on the command line, or beside the main file.
    pub file: PathBuf,
    /// Counted from 1; 0 if the file as a whole is meant.
    pub line: usize,
    /// The entry and the key in it: `route "users": match.path`. Empty if the file as a whole is meant.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub file: Arc<Path>,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A value and where it is written.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub value: T,
    pub place: Place,
}

/// What is wrong with one value, for whoever knows where it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub message: String,
    pub remedy: String,
}

impl Fault {
    pub fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }

    /// A key or value of the contract that this version doesn't have yet.
    pub fn unsupported(what: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self::new(format!("{what} is not supported in this version"), remedy)
    }
}

/// The collection. Shared by everything that reads one configuration.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub fn add(&self, place: &Place, key: impl Into<String>, fault: Fault) {
        self.0.borrow_mut().push(Problem {
            file: place.file.to_path_buf(),
            line: place.line,
            key: key.into(),
            message: fault.message,
            remedy: fault.remedy,
        });
    }

    pub fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Drops the problems since the first `from` that `keep` refuses.
    pub fn retain_since(&self, from: usize, mut keep: impl FnMut(&Problem) -> bool) {
        let mut index = 0;
        self.0.borrow_mut().retain(|problem| {
            index += 1;
            index <= from || keep(problem)
        });
    }

    /// Everything found, file by file in the order of `files`, line by line.
    pub fn into_sorted(self, files: &[Arc<Path>]) -> Vec<Problem> {
        let mut all = self.0.into_inner();
        let order = |problem: &Problem| files.iter().position(|file| **file == *problem.file).unwrap_or(usize::MAX);
        all.sort_by_cached_key(|problem| (order(problem), problem.line, problem.key.clone()));
        all.dedup();
        all
    }
}

/// A text of the configuration in quotes, without control characters, cut where it gets long.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String =
        text.chars().take(LONGEST).collect::<String>().escape_debug().to_string().replace("\\'", "'");
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}
