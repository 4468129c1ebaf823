//! A configuration, read with all that it was made from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::model::Config;
use crate::config::{self, Problem};
use crate::reload::load;

/// A configuration, and what it was made from.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) config: Option<Arc<Config>>,
    pub(super) digest: [u8; 32],
    /// The dropped files: routes can name them.
    pub(super) dropped: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
    pub(super) include_directories: Vec<PathBuf>,
}

/// What the configuration's files say now, and what is wrong with them.
pub(super) fn read(path: &Path, running: Option<&Config>) -> (Read, Vec<Problem>) {
    let listing = |config: &Config| load::list(&config.plugins.directory);
    // Before the configuration is read: a file that is dropped meanwhile is seen the next time.
    let before = running.map(listing);
    let loaded = config::load_watched(path);
    let (config, problems) = match loaded.outcome {
        Ok(config) => (Some(Arc::new(config)), Vec::new()),
        Err(problems) => (None, problems),
    };
    let dropped = before.or_else(|| config.as_deref().map(listing)).unwrap_or_default();
    let (digest, files, include_directories) = (loaded.digest, loaded.files, loaded.include_directories);
    (Read { config, digest, dropped, files, include_directories }, problems)
}
