//! The last reloads and what came of them: for whoever asks the admin API.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::metrics::Reload;

/// Kept at a time.
const MOST: usize = 50;

/// One reload that found something, or that somebody asked for.
#[derive(Debug, Clone)]
pub struct Record {
    /// Counted from 1, over all reloads.
    pub number: u64,
    /// When it ended.
    pub at: SystemTime,
    /// From the moment that the change was seen until all threads serve by it.
    pub took: Duration,
    pub outcome: Reload,
    /// Whether somebody asked for it; else a file had changed.
    pub asked: bool,
    /// What serves differently since, in words.
    pub changes: Vec<String>,
    /// What is refused since: file, line and remedy.
    pub problems: Vec<String>,
}

/// The last reloads of one gateway.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<(u64, VecDeque<Record>)>);

impl Reloads {
    /// Keep one. Its number is given here.
    pub fn add(&self, mut record: Record) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = &mut *kept;
        *count += 1;
        record.number = *count;
        if last.len() >= MOST {
            last.pop_front();
        }
        last.push_back(record);
    }

    /// Those after number `after`, the oldest first.
    pub fn since(&self, after: u64) -> Vec<Record> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().filter(|record| record.number > after).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_stay_and_are_numbered() {
        let reloads = Reloads::default();
        for _ in 0..MOST + 3 {
            reloads.add(Record {
                number: 0,
                at: SystemTime::UNIX_EPOCH,
                took: Duration::ZERO,
                outcome: Reload::Published,
                asked: false,
                changes: Vec::new(),
                problems: Vec::new(),
            });
        }
        assert_eq!(reloads.since(0).len(), MOST);
        let numbers: Vec<u64> = reloads.since(MOST as u64 + 1).iter().map(|record| record.number).collect();
        assert_eq!(numbers, [MOST as u64 + 2, MOST as u64 + 3]);
    }
}
