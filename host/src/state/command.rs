//! What is asked of Redis. Values are kept as `v` and their bytes, but for those of 8 bytes: those may be
//! counters, and are kept as the decimal number that Redis adds to.

use redis::Cmd;

use super::Limit;

/// The longest time to live in milliseconds, a hundred years; longer is as good as for ever.
const LONGEST: u64 = 100 * 366 * 24 * 3600 * 1000;

/// One of the scripts that a server keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Take,
    Increment,
}

impl Script {
    pub const ALL: [Self; 2] = [Self::Take, Self::Increment];

    pub fn source(self) -> &'static str {
        match self {
            Self::Take => include_str!("take.lua"),
            Self::Increment => include_str!("increment.lua"),
        }
    }
}

/// One operation.
#[derive(Debug)]
pub(super) struct Command {
    /// For metrics.
    pub name: &'static str,
    pub call: Call,
}

#[derive(Debug)]
pub(super) enum Call {
    Plain(Cmd),
    /// A script with its key and its arguments.
    Script(Script, String, Vec<String>),
}

impl Command {
    pub fn get(space: &str, key: &str) -> Self {
        Self::plain("get", redis::cmd("GET").arg(whole(space, key)))
    }

    pub fn set(space: &str, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Self {
        let key = whole(space, key);
        let ttl = ttl_ms.filter(|ttl| *ttl < LONGEST);
        if ttl == Some(0) {
            // It's over as soon as it's there, and what was there before is gone.
            return Self::plain("set", redis::cmd("DEL").arg(key));
        }
        let mut command = redis::cmd("SET");
        command.arg(key).arg(encode(value));
        if let Some(ttl) = ttl {
            command.arg("PX").arg(ttl);
        }
        Self::plain("set", &command)
    }

    pub fn delete(space: &str, key: &str) -> Self {
        Self::plain("delete", redis::cmd("DEL").arg(whole(space, key)))
    }

    pub fn increment(space: &str, key: &str, by: i64, ttl_ms: Option<u64>) -> Self {
        let ttl = ttl_ms.filter(|ttl| *ttl < LONGEST).map(|ttl| ttl.to_string()).unwrap_or_default();
        let call = Call::Script(Script::Increment, whole(space, key), vec![by.to_string(), ttl]);
        Self { name: "increment", call }
    }

    pub fn take(space: &str, key: &str, limit: Limit, cost: u64) -> Self {
        let (rate, period) = lowest_terms(limit.rate, limit.period_ms.saturating_mul(1000));
        let numbers = [rate, period, limit.burst, cost].map(|number| number.to_string());
        Self { name: "take", call: Call::Script(Script::Take, whole(space, key), numbers.into()) }
    }

    fn plain(name: &'static str, command: &Cmd) -> Self {
        Self { name, call: Call::Plain(command.clone()) }
    }
}

fn whole(space: &str, key: &str) -> String {
    [space, key].concat()
}

/// A value as it is kept.
fn encode(value: &[u8]) -> Vec<u8> {
    match <[u8; 8]>::try_from(value) {
        Ok(counter) => i64::from_le_bytes(counter).to_string().into_bytes(),
        Err(_) => [b"v", value].concat(),
    }
}

/// A value that was kept; none if somebody else has written it.
pub(super) fn decode(mut kept: Vec<u8>) -> Option<Vec<u8>> {
    if kept.first() == Some(&b'v') {
        kept.remove(0);
        return Some(kept);
    }
    let number: i64 = std::str::from_utf8(&kept).ok()?.parse().ok()?;
    Some(number.to_le_bytes().to_vec())
}

fn lowest_terms(a: u64, b: u64) -> (u64, u64) {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    let divisor = x.max(1);
    (a / divisor, b / divisor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_are_in_lowest_terms() {
        assert_eq!(lowest_terms(100, 1_000_000), (1, 10_000));
        assert_eq!(lowest_terms(7, 3_600_000_000), (7, 3_600_000_000));
        assert_eq!(lowest_terms(1_000_000_000, 1000), (1_000_000, 1));
    }

    proptest! {
        #[test]
        fn values_come_back_as_they_were(value in prop::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(decode(encode(&value)), Some(value));
        }

        #[test]
        fn nothing_that_is_kept_is_too_odd(kept in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = decode(kept);
        }
    }
}
