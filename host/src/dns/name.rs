//! Names as hosts and services have them, and as they are on the wire.

use std::fmt;

/// The longest name on the wire, in bytes (RFC 1035, section 3.1).
const LONGEST: usize = 255;
/// The longest label.
const LONGEST_LABEL: usize = 63;

/// A name of letters, digits, hyphens and underscores: lower case, without a dot at its end. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// None if it isn't such a name.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let fits = |label: &str| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(legal)
        };
        // A byte of length before each label, and one at the end.
        let valid = text.len() + 2 <= LONGEST && text.split('.').all(fits);
        valid.then(|| Self(text.to_ascii_lowercase().into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name within the domain `suffix`; none if that is too long.
    pub(super) fn within(&self, suffix: &Self) -> Option<Self> {
        Self::new(&format!("{}.{}", self.0, suffix.0))
    }

    pub(super) fn dots(&self) -> usize {
        self.0.matches('.').count()
    }

    pub(super) fn write(&self, message: &mut Vec<u8>) {
        for label in self.0.split('.') {
            // At most 63.
            message.push(u8::try_from(label.len()).unwrap_or_default());
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the name that begins at `at`, maybe compressed (RFC 1035, section 4.1.4), and where it ends. The name is none if
/// it isn't one of ours, as the root isn't. An error if there is no name at all.
pub(super) fn read(message: &[u8], at: usize) -> Result<(Option<Name>, usize), ()> {
    let mut text = String::new();
    let (mut place, mut end, mut valid) = (at, None, true);
    // Pointers have to point to what came before, so that they come to an end.
    let mut before = at;
    let mut length = 0;
    loop {
        let first = usize::from(*message.get(place).ok_or(())?);
        match first {
            0 => break,
            1..=LONGEST_LABEL => {
                length += first + 1;
                let label = message.get(place + 1..place + 1 + first).filter(|_| length < LONGEST).ok_or(())?;
                match std::str::from_utf8(label).ok().filter(|label| !label.contains('.')) {
                    Some(label) => {
                        text.push_str(label);
                        text.push('.');
                    }
                    None => valid = false,
                }
                place += 1 + first;
            }
            0xc0.. => {
                let low = usize::from(*message.get(place + 1).ok_or(())?);
                let target = (first & 0x3f) << 8 | low;
                end.get_or_insert(place + 2);
                if target >= before {
                    return Err(());
                }
                (place, before) = (target, target);
            }
            // Kinds of labels that nobody uses.
            _ => return Err(()),
        }
    }
    let name = if valid { Name::new(&text) } else { None };
    Ok((name, end.unwrap_or(place + 1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_what_hosts_and_services_are_called() {
        let shown = |text| Name::new(text).map(|name| name.to_string());
        assert_eq!(shown("API.example.com."), Some("api.example.com".into()));
        assert_eq!(shown("_http._tcp.a-b"), Some("_http._tcp.a-b".into()));
        for wrong in ["", ".", "a..b", "a b", "ä", &"a".repeat(64), &"a.".repeat(128)] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pointers_lead_back() {
        let message = b"\x01a\x01b\0\x01c\xc0\x02\xc0\x05";
        let name = |at| read(message, at).map(|(name, end)| (name.map(|name| name.to_string()), end));
        assert_eq!(name(0), Ok((Some("a.b".into()), 5)));
        assert_eq!(name(5), Ok((Some("c.b".into()), 9)));
        assert_eq!(name(9), Ok((Some("c.b".into()), 11)));
        assert_eq!(name(4), Ok((None, 5)), "the root");
    }

    #[test]
    fn pointers_that_lead_nowhere_are_refused() {
        for wrong in [&b"\xc0\x00"[..], b"\x01a\xc0\x00", b"\xc0\x02\xc0\x00", b"\xc0", b"\x05a", b"\x40a", b""] {
            assert_eq!(read(wrong, 0), Err(()), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "[a-zA-Z0-9_-]{1,63}(\\.[a-z0-9]{1,20}){0,4}") {
            let name = Name::new(&text).unwrap();
            let mut message = vec![0; 3];
            name.write(&mut message);
            prop_assert_eq!(read(&message, 3), Ok((Some(name), message.len())));
        }

        #[test]
        fn any_bytes_have_an_end(message in proptest::collection::vec(any::<u8>(), 0..600), at in 0..600_usize) {
            if let Ok((_, end)) = read(&message, at) {
                prop_assert!(end > at && end <= message.len());
            }
        }
    }
}
