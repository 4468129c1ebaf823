//! The scan against a reference that is simple and slow, on requests that are nearly good, in all sorts of pieces.

use bytes::{Buf, BytesMut};
use proptest::prelude::*;

use super::{Limits, Piece, Scan};
use crate::error::Error;

const LIMITS: Limits = Limits { head: 2000, target: 100, fields: 8 };

/// What a scan makes of a stream of requests: the ends of heads, and what is wrong after the last.
#[derive(Debug, Clone)]
struct Read {
    heads: Vec<usize>,
    /// The status, where no more can be known.
    error: Option<u16>,
}

/// Which of several faults is found first depends on how the bytes come, and doesn't matter.
impl PartialEq for Read {
    fn eq(&self, other: &Self) -> bool {
        self.heads == other.heads && self.error.is_some() == other.error.is_some()
    }
}

fn status(error: &Error) -> u16 {
    match error {
        Error::BadRequest(_) | Error::RequestBody => 400,
        Error::TargetTooLong => 414,
        Error::HeadTooLarge => 431,
        Error::Version => 505,
        Error::TransferCoding | Error::Connect => 501,
        other => panic!("{other:?}"),
    }
}

/// Give the scan the bytes in pieces of these sizes, in turn, as a connection does.
fn scanned(bytes: &[u8], sizes: &[usize]) -> Read {
    let mut scan = Scan::new(LIMITS);
    let (mut buffer, mut rest) = (BytesMut::new(), bytes);
    let mut heads = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut in_body = false;
    loop {
        let step = if in_body {
            scan.piece(&mut buffer).map(|piece| {
                in_body = piece != Some(Piece::End);
                piece.is_some()
            })
        } else if buffer.is_empty() {
            Ok(false)
        } else {
            scan.head(&buffer).map(|found| {
                let Some(found) = found else { return false };
                buffer.advance(found.length);
                heads.push(bytes.len() - rest.len() - buffer.len());
                in_body = found.has_body;
                true
            })
        };
        match step {
            Ok(true) => {}
            Ok(false) if rest.is_empty() => return Read { heads, error: None },
            Ok(false) => {
                let (now, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                buffer.extend_from_slice(now);
                rest = later;
            }
            Err(error) => return Read { heads, error: Some(status(&error)) },
        }
    }
}

mod reference {
    //! The same rules by text splitting.

    use super::*;

    /// The first line of what is left; none if it has no end.
    fn line(rest: &str) -> Result<Option<(&str, &str)>, u16> {
        let Some(end) = rest.find(['\r', '\n']) else { return Ok(None) };
        match &rest[end..] {
            "\r" => Ok(None),
            after if after.starts_with("\r\n") => Ok(Some((&rest[..end], &rest[end + 2..]))),
            _ => Err(400),
        }
    }

    pub fn read(mut rest: &str) -> Read {
        let whole = rest.len();
        let mut heads = Vec::new();
        loop {
            let after = match head(rest) {
                Ok(Some(after)) => after,
                Ok(None) => return Read { heads, error: None },
                Err(error) => return Read { heads, error: Some(error) },
            };
            heads.push(whole - after.0.len());
            rest = match body(after.0, after.1) {
                Ok(Some(after)) => after,
                Ok(None) => return Read { heads, error: None },
                Err(error) => return Read { heads, error: Some(error) },
            };
        }
    }

    fn is_token(text: &str) -> bool {
        !text.is_empty() && http::Method::from_bytes(text.as_bytes()).is_ok()
    }

    /// What follows, and the body's length; none is chunked.
    fn head(mut rest: &str) -> Result<Option<(&str, Option<u64>)>, u16> {
        let whole = rest;
        let mut request = None;
        let mut fields = Vec::new();
        loop {
            let Some((text, after)) = line(rest)? else {
                // Garbage is told before its line ends.
                let garbage = |first| !is_token(&char::to_string(&first)) && first != '\r';
                let begun = request.is_none() && rest.starts_with(garbage);
                return if begun { Err(400) } else { Ok(None) };
            };
            rest = after;
            match (text, request) {
                ("", None) => {}
                ("", Some(version)) => {
                    let head = &whole[..whole.len() - rest.len()];
                    if head.chars().any(|c| c.is_ascii_control() && !"\r\n\t".contains(c)) {
                        return Err(400);
                    }
                    return framing(version, &fields, true).map(|length| Some((rest, length)));
                }
                (text, None) => request = Some(request_line(text)?),
                (text, Some(_)) => {
                    let (name, value) = text.split_once(':').ok_or(400u16)?;
                    if !is_token(name) {
                        return Err(400);
                    }
                    if fields.len() == LIMITS.fields {
                        return Err(431);
                    }
                    fields.push((name.to_lowercase(), value.trim_matches([' ', '\t'])));
                    framing(request.unwrap_or(1), &fields, false)?;
                }
            }
        }
    }

    fn request_line(text: &str) -> Result<u8, u16> {
        let words: Vec<&str> = text.split(' ').collect();
        let [method, target, version] = words[..] else { return Err(400) };
        if !is_token(method) || target.contains(|c: char| c.is_ascii_control()) {
            return Err(400);
        }
        let version = match version {
            "HTTP/1.0" => 0,
            "HTTP/1.1" => 1,
            _ => {
                let numbers = version.strip_prefix("HTTP/").and_then(|rest| rest.split_once('.')).ok_or(400u16)?;
                let is_digit = |text: &str| text.len() == 1 && text.as_bytes()[0].is_ascii_digit();
                return Err(if is_digit(numbers.0) && is_digit(numbers.1) { 505 } else { 400 });
            }
        };
        if target.len() > LIMITS.target {
            return Err(414);
        }
        if method == "CONNECT" {
            return Err(501);
        }
        let uri: http::Uri = target.parse().map_err(|_| 400u16)?;
        let good = match (uri.scheme_str(), uri.authority()) {
            (None, None) => target.starts_with('/') || target == "*" && method == "OPTIONS",
            (Some("http" | "https"), Some(host)) => crate::fields::valid_host(host.as_str().as_bytes()),
            _ => false,
        };
        if !good || target.contains('#') || !target.is_ascii() { Err(400) } else { Ok(version) }
    }

    fn framing(version: u8, fields: &[(String, &str)], ended: bool) -> Result<Option<u64>, u16> {
        let of = |name: &str| fields.iter().filter(|field| field.0 == name).map(|field| field.1).collect::<Vec<_>>();
        let length = match of("content-length")[..] {
            [] => None,
            [text] if text.chars().all(|c| c.is_ascii_digit()) => Some(text.parse::<i64>().map_err(|_| 400u16)? as u64),
            _ => return Err(400),
        };
        let chunked = match of("transfer-encoding")[..] {
            [] => false,
            [_] if version == 0 => return Err(400),
            [text] if text.to_lowercase() == "chunked" => true,
            [text] => {
                let lower = text.to_lowercase();
                let members: Vec<&str> = lower.split(',').map(|member| member.trim_matches([' ', '\t'])).collect();
                let before = members[..members.len() - 1].iter();
                let unknown = members.last() == Some(&"chunked") && before.clone().count() > 0;
                return Err(if unknown && before.clone().all(|m| !m.is_empty() && *m != "chunked") {
                    501
                } else {
                    400
                });
            }
            _ => return Err(400),
        };
        match (chunked, length) {
            (true, Some(_)) if ended => Err(400),
            (true, _) => Ok(None),
            (false, length) => Ok(Some(length.unwrap_or_default())),
        }
    }

    /// What follows a body; none if it isn't complete.
    fn body(rest: &str, length: Option<u64>) -> Result<Option<&str>, u16> {
        if let Some(length) = length {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            // What begins in the middle of a character is no head.
            return if length > rest.len() { Ok(None) } else { rest.get(length..).map(Some).ok_or(400) };
        }
        chunks(rest)
    }

    fn chunks(mut rest: &str) -> Result<Option<&str>, u16> {
        loop {
            let digits = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            if digits > 15 || digits == 0 && !rest.is_empty() {
                return Err(400);
            }
            let bad = |text: &str| text.chars().any(|c| c.is_ascii_control() && c != '\t');
            let after = &rest[digits..];
            if !after.is_empty() && !after.starts_with([';', '\r']) {
                return Err(400);
            }
            let Some((text, next)) = line(rest)? else {
                return if bad(rest.trim_end_matches('\r')) { Err(400) } else { Ok(None) };
            };
            if bad(text) {
                return Err(400);
            }
            let size = u64::from_str_radix(&rest[..digits], 16).map_err(|_| 400u16)? as usize;
            if size == 0 {
                return trailers(next);
            }
            // The middle of a character is no line's end.
            match next.get(size.min(next.len())..).ok_or(400u16)? {
                "" | "\r" => return Ok(None),
                end => rest = end.strip_prefix("\r\n").ok_or(400u16)?,
            }
        }
    }

    fn trailers(mut rest: &str) -> Result<Option<&str>, u16> {
        loop {
            let read = line(rest)?;
            let (text, ended) = read.map_or((rest.trim_end_matches('\r'), false), |read| (read.0, true));
            let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)));
            let bad_value = value.is_some_and(|value| value.chars().any(|c| c.is_ascii_control() && c != '\t'));
            match (text, ended) {
                ("", false) => return Ok(None),
                ("", true) => return Ok(read.map(|read| read.1)),
                _ if !is_token(name) || bad_value || (ended || rest.ends_with('\r')) && value.is_none() => {
                    return Err(400);
                }
                (_, false) => return Ok(None),
                (_, true) => rest = read.map_or("", |read| read.1),
            }
        }
    }
}

