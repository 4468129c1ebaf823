//! Percent-encoding (RFC 3986), for building paths and queries from what comes from outside.

/// One path segment: everything but unreserved characters is encoded, so that nothing in it can end the segment.
///
/// A segment that is `.` or `..` can't be encoded away; [`template`](crate::template) refuses these.
///
/// ```
/// assert_eq!(sluice_plugin::encode::segment("a/b c?d"), "a%2Fb%20c%3Fd");
/// ```
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push(&mut out, text);
    out
}

/// A name or value of a query parameter: everything but unreserved characters is encoded.
///
/// ```
/// assert_eq!(sluice_plugin::encode::query("a&b=c d+é"), "a%26b%3Dc%20d%2B%C3%A9");
/// ```
pub fn query(text: &str) -> String {
    segment(text)
}

pub(crate) fn push(out: &mut String, text: &str) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble & 15)).copied().unwrap_or('0');
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(digit(byte >> 4));
            out.push(digit(byte));
        }
    }
}

/// Decode percent-encoding; what isn't valid stays as it is, and what isn't UTF-8 is replaced by U+FFFD.
///
/// ```
/// assert_eq!(sluice_plugin::encode::decode("a%2Fb%zz%"), "a/b%zz%");
/// ```
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%'
            && let [high, low, after @ ..] = after
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// As [`decode`], where `+` is a space too, as forms write it.
///
/// ```
/// assert_eq!(sluice_plugin::encode::decode_form("a+b%2B"), "a b+");
/// ```
pub fn decode_form(text: &str) -> String {
    if text.contains('+') { decode(&text.replace('+', " ")) } else { decode(text) }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
