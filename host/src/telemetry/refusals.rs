//! The last requests that were refused, and why: for whoever asks the admin API. A sample,
//! not a record: a data thread that would have to wait for another passes its refusal over.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::SystemTime;

/// Kept at a time.
const MOST: usize = 200;
/// Bytes kept of a path, which clients choose.
const LONGEST_PATH: usize = 256;

/// One request that its destination didn't answer, with a status of 400 or more.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Counted from 1, over all refusals.
    pub number: u64,
    pub at: SystemTime,
    pub request_id: Arc<str>,
    /// None if no route was found.
    pub route: Option<Arc<str>>,
    pub method: http::Method,
    /// Without the query, which may hold secrets.
    pub path: String,
    pub status: u16,
    /// The plugin that refused it, if one did.
    pub plugin: Option<Arc<str>>,
    pub reason: String,
}

/// The last refusals of one gateway.
#[derive(Debug, Default)]
pub struct Refusals {
    count: AtomicU64,
    last: Mutex<VecDeque<Refusal>>,
}

impl Refusals {
    /// Keep one. Its number is given here.
    pub fn add(&self, mut refusal: Refusal) {
        if refusal.path.len() > LONGEST_PATH {
            let end = (0..=LONGEST_PATH).rev().find(|end| refusal.path.is_char_boundary(*end));
            refusal.path.truncate(end.unwrap_or_default());
            refusal.path.push('…');
        }
        let mut last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        // Under the lock, so that numbers go up in the list: who reads it asks for those after the last one he knows.
        refusal.number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if last.len() >= MOST {
            last.pop_front();
        }
        last.push_back(refusal);
    }

    /// Those after number `after`, the oldest first.
    pub fn since(&self, after: u64) -> Vec<Refusal> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().filter(|refusal| refusal.number > after).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &str) -> Refusal {
        Refusal {
            number: 0,
            at: SystemTime::UNIX_EPOCH,
            request_id: "7".into(),
            route: None,
            method: http::Method::GET,
            path: path.to_owned(),
            status: 404,
            plugin: None,
            reason: "no route matches".into(),
        }
    }

    #[test]
    fn the_last_ones_stay_and_are_numbered() {
        let refusals = Refusals::default();
        for number in 0..MOST + 5 {
            refusals.add(refusal(&format!("/{number}")));
        }
        let kept = refusals.since(0);
        assert_eq!(kept.len(), MOST);
        assert_eq!(kept.last().map(|last| (last.number, &*last.path)), Some((MOST as u64 + 5, "/204")));
        assert_eq!(refusals.since(MOST as u64 + 4).len(), 1);
    }

    #[test]
    fn numbers_go_up_whatever_threads_do() {
        let refusals = Refusals::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| refusals.add(refusal("/"))));
            }
        });
        assert!(refusals.since(0).is_sorted_by(|a, b| a.number < b.number));
        // Those that were passed over are counted too.
        refusals.add(refusal("/"));
        assert_eq!(refusals.since(800).len(), 1);
    }

    #[test]
    fn long_paths_are_cut_between_characters() {
        let refusals = Refusals::default();
        refusals.add(refusal(&"é".repeat(1000)));
        assert!(refusals.since(0)[0].path.len() <= LONGEST_PATH + '…'.len_utf8());
    }
}