/// Words that requests are made of, good ones and bad ones.
fn word() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = vec![
        "GET / HTTP/1.1\r\n",
        "POST /a?b HTTP/1.1\r\n",
        "GET /x HTTP/1.0\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "GET http://a:80/x HTTP/1.1\r\n",
        "GET http://u@a/ HTTP/1.1\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
        "GET / HTTP/2.0\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET /\r\n",
        "GET /a#b HTTP/1.1\r\n",
        "GET /\u{e9} HTTP/1.1\r\n",
        "Host: a\r\n",
        "x: 1\r\n",
        "x:\t1 \r\n",
        "x : 1\r\n",
        " folded\r\n",
        "x\r\n",
        ": 1\r\n",
        "x: \u{0}\r\n",
        "x: \u{7f}\r\n",
        "x: \u{e9}\r\n",
        "Content-Length: 5\r\n",
        "content-length: 0\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding: Chunked \r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: x\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "\r\n",
        "\n",
        "\r",
        "hello",
        "5\r\nhello\r\n",
        "5;x=y\r\nhello\r\n",
        "0\r\n",
        "0\r\n\r\n",
        "0\r\nx: 1\r\n\r\n",
        "5 \r\nhello\r\n",
        "x\r\n",
        "00000000000000005\r\nhello\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
        "5\nhello\r\n",
        "5\r\nhello",
        "a",
        ":",
        ";",
        " ",
        "\t",
        "0",
        "\u{1}",
    ];
    let long = (90usize..120).prop_map(|count| format!("GET /{} HTTP/1.1\r\n", "a".repeat(count)));
    prop_oneof![40 => proptest::sample::select(words).prop_map(str::to_owned), 1 => long]
}

