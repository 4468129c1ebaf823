//! Percent-encoding (RFC 3986, section 2.1). Never decides what an escape may stand for; that is
//! [`super::normalize`]'s.

use std::borrow::Cow;

/// The text of one segment of a normalized path. None if it isn't UTF-8.
///
/// An escape that is none stays as it is, which can't happen in a normalized path.
pub fn decode_segment(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    String::from_utf8(Decoded::path(segment).collect()).ok().map(Cow::Owned)
}

/// A text as one segment of a path: everything but unreserved characters is escaped, so that no slash,
/// query or escape in it means anything.
///
/// `.` and `..` can't be escaped (RFC 3986, section 6.2.2.2). They never come from a capture; whoever
/// encodes other text has to refuse them.
pub fn encode_segment(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_unreserved) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if is_unreserved(byte) { out.push(char::from(byte)) } else { push_escape(&mut out, byte) }
    }
    Cow::Owned(out)
}

/// The bytes that an encoded text stands for, one by one and without allocation.
#[derive(Clone)]
pub(super) struct Decoded<'a> {
    rest: &'a [u8],
    plus_is_space: bool,
}

impl<'a> Decoded<'a> {
    pub(super) fn path(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), plus_is_space: false }
    }

    /// A name or value of a query, in which `+` is a space
    /// (`application/x-www-form-urlencoded`, URL Standard, section 5.1).
    pub(super) fn query(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), plus_is_space: true }
    }
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let Some((byte, rest)) = split_escape(self.rest) {
            self.rest = rest;
            return Some(byte);
        }
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(if byte == b'+' && self.plus_is_space { b' ' } else { byte })
    }
}

/// The byte that an escape at the very start stands for, and what follows it.
pub(super) fn split_escape(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes {
        [b'%', high, low, rest @ ..] => Some((hex_digit(*high)? << 4 | hex_digit(*low)?, rest)),
        _ => None,
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// `%` and two digits, in upper case (RFC 3986, section 6.2.2.1).
pub(super) fn push_escape(out: &mut String, byte: u8) {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'A' + value - 10 });
    out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
}

/// RFC 3986, section 2.3.
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` without escapes (RFC 3986, section 3.3): what stands for itself in a path.
pub(super) const fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded() {
        assert!(matches!(decode_segment("plain"), Some(Cow::Borrowed("plain"))));
        assert_eq!(decode_segment("a%20b+c").as_deref(), Some("a b+c"));
        assert_eq!(decode_segment("gr%C3%BC%C3%9Fe").as_deref(), Some("grüße"));
        assert_eq!(decode_segment("%252F").as_deref(), Some("%2F"));
        assert_eq!(decode_segment("%FF"), None);
    }

    #[test]
    fn encoded_text_is_one_segment() {
        assert!(matches!(encode_segment("a-b_c.d~e"), Cow::Borrowed(_)));
        assert_eq!(encode_segment("../a?b=%2F"), "..%2Fa%3Fb%3D%252F");
        assert_eq!(encode_segment("ü"), "%C3%BC");
    }

    #[test]
    fn queries_know_plus() {
        assert!(Decoded::query("a+b%2Bc%zz").eq(b"a b+c%zz".iter().copied()));
    }
}
