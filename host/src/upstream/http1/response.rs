//! How the head of an answer is read.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};

use super::{MAX_FIELDS, MAX_HEAD, Malformed};
use crate::fields::is_hop_by_hop;

/// The head of an answer.
#[derive(Debug)]
pub(in crate::upstream) struct Head {
    pub status: StatusCode,
    pub version: Version,
    /// As they came, without `Transfer-Encoding`, and without `Connection` if that names no fields.
    pub headers: HeaderMap,
    /// Whether there are others that belong to the connection.
    pub has_hop_by_hop: bool,
    pub body: BodyKind,
    /// The endpoint takes another request on this connection.
    pub keeps_alive: bool,
}

/// How an answer's body is delimited (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum BodyKind {
    Length(u64),
    Chunked,
    /// It ends with the connection.
    ToEnd,
}

/// Read the head of the answer to a request with this method, and how many bytes it takes; none if it isn't
/// complete yet. Informational answers are heads too.
///
/// # Errors
/// It will never be one, or its body has no certain end.
pub(in crate::upstream) fn parse(bytes: &Bytes, method: &Method) -> Result<Option<(Head, usize)>, Malformed> {
    let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let length =
        match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut fields) {
            Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
            _ => return Err(Malformed),
        };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed)?;
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut headers = HeaderMap::new();
    // The gateway adds two.
    headers.try_reserve(parsed.headers.len() + 2).map_err(|_| Malformed)?;
    let mut framing = Fields::default();
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)).map_err(|_| Malformed)?;
        if framing.see(&name, &value)? {
            headers.try_append(name, value).map_err(|_| Malformed)?;
        }
    }
    let body = framing.body(method, status, version)?;
    let keeps_alive = !framing.close && (version == Version::HTTP_11 || framing.keep_alive);
    let keeps_alive = keeps_alive && body != BodyKind::ToEnd;
    let has_hop_by_hop = framing.hop_by_hop;
    Ok(Some((Head { status, version, headers, has_hop_by_hop, body, keeps_alive }, length)))
}

/// What the fields say of the body's end and of the connection.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    hop_by_hop: bool,
}

impl Fields {
    /// Whether the field is of any use to somebody else.
    fn see(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, Malformed> {
        match *name {
            header::CONTENT_LENGTH => {
                // Two of them, even if they agree, are a sign that something is put over on us.
                if self.length.replace(number(value.as_bytes()).ok_or(Malformed)?).is_some() {
                    return Err(Malformed);
                }
            }
            header::TRANSFER_ENCODING => {
                let known = value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
                if !known || std::mem::replace(&mut self.chunked, true) {
                    return Err(Malformed);
                }
                return Ok(false);
            }
            header::CONNECTION => {
                let mut names_fields = false;
                for option in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    if option.eq_ignore_ascii_case(b"close") {
                        self.close = true;
                    } else if option.eq_ignore_ascii_case(b"keep-alive") {
                        self.keep_alive = true;
                    } else {
                        names_fields = true;
                    }
                }
                self.hop_by_hop |= names_fields;
                return Ok(names_fields);
            }
            _ => self.hop_by_hop |= *name == header::TE || is_hop_by_hop(name),
        }
        Ok(true)
    }

