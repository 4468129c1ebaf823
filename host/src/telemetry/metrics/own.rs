//! Numbers that plugins keep beside the gateway's. Names and labels come from guests, so all of them are
//! checked and bounded, and nothing that a guest passes can fail for more than its own call.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The longest metric name and label name in bytes.
const MAX_NAME: usize = 64;
/// The most labels of one series.
const MAX_LABELS: usize = 8;
/// The longest label value in bytes.
const MAX_VALUE: usize = 128;
/// Enough that threads seldom meet in one.
const SHARDS: usize = 8;
/// Upper bounds of a histogram's buckets; values have no unit that is known here.
const BOUNDS: [f64; 22] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0,
    1000.0, 2500.0, 5000.0, 10_000.0,
];
/// Endings that the text format gives to names itself.
const RESERVED: [&str; 6] = ["_total", "_bucket", "_sum", "_count", "_created", "_info"];

pub(super) type Labels = Vec<(String, String)>;

/// What a plugin does to one of its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Record {
    /// Add to a counter.
    Add(u64),
    /// Set a gauge.
    Set(f64),
    /// Put a value into a histogram.
    Observe(f64),
}

/// The rule that a plugin broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnError {
    #[error("a name has lower-case letters, digits and `_`, begins with a letter, and has at most {MAX_NAME} of them")]
    Name,
    #[error("the name ends in `{0}`, which the text format adds itself")]
    Ending(&'static str),
    #[error("a label's name is as a metric's, and not `plugin`, `le` or `quantile`")]
    LabelName,
    #[error("a label occurs twice")]
    Twice,
    #[error("there are {0} labels; {MAX_LABELS} are the most")]
    Labels(usize),
    #[error("a label's value has {0} bytes; {MAX_VALUE} are the most")]
    Value(usize),
    #[error("the value isn't a number")]
    NotANumber,
    #[error("this metric is a {0}")]
    Kind(&'static str),
    #[error("there are {0} series, which `limits.series` allows; use labels with fewer values")]
    TooMany(usize),
}

/// The own numbers of one plugin.
#[derive(Debug)]
pub(super) struct OwnSeries {
    shards: [Mutex<HashMap<Key, Value>>; SHARDS],
    kinds: Mutex<HashMap<String, &'static str>>,
    count: AtomicUsize,
    hasher: RandomState,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    name: String,
    labels: Labels,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Counter(u64),
    Gauge(f64),
    /// The sum, and how many values lie in each bucket.
    Histogram(f64, Box<[u64; BOUNDS.len() + 1]>),
}

impl Default for OwnSeries {
    fn default() -> Self {
        Self {
            shards: Default::default(),
            kinds: Mutex::default(),
            count: AtomicUsize::new(0),
            hasher: RandomState::new(),
        }
    }
}

impl OwnSeries {
    /// Record; nothing has changed if that fails. `limit` bounds the series of this plugin.
    pub(super) fn record(&self, name: &str, mut labels: Labels, record: Record, limit: usize) -> Result<(), OwnError> {
        check(name, &mut labels, record)?;
        let key = Key { name: name.to_owned(), labels };
        let index = self.hasher.hash_one(&key) as usize % SHARDS;
        let [first, ..] = &self.shards;
        let mut shard = lock(self.shards.get(index).unwrap_or(first));
        if let Some(value) = shard.get_mut(&key) {
            return value.take(record);
        }
        let mut value = Value::new(record);
        // Only for the first value of a series, so one lock for all doesn't matter.
        let mut kinds = lock(&self.kinds);
        if self.count.load(Ordering::Relaxed) >= limit {
            return Err(OwnError::TooMany(limit));
        }
        let kind = *kinds.entry(key.name.clone()).or_insert_with(|| value.kind());
        if kind != value.kind() {
            return Err(OwnError::Kind(kind));
        }
        value.take(record)?;
        self.count.fetch_add(1, Ordering::Relaxed);
        shard.insert(key, value);
        Ok(())
    }

    /// All series by name, and by labels within it.
    pub(super) fn read(&self) -> BTreeMap<String, Vec<(Labels, Value)>> {
        let mut all: BTreeMap<String, Vec<(Labels, Value)>> = BTreeMap::new();
        for shard in &self.shards {
            for (key, value) in lock(shard).iter() {
                all.entry(key.name.clone()).or_default().push((key.labels.clone(), value.clone()));
            }
        }
        all.values_mut().for_each(|series| series.sort_by(|a, b| a.0.cmp(&b.0)));
        all
    }
}

impl Value {
    fn new(record: Record) -> Self {
        match record {
            Record::Add(_) => Self::Counter(0),
            Record::Set(_) => Self::Gauge(0.0),
            Record::Observe(_) => Self::Histogram(0.0, Box::new([0; BOUNDS.len() + 1])),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(..) => "histogram",
        }
    }

    fn take(&mut self, record: Record) -> Result<(), OwnError> {
        match (self, record) {
            (Self::Counter(count), Record::Add(by)) => *count = count.saturating_add(by),
            (Self::Gauge(value), Record::Set(to)) => *value = to,
            (Self::Histogram(sum, buckets), Record::Observe(value)) => {
                *sum += value;
                let index = BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(BOUNDS.len());
                if let Some(bucket) = buckets.get_mut(index) {
                    *bucket += 1;
                }
            }
            (value, _) => return Err(OwnError::Kind(value.kind())),
        }
        Ok(())
    }

    /// A histogram's buckets with their upper bounds.
    pub(super) fn buckets(counts: &[u64]) -> Vec<(f64, u64)> {
        BOUNDS.iter().copied().chain([f64::INFINITY]).zip(counts.iter().copied()).collect()
    }
}

/// Checks what a guest passed, and brings the labels into their order.
fn check(name: &str, labels: &mut Labels, record: Record) -> Result<(), OwnError> {
    if !is_name(name) {
        return Err(OwnError::Name);
    }
    if let Some(ending) = RESERVED.into_iter().find(|ending| name.ends_with(ending)) {
        return Err(OwnError::Ending(ending));
    }
    if labels.len() > MAX_LABELS {
        return Err(OwnError::Labels(labels.len()));
    }
    for (name, value) in &*labels {
        if !is_name(name) || ["plugin", "le", "quantile"].contains(&name.as_str()) {
            return Err(OwnError::LabelName);
        }
        if value.len() > MAX_VALUE {
            return Err(OwnError::Value(value.len()));
        }
    }
    labels.sort_unstable();
    if labels.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        return Err(OwnError::Twice);
    }
    match record {
        Record::Set(value) | Record::Observe(value) if !value.is_finite() => Err(OwnError::NotANumber),
        _ => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= MAX_NAME && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(legal)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can leave a table half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn counts_sets_and_observes() {
        let own = OwnSeries::default();
        for _ in 0..2 {
            own.record("logins", labels(&[("b", "2"), ("a", "1")]), Record::Add(2), 10).unwrap();
        }
        own.record("logins", labels(&[("a", "1"), ("b", "2")]), Record::Add(1), 10).unwrap();
        own.record("depth", Vec::new(), Record::Set(1.5), 10).unwrap();
        own.record("size", Vec::new(), Record::Observe(3.0), 10).unwrap();
        let read = own.read();
        assert_eq!(read["logins"], [(labels(&[("a", "1"), ("b", "2")]), Value::Counter(5))]);
        assert_eq!(read["depth"], [(Vec::new(), Value::Gauge(1.5))]);
        assert!(matches!(&read["size"][0].1, Value::Histogram(sum, counts) if *sum == 3.0 && counts[11] == 1));
    }

    #[test]
    fn is_bounded_and_checked() {
        let own = OwnSeries::default();
        let add = |name: &str, pairs: &[(&str, &str)]| own.record(name, labels(pairs), Record::Add(1), 2);
        for name in ["", "A", "1a", "a-b", "a\nb", &"a".repeat(65)] {
            assert_eq!(add(name, &[]), Err(OwnError::Name), "{name}");
        }
        assert_eq!(add("a_total", &[]), Err(OwnError::Ending("_total")));
        assert_eq!(add("a", &[("plugin", "x")]), Err(OwnError::LabelName));
        assert_eq!(add("a", &[("x", "1"), ("x", "2")]), Err(OwnError::Twice));
        assert_eq!(add("a", &[("x", &"v".repeat(129))]), Err(OwnError::Value(129)));
        assert_eq!(add("a", &[("x", "1"); 9]), Err(OwnError::Labels(9)));
        assert_eq!(own.record("a", Vec::new(), Record::Set(f64::NAN), 2), Err(OwnError::NotANumber));
        add("a", &[("x", "1")]).unwrap();
        assert_eq!(own.record("a", Vec::new(), Record::Set(1.0), 2), Err(OwnError::Kind("counter")));
        add("a", &[("x", "2")]).unwrap();
        assert_eq!(add("a", &[("x", "3")]), Err(OwnError::TooMany(2)));
        add("a", &[("x", "1")]).unwrap();
    }
}