/// Good requests, into which now and then a word is put that may not belong there.
fn stream() -> impl Strategy<Value = String> {
    let good: Vec<&'static str> = vec![
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
        "\r\nHEAD /%41?x HTTP/1.0\r\n\r\n",
    ];
    let good = proptest::sample::select(good).prop_map(str::to_owned);
    let parts = proptest::collection::vec(prop_oneof![good, word(), word()], 1..8);
    (parts, proptest::option::of((any::<proptest::sample::Index>(), word()))).prop_map(|(parts, put)| {
        let mut text = parts.concat();
        if let Some((place, word)) = put {
            let place = place.index(text.len() + 1);
            let place = (0..=place).rev().find(|place| text.is_char_boundary(*place)).unwrap_or_default();
            text.insert_str(place, &word);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn it_reads_as_the_reference_does(text in stream()) {
        prop_assert_eq!(scanned(text.as_bytes(), &[usize::MAX / 2]), reference::read(&text), "{:?}", text);
    }

    #[test]
    fn pieces_make_no_difference(text in stream(), sizes in proptest::collection::vec(1usize..20, 1..10)) {
        prop_assert_eq!(scanned(text.as_bytes(), &sizes), scanned(text.as_bytes(), &[usize::MAX / 2]), "{:?}", text);
    }

    #[test]
    fn any_bytes_are_no_trouble(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        scanned(&bytes, &[7, 1, 50]);
    }
}

#[test]
fn limits_hold_before_a_line_ends() {
    let fields = "x: 1\r\n".repeat(LIMITS.fields + 1);
    for (text, status) in [
        (format!("GET /{}", "a".repeat(500)), 414),
        (format!("GET / HTTP/1.1\r\nx: {}", "a".repeat(2000)), 431),
        (format!("GET / HTTP/1.1\r\n{fields}"), 431),
        ("\r\n".repeat(1001), 414),
        ("\x16\x03\x01".to_owned(), 400),
    ] {
        assert_eq!(scanned(text.as_bytes(), &[100]).error, Some(status), "{text}");
    }
    let extension = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;{}", "a".repeat(5000));
    assert_eq!(scanned(extension.as_bytes(), &[100]).error, Some(400));
}
