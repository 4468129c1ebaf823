//! Content codings (RFC 9110, section 8.4) of bodies that plugins want to see: undone within a bound, so
//! that a small body can't become a big one.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// Why a body can't be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// Not what `Content-Encoding` says.
    Malformed,
    TooLarge,
    /// Some other coding, or more than one.
    Unsupported,
}

/// The bytes without their content coding: `gzip`, `deflate`, or none.
///
/// # Errors
/// Also if the result has more than `limit` bytes.
pub(super) fn decode(body: &Bytes, headers: &HeaderMap, limit: usize) -> Result<Bytes, DecodeError> {
    let mut codings = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    let Some(coding) = codings.next() else { return Ok(body.clone()) };
    if codings.next().is_some() {
        return Err(DecodeError::Unsupported);
    }
    if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
        read(MultiGzDecoder::new(&**body), limit)
    } else if coding.eq_ignore_ascii_case(b"deflate") {
        // The zlib format, whatever the name says (RFC 9110, section 8.4.1.2).
        read(ZlibDecoder::new(&**body), limit)
    } else {
        Err(DecodeError::Unsupported)
    }
}

fn read(decoder: impl Read, limit: usize) -> Result<Bytes, DecodeError> {
    let mut decoded = Vec::new();
    // One more than allowed tells too much from just enough.
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match decoder.take(bound).read_to_end(&mut decoded) {
        Ok(_) if decoded.len() > limit => Err(DecodeError::TooLarge),
        Ok(_) => Ok(decoded.into()),
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Err(DecodeError::TooLarge),
        Err(_) => Err(DecodeError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    fn headers(coding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(coding))])
    }

    fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap().into()
    }

    fn zlib(data: &[u8]) -> Bytes {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn known_codings_are_undone() {
        for (coding, body) in [
            ("gzip", gzip(b"hello")),
            ("X-GZIP", gzip(b"hello")),
            ("identity, gzip", gzip(b"hello")),
            ("deflate", zlib(b"hello")),
            ("identity", Bytes::from_static(b"hello")),
            ("", Bytes::from_static(b"hello")),
        ] {
            assert_eq!(decode(&body, &headers(coding), 5).as_deref(), Ok(&b"hello"[..]), "{coding}");
        }
    }

    #[test]
    fn a_small_body_cannot_become_a_big_one() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20 << 10);
        assert_eq!(decode(&bomb, &headers("gzip"), 1 << 20), Err(DecodeError::TooLarge));
        assert_eq!(decode(&gzip(b"hello"), &headers("gzip"), 4), Err(DecodeError::TooLarge));
    }

    #[test]
    fn nonsense_and_other_codings_are_told_apart() {
        let body = Bytes::from_static(b"hello");
        assert_eq!(decode(&body, &headers("gzip"), 100), Err(DecodeError::Malformed));
        assert_eq!(decode(&gzip(b"hello").slice(..12), &headers("gzip"), 100), Err(DecodeError::Malformed));
        assert_eq!(decode(&body, &headers("br"), 100), Err(DecodeError::Unsupported));
        assert_eq!(decode(&body, &headers("gzip, gzip"), 100), Err(DecodeError::Unsupported));
    }
}
