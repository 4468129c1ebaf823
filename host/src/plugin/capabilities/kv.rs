//! Small values that a plugin keeps in the gateway, for plugins with the grant `kv`. Each plugin has a
//! store of its own, which all its instances on all threads share and which outlives reloads. Where state is shared
//! by a fleet, [`super::shared`] stands before it.
//!
//! A store is bounded in bytes (`limits.kv`). When it is full, entries that weren't used for long make
//! room: a few are looked at, and of those the one that was used longest ago goes. Entries whose time to
//! live is over are never returned, and are removed as others are written.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::table::{SHARDS, Shard, Table};
use crate::plugin::wasm::bindings::kv::{self, KvError};
use crate::plugin::wasm::guest::Guest;

/// The longest key in bytes.
pub(crate) const MAX_KEY: usize = 256;
/// The longest value in bytes.
pub(crate) const MAX_VALUE: usize = 64 << 10;
/// What an entry takes besides key and value.
const OVERHEAD: usize = 96;
/// Entries that are compared when one has to go.
const SAMPLE: usize = 8;

/// The store of one plugin. Times are nanoseconds on any clock that never goes back.
pub(crate) struct Store {
    table: Table<Entry>,
    bytes: AtomicUsize,
    /// The shard from which an entry goes next.
    turn: AtomicUsize,
}

struct Entry {
    value: Vec<u8>,
    expires: Option<u64>,
    used: u64,
}

impl Entry {
    fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

fn size(key: &str, entry: &Entry) -> usize {
    key.len() + entry.value.len() + OVERHEAD
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { table: Table::new(), bytes: AtomicUsize::new(0), turn: AtomicUsize::new(0) }
    }

    pub(super) fn read(&self, key: &str, now: u64) -> Result<Option<Vec<u8>>, KvError> {
        check_key(key)?;
        let mut shard = self.table.shard(key);
        Ok(shard.map.get_mut(key).filter(|entry| !entry.is_over(now)).map(|entry| {
            entry.used = now;
            entry.value.clone()
        }))
    }

    pub(super) fn write(
        &self,
        key: String,
        value: Vec<u8>,
        ttl: Option<u64>,
        limit: usize,
        now: u64,
    ) -> Result<(), KvError> {
        check_entry(&key, value.len(), limit)?;
        let entry = Entry { value, expires: expiry(ttl, now), used: now };
        self.put(key, entry, now);
        self.make_room(limit, now);
        Ok(())
    }

    pub(super) fn remove(&self, key: &str, now: u64) -> Result<bool, KvError> {
        check_key(key)?;
        let Some(entry) = self.table.shard(key).map.swap_remove(key) else { return Ok(false) };
        self.bytes.fetch_sub(size(key, &entry), Relaxed);
        Ok(!entry.is_over(now))
    }

    pub(super) fn add(&self, key: String, by: i64, ttl: Option<u64>, limit: usize, now: u64) -> Result<i64, KvError> {
        check_counter(&key, limit)?;
        {
            let mut shard = self.table.shard(&key);
            if let Some(entry) = shard.map.get_mut(key.as_str()).filter(|entry| !entry.is_over(now)) {
                let counter = <[u8; 8]>::try_from(entry.value.as_slice()).map_err(|_| KvError::NotACounter)?;
                let sum = i64::from_le_bytes(counter).saturating_add(by);
                entry.value = sum.to_le_bytes().to_vec();
                entry.used = now;
                return Ok(sum);
            }
            let entry = Entry { value: by.to_le_bytes().to_vec(), expires: expiry(ttl, now), used: now };
            self.insert(&mut shard, key, entry, now);
        }
        self.make_room(limit, now);
        Ok(by)
    }

    fn put(&self, key: String, entry: Entry, now: u64) {
        let mut shard = self.table.shard(&key);
        self.insert(&mut shard, key, entry, now);
    }

    fn insert(&self, shard: &mut Shard<Entry>, key: String, entry: Entry, now: u64) {
        self.bytes.fetch_add(size(&key, &entry), Relaxed);
        let key = key.into_boxed_str();
        let length = key.len();
        if let Some(old) = shard.map.insert(key, entry) {
            self.bytes.fetch_sub(length + old.value.len() + OVERHEAD, Relaxed);
        }
        // Two for each that comes, so that the dead can't pile up.
        shard.sweep(
            2,
            |entry| entry.is_over(now),
            |key, entry| {
                self.bytes.fetch_sub(size(key, entry), Relaxed);
            },
        );
    }

    /// Evict until the store is within `limit` again.
    fn make_room(&self, limit: usize, now: u64) {
        let mut empty = 0;
        while self.bytes.load(Relaxed) > limit && empty < SHARDS {
            // Shards take turns, so that none is drained before the others.
            let mut shard = self.table.nth(self.turn.fetch_add(1, Relaxed));
            let candidates = shard.next_few(SAMPLE);
            let age = |index: &usize| {
                let entry = shard.map.get_index(*index).map(|(_, entry)| entry);
                entry.map(|entry| (!entry.is_over(now), entry.used))
            };
            match candidates.min_by_key(age).and_then(|index| shard.map.swap_remove_index(index)) {
                Some((key, entry)) => {
                    self.bytes.fetch_sub(size(&key, &entry), Relaxed);
                    empty = 0;
                }
                None => empty += 1,
            }
        }
    }
}

