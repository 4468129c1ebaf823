//! Notices that a file which matters has changed.
//!
//! The system's notifications only wake this up; what changed is found by looking. So nothing depends on
//! the kind or the order of events, and a missed one costs a few seconds. Directories are watched rather
//! than files, with the directories that lead to them through links, so that editors' renames, swapped
//! links and directories made anew are seen. Nothing here reads a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::load::Stamp;
use super::settle::{Scan, Settle, Verdict};

/// How long to wait for an event before looking all the same.
const POLL: Duration = Duration::from_secs(2);
/// How long to wait after an event for those that come with it.
const BREATH: Duration = Duration::from_millis(10);
/// Links followed to find what a path means.
const MOST_LINKS: usize = 40;

/// What matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Absolute paths, whether they exist or not.
    pub files: Vec<PathBuf>,
    /// Directories in which every file matters whose name doesn't begin with a dot.
    pub directories: Vec<PathBuf>,
}

impl Watched {
    fn scan(&self) -> Scan {
        let mut scan: Scan = self.files.iter().map(|path| (path.clone(), Stamp::of(path))).collect();
        for entry in self.directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten() {
            // Files that aren't ready have such names, and so has the cache.
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let path = entry.path();
            if !hidden && path.is_file() {
                scan.insert(path.clone(), Stamp::of(&path));
            }
        }
        scan
    }
}

/// Watches for changes.
pub struct Watch {
    watched: Watched,
    settle: Settle,
    wake: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    /// The directories that are watched, by what they were when it began.
    armed: BTreeMap<PathBuf, (u64, u64)>,
    /// Whether the operator was told that there are no notifications.
    complained: bool,
    poll: Duration,
}

impl Watch {
    /// Watch `watched`. All of it counts as changed at first, since what was read of it may be older.
    pub fn new(watched: Watched) -> Self {
        Self {
            settle: Settle::default(),
            watched,
            wake: Arc::default(),
            watcher: None,
            armed: BTreeMap::new(),
            complained: false,
            poll: POLL,
        }
    }

    /// Watch something else from now on. What is new in it counts as changed. Whether it is something else.
    pub fn set(&mut self, watched: Watched) -> bool {
        let differs = self.watched != watched;
        self.watched = watched;
        differs
    }

    /// Take everything up as it is now, settled or not.
    pub fn take(&mut self) {
        self.arm();
        self.settle = Settle::new(self.watched.scan());
    }

    /// Wait for changes that have come to rest. Returns the files that are still being written, which
    /// are best left alone this time. May be dropped and called again.
    pub async fn changed(&mut self) -> BTreeSet<PathBuf> {
        loop {
            // First watch, then look: what happens after the look wakes us.
            self.arm();
            let now = Instant::now();
            let until = match self.settle.observe(now, &self.watched.scan()) {
                Verdict::Take { unsettled } => return unsettled,
                Verdict::Wait(until) => until,
                Verdict::Still => now + self.poll,
            };
            tokio::select! {
                () = self.wake.notified() => tokio::time::sleep(BREATH).await,
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// See to it that all directories that matter are watched, as they are now: one that was made anew
    /// needs a new watch.
    fn arm(&mut self) {
        let directories = directories(&self.watched);
        let identify = |path: PathBuf| {
            let stamp = Stamp::of(&path)?;
            Some((path, (stamp.device, stamp.inode)))
        };
        let wanted: BTreeMap<PathBuf, (u64, u64)> = directories.into_iter().filter_map(identify).collect();
        if wanted == self.armed && (self.watcher.is_some() || self.complained) {
            return;
        }
        match start(&wanted, self.wake.clone()) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => {
                self.watcher = None;
                if !self.complained {
                    tracing::warn!(%error, "no notifications of file changes; looking every two seconds instead");
                }
                self.complained = true;
            }
        }
        self.armed = wanted;
    }
}

fn start(directories: &BTreeMap<PathBuf, (u64, u64)>, wake: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // To read a file is an event too, and we read.
        let reading = |event: &notify::Event| matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
        if !event.as_ref().is_ok_and(reading) {
            wake.notify_one();
        }
    })?;
    for directory in directories.keys() {
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            // It has gone since; the next look finds what is there instead.
            Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
            watching => watching?,
        }
    }
    Ok(watcher)
}

/// Every directory in which something can happen that changes what the watched paths mean.
fn directories(watched: &Watched) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    for file in &watched.files {
        trace(file, &mut directories);
        // Were the directory itself replaced, only its parent would say so.
        if let Some(parent) = file.parent() {
            trace(parent, &mut directories);
        }
    }
    for directory in &watched.directories {
        trace(directory, &mut directories);
        add_existing(directory, &mut directories);
    }
    directories
}

/// Add the directory that holds what `path` leads to, and those that hold the links on the way.
fn trace(path: &Path, directories: &mut BTreeSet<PathBuf>) {
    let mut rest: Vec<PathBuf> = Vec::new();
    let push = |path: &Path, rest: &mut Vec<PathBuf>| {
        rest.extend(path.components().rev().map(|component| PathBuf::from(component.as_os_str())));
    };
    push(path, &mut rest);
    let mut walked = PathBuf::new();
    let mut links = 0;
    while let Some(next) = rest.pop() {
        match next.components().next() {
            Some(Component::ParentDir) => {
                walked.pop();
            }
            Some(Component::CurDir) | None => {}
            Some(_) => walked.push(&next),
        }
        let Ok(target) = fs::read_link(&walked) else { continue };
        links += 1;
        if links > MOST_LINKS {
            return;
        }
        walked.pop();
        add_existing(&walked, directories);
        push(&target, &mut rest);
    }
    if let Some(parent) = walked.parent() {
        add_existing(parent, directories);
    }
}

/// Add the directory, or, if there is none, the nearest one above it.
fn add_existing(path: &Path, directories: &mut BTreeSet<PathBuf>) {
    if let Some(directory) = path.ancestors().find(|ancestor| ancestor.is_dir()) {
        directories.insert(directory.to_owned());
    }
}

#[cfg(test)]
mod tests;
