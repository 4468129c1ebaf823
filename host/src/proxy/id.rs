//! Names for exchanges: unique, and no secret.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Carries the name to the upstream and to the client.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken over from a trusted proxy.
const MAX_LENGTH: usize = 128;

/// The names that one thread gives.
pub(super) struct Ids {
    prefix: u64,
    next: Cell<u64>,
}

impl Ids {
    pub fn new() -> Self {
        // If the system has no randomness, time and a thread's stack address are still its own.
        let fallback = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let place = std::ptr::from_ref(&now).addr() as u64;
            (now.as_secs() << 30 | u64::from(now.subsec_nanos())) ^ place.rotate_left(40)
        };
        let random = || getrandom::u64().unwrap_or_else(|_| fallback());
        Self { prefix: random(), next: Cell::new(random()) }
    }

    /// The name of a request: its own if a trusted proxy gave it one, or a new one.
    pub fn name(&self, headers: &HeaderMap, trusted: bool) -> (Arc<str>, HeaderValue) {
        let given = headers.get(X_REQUEST_ID).filter(|_| trusted).and_then(|value| value.to_str().ok());
        let id: Arc<str> = match given {
            Some(id) if is_plain(id) => id.into(),
            _ => self.new_name(),
        };
        let value = HeaderValue::from_maybe_shared(Bytes::from_owner(Shared(Arc::clone(&id))));
        // Never the fallback: both kinds of names are legal values.
        (id, value.unwrap_or(HeaderValue::from_static("-")))
    }

    /// 32 hexadecimal digits: the thread's prefix, and a count in scrambled order, so that neighbours
    /// look different at a glance.
    fn new_name(&self) -> Arc<str> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let count = self.next.get();
        self.next.set(count.wrapping_add(1));
        let number = u128::from(self.prefix) << 64 | u128::from(scramble(count));
        let digits: [u8; 32] = std::array::from_fn(|index| {
            let nibble = (number >> (124 - 4 * index)) & 0xf;
            DIGITS.get(nibble as usize).copied().unwrap_or(b'0')
        });
        str::from_utf8(&digits).unwrap_or_default().into()
    }
}

/// One-to-one, so that no two counts give the same (the finalizer of SplitMix64).
fn scramble(count: u64) -> u64 {
    let mixed = (count ^ (count >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn is_plain(id: &str) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A text as the owner of bytes, so that the field shares it.
struct Shared(Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn headers(id: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_static(id))])
    }

    #[test]
    fn new_names_are_32_digits_and_differ() {
        let ids = Ids::new();
        let names: HashSet<Arc<str>> = (0..1000).map(|_| ids.name(&HeaderMap::new(), false).0).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_ne!(Ids::new().name(&HeaderMap::new(), false).0, Ids::new().name(&HeaderMap::new(), false).0);
    }

    #[test]
    fn only_trusted_proxies_give_names_and_only_plain_ones() {
        let ids = Ids::new();
        let (id, value) = ids.name(&headers("req-7.a_b"), true);
        assert_eq!((&*id, &value), ("req-7.a_b", &HeaderValue::from_static("req-7.a_b")));
        assert_ne!(&*ids.name(&headers("req-7"), false).0, "req-7");
        assert_eq!(ids.name(&headers("a b"), true).0.len(), 32);
        assert_eq!(ids.name(&headers(""), true).0.len(), 32);
    }
}
