//! A table that all threads share, in shards, each behind its own lock. Locks are held for one look-up
//! and one change, never while anything waits.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

/// Enough that threads seldom meet in one.
pub(super) const SHARDS: usize = 16;

/// A sharded table from text to `V`.
pub(super) struct Table<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    /// Seeded at random, so that nobody can aim at one shard.
    hasher: RandomState,
}

/// One shard. The map's order means nothing; its indexes let us walk it bit by bit.
pub(super) struct Shard<V> {
    pub(super) map: IndexMap<Box<str>, V>,
    cursor: usize,
}

impl<V> Table<V> {
    pub(super) fn new() -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(Shard { map: IndexMap::default(), cursor: 0 }));
        Self { shards, hasher: RandomState::new() }
    }

    /// The shard of `key`, locked.
    pub(super) fn shard(&self, key: &str) -> MutexGuard<'_, Shard<V>> {
        self.nth(self.hasher.hash_one(key) as usize)
    }

    /// A shard by number, going round.
    pub(super) fn nth(&self, number: usize) -> MutexGuard<'_, Shard<V>> {
        let [first, ..] = &self.shards;
        // A panic under the lock can't leave a shard half changed, so a poisoned one is as good as any.
        self.shards.get(number % SHARDS).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        (0..SHARDS).map(|number| self.nth(number).map.len()).sum()
    }

    /// The largest number of keys in one shard if there may be `keys` in all.
    pub(super) const fn share(keys: usize) -> usize {
        keys / SHARDS
    }
}

impl<V> Shard<V> {
    /// The indexes of the next few entries, going round; all of them if there are fewer.
    pub(super) fn next_few(&mut self, count: usize) -> impl Iterator<Item = usize> + use<V> {
        let len = self.map.len();
        let count = count.min(len);
        let start = self.cursor;
        self.cursor = if len == 0 { 0 } else { (start + count) % len };
        (0..count).map(move |step| (start + step) % len)
    }

    /// Look at the next few entries and remove those that `dead` says are; what each was goes to `removed`.
    pub(super) fn sweep(&mut self, count: usize, dead: impl Fn(&V) -> bool, mut removed: impl FnMut(&str, &V)) {
        for _ in 0..count {
            let Some(index) = self.next_few(1).next() else { return };
            if self.map.get_index(index).is_some_and(|(_, value)| dead(value))
                && let Some((key, value)) = self.map.swap_remove_index(index)
            {
                removed(&key, &value);
            }
        }
    }
}
