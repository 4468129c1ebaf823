//! Decides when changed files have come to rest. Pure: it is told the time and what the files look like.
//!
//! A change is taken up when nothing has changed for a moment, so that what belongs together comes
//! together; but not much later, however much goes on. A file that is being written in place is left out
//! until it rests, since half of it is worth nothing; one that is replaced by another is always whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::load::Stamp;

/// For so long nothing may change before a change is taken up.
pub const QUIET: Duration = Duration::from_millis(100);
/// After so long it is taken up all the same.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// For so long at most, a file that is being written is left out.
pub const LONGEST_WRITE: Duration = Duration::from_secs(10);

/// What watched files look like at one moment; none is a file that isn't there.
pub type Scan = BTreeMap<PathBuf, Option<Stamp>>;

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All is as it was when it was last taken up.
    Still,
    /// Look again then.
    Wait(Instant),
    /// Take it up, without the files that are still being written.
    Take { unsettled: BTreeSet<PathBuf> },
}

/// The changes that haven't been taken up.
#[derive(Debug, Default)]
pub struct Settle {
    /// As they were when they were last taken up.
    taken: Scan,
    changing: BTreeMap<PathBuf, Changing>,
}

/// One file that differs from what was taken up.
#[derive(Debug)]
struct Changing {
    stamp: Option<Stamp>,
    first: Instant,
    last: Instant,
    /// The same file was seen with different content.
    in_place: bool,
}

impl Changing {
    fn rests(&self, now: Instant) -> bool {
        now >= self.last + QUIET
    }

    fn due(&self, now: Instant) -> bool {
        let patience = if self.in_place { LONGEST_WRITE } else { PATIENCE };
        self.rests(now) || now >= self.first + patience
    }
}

impl Settle {
    /// Take `scan` as known.
    pub fn new(scan: Scan) -> Self {
        Self { taken: scan, changing: BTreeMap::new() }
    }

    /// Compare what there is now with what is known. What is to be taken up counts as known from then on.
    pub fn observe(&mut self, now: Instant, scan: &Scan) -> Verdict {
        self.note_changes(now, scan);
        let Some(first) = self.changing.values().map(|changing| changing.first).min() else {
            return Verdict::Still;
        };
        let everything_rests = self.changing.values().all(|changing| changing.rests(now));
        let out_of_patience = now >= first + PATIENCE && self.changing.values().any(|changing| changing.due(now));
        if everything_rests || out_of_patience {
            return Verdict::Take { unsettled: self.take(now) };
        }
        let next = |changing: &Changing| {
            let rests = changing.last + QUIET;
            if rests > now { rests } else { first + PATIENCE }
        };
        Verdict::Wait(self.changing.values().map(next).min().unwrap_or(now + QUIET).max(now + QUIET / 10))
    }

    fn note_changes(&mut self, now: Instant, scan: &Scan) {
        let known = |taken: &Scan, path: &Path| taken.get(path).copied().flatten();
        // A file that isn't in the scan any more is gone, or isn't of interest any more.
        let gone: Vec<PathBuf> =
            self.taken.keys().chain(self.changing.keys()).filter(|path| !scan.contains_key(*path)).cloned().collect();
        let gone = gone.iter().map(|path| (path, &None));
        for (path, stamp) in scan.iter().chain(gone) {
            if *stamp == known(&self.taken, path) {
                // Perhaps it was changed and changed back.
                self.changing.remove(path);
                continue;
            }
            match self.changing.get_mut(path) {
                Some(changing) if changing.stamp == *stamp => {}
                Some(changing) => {
                    changing.in_place = match (changing.stamp, stamp) {
                        (Some(before), Some(after)) => before.same_file(after),
                        _ => false,
                    };
                    changing.stamp = *stamp;
                    changing.last = now;
                }
                None => {
                    let in_place = match (known(&self.taken, path), stamp) {
                        (Some(before), Some(after)) => before.same_file(after),
                        _ => false,
                    };
                    let changing = Changing { stamp: *stamp, first: now, last: now, in_place };
                    self.changing.insert(path.clone(), changing);
                }
            }
        }
    }

