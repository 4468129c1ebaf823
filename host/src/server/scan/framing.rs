//! How long a request's body is (RFC 9112, section 6), in the one way that nobody reads differently.

use crate::error::Error;

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes; a request without a body has none.
    Length(u64),
    Chunked,
}

/// The value of `Content-Length`: digits and nothing else, once.
pub(super) fn length(value: &[u8]) -> Result<u64, Error> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Error::BadRequest("Content-Length isn't a number".into()));
    }
    let number = value
        .iter()
        .try_fold(0i64, |number, digit| number.checked_mul(10)?.checked_add(i64::from(digit.wrapping_sub(b'0'))));
    number.and_then(|number| u64::try_from(number).ok()).ok_or(Error::BadRequest("Content-Length is too large".into()))
}

/// The value of `Transfer-Encoding`, which has to be `chunked`.
pub(super) fn coding(value: &[u8]) -> Result<(), Error> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut members = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let is_chunked = |member: &[u8]| member.eq_ignore_ascii_case(b"chunked");
    // RFC 9112, section 6.1: a coding that isn't known is 501; section 6.3: without `chunked` at the end, and only
    // there, nobody knows where the body ends.
    if members.next_back().is_some_and(is_chunked) && !members.any(|member| is_chunked(member) || member.is_empty()) {
        return Err(Error::TransferCoding);
    }
    Err(Error::BadRequest("Transfer-Encoding isn't chunked".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_plain_numbers() {
        assert_eq!(length(b"0"), Ok(0));
        assert_eq!(length(b"0042"), Ok(42));
        assert_eq!(length(b"9223372036854775807"), Ok(i64::MAX as u64));
        for bad in ["", "+1", "-1", "1 2", "5, 5", "0x5", "1e3", "9223372036854775808", "99999999999999999999999"] {
            assert!(matches!(length(bad.as_bytes()), Err(Error::BadRequest(_))), "{bad}");
        }
    }

    #[test]
    fn chunked_is_the_only_coding() {
        assert_eq!(coding(b"Chunked"), Ok(()));
        for unknown in ["gzip, chunked", "gzip,deflate , chunked"] {
            assert_eq!(coding(unknown.as_bytes()), Err(Error::TransferCoding), "{unknown}");
        }
        for bad in
            ["", "identity", "chunked, chunked", "chunked, gzip", "xchunked", "chunked,", ",chunked", "chunked;q=1"]
        {
            assert!(matches!(coding(bad.as_bytes()), Err(Error::BadRequest(_))), "{bad}");
        }
    }
}