pub(super) fn check_key(key: &str) -> Result<(), KvError> {
    if key.len() <= MAX_KEY {
        return Ok(());
    }
    Err(KvError::TooLarge(format!("the key has {} bytes; {MAX_KEY} are the most", key.len())))
}

/// Whether a value of so many bytes may be kept under `key` in a store of at most `limit` bytes.
pub(super) fn check_entry(key: &str, length: usize, limit: usize) -> Result<(), KvError> {
    check_key(key)?;
    if length > MAX_VALUE {
        return Err(KvError::TooLarge(format!("the value has {length} bytes; {MAX_VALUE} are the most")));
    }
    if key.len() + length + OVERHEAD > limit {
        return Err(KvError::TooLarge(format!("the entry doesn't fit into the store's {limit} bytes (`limits.kv`)")));
    }
    Ok(())
}

/// The same for a counter.
pub(super) fn check_counter(key: &str, limit: usize) -> Result<(), KvError> {
    check_entry(key, size_of::<i64>(), limit)
}

fn expiry(ttl_ms: Option<u64>, now: u64) -> Option<u64> {
    ttl_ms.map(|ttl| now.saturating_add(ttl.saturating_mul(1_000_000)))
}

impl Guest {
    /// Nanoseconds on the clock that all plugins' stores share.
    pub(super) fn nanos(&self) -> u64 {
        u64::try_from(self.lent.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl kv::Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, KvError>> {
        Ok(self.lent.kv.read(&key, self.nanos()))
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> wasmtime::Result<Result<(), KvError>> {
        Ok(self.lent.kv.write(key, value, ttl_ms, self.lent.limits.kv, self.nanos()))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, KvError>> {
        Ok(self.lent.kv.remove(&key, self.nanos()))
    }

    fn increment(&mut self, key: String, by: i64, ttl_ms: Option<u64>) -> wasmtime::Result<Result<i64, KvError>> {
        Ok(self.lent.kv.add(key, by, ttl_ms, self.lent.limits.kv, self.nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const ROOM: usize = 1 << 20;

    fn get(store: &Store, key: &str, now: u64) -> Option<Vec<u8>> {
        store.read(key, now).unwrap()
    }

    #[test]
    fn values_end_with_their_time_to_live() {
        let store = Store::new();
        store.write("a".into(), b"1".to_vec(), Some(5), ROOM, 0).unwrap();
        store.write("b".into(), b"2".to_vec(), None, ROOM, 0).unwrap();
        assert_eq!(get(&store, "a", 5 * MS - 1).as_deref(), Some(&b"1"[..]));
        assert_eq!(get(&store, "a", 5 * MS), None);
        assert_eq!(get(&store, "b", u64::MAX).as_deref(), Some(&b"2"[..]));
        assert!(!store.remove("a", 5 * MS).unwrap());
        assert!(store.remove("b", 5 * MS).unwrap());
        assert_eq!(store.bytes.load(Relaxed), 0);
    }

    #[test]
    fn counters_count_and_nothing_else_does() {
        let store = Store::new();
        assert_eq!(store.add("n".into(), 2, Some(10), ROOM, 0).unwrap(), 2);
        assert_eq!(store.add("n".into(), -5, Some(10), ROOM, 9 * MS).unwrap(), -3, "the end doesn't move");
        assert_eq!(store.add("n".into(), 1, Some(10), ROOM, 10 * MS).unwrap(), 1);
        assert_eq!(store.add("n".into(), i64::MAX, None, ROOM, 10 * MS).unwrap(), i64::MAX);
        store.write("t".into(), b"text".to_vec(), None, ROOM, 0).unwrap();
        assert!(matches!(store.add("t".into(), 1, None, ROOM, 0), Err(KvError::NotACounter)));
    }

    #[test]
    fn a_full_store_forgets_what_was_used_longest_ago() {
        let store = Store::new();
        let entry = 4 + 1000 + OVERHEAD;
        for index in 0..1000u64 {
            store.write(format!("{index:04}"), vec![0; 1000], None, entry * 100, index).unwrap();
            assert!(store.bytes.load(Relaxed) <= entry * 100);
        }
        let kept: Vec<u64> = (0..1000).filter(|index| get(&store, &format!("{index:04}"), 1000).is_some()).collect();
        assert!(kept.len() >= 95 && kept.len() <= 100, "{}", kept.len());
        assert!(kept.iter().filter(|index| **index >= 700).count() > kept.len() * 8 / 10, "mostly the last: {kept:?}");
    }

    #[test]
    fn expired_entries_give_their_room_back() {
        let store = Store::new();
        for index in 0..500 {
            store.write(format!("dead {index}"), vec![0; 100], Some(1), ROOM, 0).unwrap();
        }
        // A shard is swept by what is written to it, and keys meet shards at random: with this many, each
        // shard gets many times the writes that its dead need.
        for index in 0..10_000 {
            store.write(format!("live {}", index % 1000), vec![0; 100], None, ROOM, 2 * MS).unwrap();
        }
        assert_eq!(store.table.len(), 1000);
    }

    #[test]
    fn says_what_is_too_large() {
        let store = Store::new();
        let told = |error: KvError| if let KvError::TooLarge(text) = error { text } else { String::new() };
        assert!(told(store.read(&"k".repeat(257), 0).unwrap_err()).contains("key"));
        assert!(told(store.write("k".into(), vec![0; MAX_VALUE + 1], None, ROOM, 0).unwrap_err()).contains("value"));
        assert!(told(store.write("k".into(), vec![0; 100], None, 150, 0).unwrap_err()).contains("limits.kv"));
    }
}
