//! Fields that are comma-separated lists (RFC 9110, section 5.6.1).

use http::header::{Entry, HeaderMap, HeaderName, HeaderValue};

/// The members of one field line, blanks around them cut off, empty ones left out. Commas within quotes
/// separate too: these lists hold tokens, and nobody shall hide one behind a quote.
pub(super) fn members(value: &HeaderValue) -> impl DoubleEndedIterator<Item = &[u8]> {
    members_of(value.as_bytes())
}

/// The same of a value's bytes.
pub fn members_of(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Add a member at the end. Several lines become one, since many recipients read only one.
pub(super) fn append(headers: &mut HeaderMap, name: &HeaderName, member: HeaderValue) {
    // As for `put`, there is always room.
    match headers.try_entry(name) {
        Ok(Entry::Vacant(place)) => drop(place.try_insert(member)),
        Ok(Entry::Occupied(mut place)) => {
            let mut joined = Vec::new();
            for line in place.iter().filter(|line| !line.is_empty()) {
                joined.extend_from_slice(line.as_bytes());
                joined.extend_from_slice(b", ");
            }
            joined.extend_from_slice(member.as_bytes());
            // Made of values, so a value.
            place.insert(HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)).unwrap_or(member));
        }
        Err(_) => {}
    }
}

/// Put one value in place of all others. A head is bounded far below what the map can hold.
pub(super) fn put(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    let _ = headers.try_insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_in_order() {
        let name = HeaderName::from_static("via");
        let mut headers = HeaderMap::new();
        append(&mut headers, &name, HeaderValue::from_static("1.1 a"));
        assert_eq!(headers["via"], "1.1 a");
        headers.append("via", HeaderValue::from_static(""));
        headers.append("via", HeaderValue::from_static("1.1 b, 2 c"));
        append(&mut headers, &name, HeaderValue::from_static("1.1 d"));
        assert_eq!(headers.get_all("via").iter().collect::<Vec<_>>(), ["1.1 a, 1.1 b, 2 c, 1.1 d"]);
    }

    #[test]
    fn members_are_trimmed_and_never_empty() {
        let value = HeaderValue::from_static(" a ,,\tb c, \"d, e\" ,");
        let found: Vec<_> = members(&value).map(|member| str::from_utf8(member).unwrap()).collect();
        assert_eq!(found, ["a", "b c", "\"d", "e\""]);
    }
}