    fn body(&self, method: &Method, status: StatusCode, version: Version) -> Result<BodyKind, Malformed> {
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || method == Method::HEAD;
        match self {
            // RFC 9112, section 6.1: one of them is a lie, and chunks aren't known to HTTP/1.0.
            Self { chunked: true, length: Some(_), .. } => Err(Malformed),
            Self { chunked: true, .. } if version == Version::HTTP_10 => Err(Malformed),
            _ if bodiless => Ok(BodyKind::Length(0)),
            Self { chunked: true, .. } => Ok(BodyKind::Chunked),
            Self { length: Some(length), .. } => Ok(BodyKind::Length(*length)),
            _ => Ok(BodyKind::ToEnd),
        }
    }
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, method: &Method) -> Result<Option<(Head, usize)>, Malformed> {
        parse(&Bytes::copy_from_slice(text.as_bytes()), method)
    }

    fn kind(text: &str) -> Result<(BodyKind, bool), Malformed> {
        let (head, length) = read(&format!("HTTP/1.1 200 OK\r\n{text}\r\n"), &Method::GET)?.unwrap();
        assert_eq!(length, 19 + text.len());
        Ok((head.body, head.keeps_alive))
    }

    #[test]
    fn bodies_end_where_the_fields_say() {
        assert_eq!(kind("content-length: 7\r\n"), Ok((BodyKind::Length(7), true)));
        assert_eq!(kind("Transfer-Encoding: Chunked\r\n"), Ok((BodyKind::Chunked, true)));
        assert_eq!(kind("x: y\r\n"), Ok((BodyKind::ToEnd, false)));
        assert_eq!(kind("content-length: 7\r\nconnection: x, Close\r\n"), Ok((BodyKind::Length(7), false)));
        assert_eq!(
            kind("content-length: 7\r\nconnection: close\r\nconnection: keep-alive\r\n"),
            Ok((BodyKind::Length(7), false))
        );
    }

    #[test]
    fn doubtful_ends_are_malformed() {
        for fields in [
            "content-length: 7\r\ncontent-length: 7\r\n",
            "content-length: 7\r\ncontent-length: 8\r\n",
            "content-length: 7, 7\r\n",
            "content-length: +7\r\n",
            "content-length: -1\r\n",
            "content-length: 0x7\r\n",
            "content-length:\r\n",
            "content-length: 18446744073709551616\r\n",
            "content-length: 7\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked, identity\r\n",
            "transfer-encoding: xchunked\r\n",
            "transfer-encoding : chunked\r\n",
            "x: a\r\n b\r\n",
        ] {
            assert_eq!(kind(fields).unwrap_err(), Malformed, "{fields}");
        }
        let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(read(old, &Method::GET).unwrap_err(), Malformed);
    }

    #[test]
    fn some_answers_have_no_body() {
        for (method, status) in
            [(Method::HEAD, "200 OK"), (Method::GET, "204 X"), (Method::GET, "304 X"), (Method::GET, "103 X")]
        {
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: 7\r\n\r\n");
            let (head, _) = read(&text, &method).unwrap().unwrap();
            assert_eq!((head.body, head.keeps_alive), (BodyKind::Length(0), true));
        }
    }

    #[test]
    fn old_answers_close_unless_they_say_otherwise() {
        let alive = |fields: &str| {
            let text = format!("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n{fields}\r\n");
            read(&text, &Method::GET).unwrap().unwrap().0.keeps_alive
        };
        assert!(!alive(""));
        assert!(alive("connection: keep-alive\r\n"));
    }

    #[test]
    fn garbage_and_excess_are_malformed() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(MAX_FIELDS + 1));
        for text in ["SSH-2.0-x\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", &long, &many] {
            assert_eq!(read(text, &Method::GET).unwrap_err(), Malformed, "{text:.40}");
        }
    }

    proptest! {
        /// A part of a head is never taken for a head, nor refused.
        #[test]
        fn heads_are_read_when_they_are_complete(
            fields in proptest::collection::vec(("x-[a-z]{1,8}", "[!-~]{0,20}"), 0..20),
            cut in any::<proptest::sample::Index>(),
        ) {
            let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let text = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 1\r\n\r\n");
            let whole = Bytes::from(text.clone());
            let (head, length) = parse(&whole, &Method::GET).unwrap().unwrap();
            prop_assert_eq!(length, text.len());
            prop_assert_eq!(head.headers.len(), fields.len() + 1);
            let part = whole.slice(..cut.index(text.len()));
            prop_assert!(parse(&part, &Method::GET).unwrap().is_none());
        }

        #[test]
        fn anything_can_be_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&Bytes::from([b"HTTP/1.1 200 OK\r\n", &*bytes].concat()), &Method::GET);
            let _ = parse(&Bytes::from(bytes), &Method::GET);
        }
    }
}
