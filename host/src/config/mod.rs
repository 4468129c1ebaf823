//! Configuration: read, checked and resolved.
//!
//! A file goes through three forms: the parsed [`document`], the configuration as [`written`] (each
//! key checked by itself), and the resolved [`model`] that the rest of the gateway works with. Every
//! error is reported in one go, with its place and a remedy; none shows a value that may be secret.
//! Nothing here loads components, opens sockets or looks names up in the network.

mod document;
mod entry;
mod files;
mod include;
pub mod model;
mod network;
mod pattern;
mod problem;
mod redis_url;
mod resolve;
mod schema;
mod secrets;
mod show;
mod suggest;
#[cfg(test)]
mod tests;
mod values;
mod written;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use document::{Document, Node};
use files::{Surroundings, absolute};
use model::Config;
pub use problem::Problem;
use problem::{Fault, Place, Problems};
pub use schema::schema;
use written::Written;

/// Bound of a configuration file in bytes.
const LARGEST: u64 = 4 << 20;

/// The outcome of reading a configuration, and what to watch for the next.
#[derive(Debug)]
pub struct Loaded {
    pub outcome: Result<Config, Vec<Problem>>,
    /// What is sound of a configuration that was refused, if all of its files could be parsed: to find what
    /// else is wrong, never to serve.
    pub sound_part: Option<Config>,
    /// Every file that was asked for, absolute, whether it could be read or not: creating a missing
    /// one may mend the configuration.
    pub files: Vec<PathBuf>,
    /// Directories in which a new file could match an `include` pattern, absolute.
    pub include_directories: Vec<PathBuf>,
    /// Of everything that was read: with the same digest, the configuration is the same.
    pub digest: [u8; 32],
}

/// Reads the configuration in the file `path`, and all it refers to.
///
/// # Errors
/// Everything that is wrong with it, in the order of files and lines.
pub fn load(path: &Path) -> Result<Config, Vec<Problem>> {
    load_watched(path).outcome
}

/// As [`load`], and says what to watch even if the configuration is refused.
pub fn load_watched(path: &Path) -> Loaded {
    Loading::new(path, &|name| std::env::var(name).ok()).run(None)
}

/// As [`load`], with the text of the main file given, e.g. by someone who edits it.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, path: &Path) -> Result<Config, Vec<Problem>> {
    Loading::new(path, &|name| std::env::var(name).ok()).run(Some(text)).outcome
}

/// One run.
struct Loading<'a> {
    path: &'a Path,
    surroundings: Surroundings<'a>,
    problems: Problems,
    written: Written,
    /// The files of the configuration, as messages name them, in order.
    order: Vec<Arc<Path>>,
    include_directories: Vec<PathBuf>,
    /// Whether a file couldn't be read or parsed, so that names may seem missing that aren't.
    incomplete: bool,
}

impl<'a> Loading<'a> {
    fn new(path: &'a Path, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
        Self {
            path,
            surroundings: Surroundings::new(base, environment),
            problems: Problems::default(),
            written: Written::default(),
            order: Vec::new(),
            include_directories: Vec::new(),
            incomplete: false,
        }
    }

    fn run(mut self, text: Option<&str>) -> Loaded {
        let includes = match text {
            Some(text) => {
                self.surroundings.note(self.path);
                self.surroundings.digest(self.path, text);
                self.read_document(text, self.path.into(), true)
            }
            None => self.read_file(self.path, None),
        };
        for (file, place) in includes {
            self.read_file(&file, Some(&place));
        }
        let config = (!self.incomplete)
            .then(|| resolve::resolve(self.written, self.path, &self.surroundings.base, &self.problems));
        let (files, digest) = self.surroundings.into_files();
        let include_directories = self.include_directories;
        let config = config.map(|config| Config {
            files: files.clone(),
            include_directories: include_directories.clone(),
            ..config
        });
        let (outcome, sound_part) = match config {
            Some(config) if self.problems.len() == 0 => (Ok(config), None),
            sound_part => (Err(self.problems.into_sorted(&self.order)), sound_part),
        };
        Loaded { outcome, sound_part, files, include_directories, digest }
    }

    /// Reads one file; `included` is where an `include` names it. Returns the files that it includes.
    fn read_file(&mut self, path: &Path, included: Option<&Place>) -> Vec<(PathBuf, Place)> {
        match self.surroundings.read(path, LARGEST) {
            Ok(text) => self.read_document(&text, path.into(), included.is_none()),
            Err(reason) => {
                self.incomplete = true;
                match included {
                    Some(place) => {
                        let message = format!("the file {} {reason}", problem::quote(&path.to_string_lossy()));
                        self.problems.add(
                            place,
                            "include",
                            Fault::new(message, "correct the name, or create the file"),
                        );
                    }
                    None => {
                        let place = Place { file: path.into(), line: 0 };
                        let fault = Fault::new(
                            format!("the configuration file {reason}"),
                            "name a readable file with --config",
                        );
                        self.problems.add(&place, "", fault);
                    }
                }
                Vec::new()
            }
        }
    }

    fn read_document(&mut self, text: &str, file: Arc<Path>, main: bool) -> Vec<(PathBuf, Place)> {
        // Editors on some systems begin a file with it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        self.order.push(file.clone());
        let document = Document::parse(text, file, &self.problems);
        self.incomplete |= document.is_damaged();
        let before = self.problems.len();
        self.written.add(&document, main, &self.surroundings, &self.problems);
        let includes = if main { self.find_includes(&document) } else { Vec::new() };
        self.problems.retain_since(before, |problem| document.is_sound_at(problem.line));
        includes.into_iter().filter(|(_, place)| document.is_sound_at(place.line)).collect()
    }

    /// The files that the main file includes, each once, with the line that names it.
    fn find_includes(&mut self, document: &Document<'_>) -> Vec<(PathBuf, Place)> {
        let mut files: Vec<(PathBuf, Place)> = Vec::new();
        let mut seen = BTreeSet::from([absolute(self.path)]);
        let Some(value) = document.root().get("include") else { return files };
        let node = Node::new(value, &document.source);
        let Some(patterns) = node.items() else {
            let message = format!("expected an array of patterns, found {}", node.kind());
            self.problems.add(&node.place(), "include", Fault::new(message, "write include = [\"routes.d/*.toml\"]"));
            return files;
        };
        for pattern in patterns {
            match include::find(pattern, &self.surroundings.base) {
                Ok(found) => {
                    for directory in found.directory.iter().map(|directory| absolute(directory)) {
                        if !self.include_directories.contains(&directory) {
                            self.include_directories.push(directory);
                        }
                    }
                    for file in found.files {
                        if seen.insert(absolute(&file)) {
                            files.push((file, pattern.place()));
                        }
                    }
                }
                Err(fault) => {
                    self.incomplete = true;
                    self.problems.add(&pattern.place(), "include", fault);
                }
            }
        }
        files
    }
}