    fn take(&mut self, now: Instant) -> BTreeSet<PathBuf> {
        let mut unsettled = BTreeSet::new();
        let taken = &mut self.taken;
        self.changing.retain(|path, changing| {
            if !changing.due(now) {
                unsettled.insert(path.clone());
                return true;
            }
            match changing.stamp {
                Some(stamp) => taken.insert(path.clone(), Some(stamp)),
                None => taken.remove(path),
            };
            false
        });
        unsettled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of so many bytes; `inode` tells files apart.
    fn stamp(inode: u64, size: u64) -> Option<Stamp> {
        Some(Stamp::for_test(inode, size))
    }

    fn scan(files: &[(&str, Option<Stamp>)]) -> Scan {
        files.iter().map(|(path, stamp)| (PathBuf::from(path), *stamp)).collect()
    }

    fn set(paths: &[&str]) -> BTreeSet<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    /// Shows `look(ms)` to a settle that knows `before`, as often as it asks, and says when it takes up
    /// what, within `until` milliseconds.
    fn play(before: Scan, until: u64, look: impl Fn(u64) -> Scan) -> Vec<(u64, BTreeSet<PathBuf>)> {
        let start = Instant::now();
        let mut settle = Settle::new(before);
        let mut taken = Vec::new();
        let mut now = 0;
        while now <= until {
            match settle.observe(start + Duration::from_millis(now), &look(now)) {
                Verdict::Take { unsettled } => taken.push((now, unsettled)),
                Verdict::Wait(next) => {
                    let next = next.duration_since(start).as_millis() as u64;
                    assert!(next > now, "waiting until {next} at {now} is no waiting");
                }
                Verdict::Still => {}
            }
            // Events come all the time.
            now += 10;
        }
        taken
    }

    #[test]
    fn one_change_is_taken_up_after_a_quiet_moment() {
        let before = scan(&[("a", stamp(1, 10))]);
        let taken = play(before, 1000, |now| scan(&[("a", if now < 50 { stamp(1, 10) } else { stamp(2, 10) })]));
        assert_eq!(taken, [(150, set(&[]))]);
    }

    #[test]
    fn what_comes_together_is_taken_up_together() {
        let taken = play(Scan::new(), 1000, |now| {
            let mut files = vec![("a", stamp(1, 1))];
            if now >= 60 {
                files.push(("b", stamp(2, 1)));
            }
            scan(&files)
        });
        assert_eq!(taken, [(160, set(&[]))]);
    }

    #[test]
    fn a_file_that_grows_is_left_out_until_it_rests() {
        // "b" is replaced while "a" is being copied for two seconds.
        let taken = play(scan(&[("b", stamp(9, 1))]), 3000, |now| {
            scan(&[("a", stamp(1, now.min(2000))), ("b", stamp(if now < 100 { 9 } else { 8 }, 1))])
        });
        assert_eq!(taken, [(500, set(&["a"])), (2100, set(&[]))]);
    }

    #[test]
    fn a_file_that_is_written_for_ever_is_taken_up_at_last() {
        let taken = play(Scan::new(), 10_500, |now| scan(&[("a", stamp(1, now + 1))]));
        assert_eq!(taken.first(), Some(&(10_000, set(&[]))));
    }

    #[test]
    fn replacing_without_end_is_taken_up_again_and_again() {
        let taken = play(Scan::new(), 1600, |now| scan(&[("a", stamp(now, 1))]));
        let times: Vec<u64> = taken.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, [500, 1010, 1520]);
    }

    #[test]
    fn deletion_and_return_are_changes() {
        let whole = scan(&[("a", stamp(1, 1))]);
        let look = |now| if (100..400).contains(&now) { Scan::new() } else { scan(&[("a", stamp(1, 1))]) };
        assert_eq!(play(whole.clone(), 1000, look).len(), 2);
        // Gone for a moment only: nothing has changed.
        let look = |now| if (100..150).contains(&now) { Scan::new() } else { scan(&[("a", stamp(1, 1))]) };
        assert_eq!(play(whole, 1000, look), []);
    }
}
