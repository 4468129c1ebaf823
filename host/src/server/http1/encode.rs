//! The head of an answer, and how its body is delimited (RFC 9112, section 6).

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Response, StatusCode, Version, header};
use http_body::Body as _;

use crate::body::Body;
use crate::fields::digits::{chunk_size, decimal};
use crate::fields::members_of;

/// What a request says of the answer that it wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub version: Version,
    pub is_head: bool,
    /// The client, and the gateway, go on with the connection after the answer.
    pub keeps_alive: bool,
    pub takes_trailers: bool,
}

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// `trailers`: fields may follow.
    Chunked { trailers: bool },
    /// It ends with the connection.
    ToEnd,
}

/// Write a head. Tells how the body is delimited, and whether another request may follow.
pub(super) fn encode_head(answer: &Response<Body>, wanted: Wanted, out: &mut Vec<u8>) -> (Framing, bool) {
    let (status, headers) = (answer.status(), answer.headers());
    let is_old = wanted.version == Version::HTTP_10;
    let (framing, told) = framing(answer, wanted);
    let says_close = names(headers, &header::CONNECTION, b"close");
    let keeps_alive = wanted.keeps_alive && framing != Framing::ToEnd && !says_close;
    out.extend_from_slice(if is_old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    let (mut has_date, mut has_connection) = (false, false);
    for (name, value) in headers {
        match *name {
            header::TRANSFER_ENCODING => continue,
            header::CONTENT_LENGTH if told != Told::AsItIs => continue,
            header::DATE => has_date = true,
            header::CONNECTION => has_connection = true,
            _ => {}
        }
        push_field(out, name.as_str(), value.as_bytes());
    }
    match (framing, told) {
        (Framing::Length(length), Told::ByUs) => {
            out.extend_from_slice(b"content-length: ");
            decimal(length, out);
            out.extend_from_slice(b"\r\n");
        }
        (Framing::Chunked { .. }, _) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        _ => {}
    }
    match (has_connection, keeps_alive) {
        (false, false) => out.extend_from_slice(b"connection: close\r\n"),
        (false, true) if is_old => out.extend_from_slice(b"connection: keep-alive\r\n"),
        _ => {}
    }
    if !has_date {
        push_field(out, "date", &now());
    }
    out.extend_from_slice(b"\r\n");
    (framing, keeps_alive)
}

/// Who tells the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    ByUs,
    /// As the answer's own field does, if it has one: it speaks of what isn't sent.
    AsItIs,
    Nobody,
}

fn framing(answer: &Response<Body>, wanted: Wanted) -> (Framing, Told) {
    let status = answer.status();
    // RFC 9110, sections 8.6 and 15.4.5.
    if wanted.is_head || status == StatusCode::NOT_MODIFIED {
        return (Framing::Length(0), Told::AsItIs);
    }
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        return (Framing::Length(0), Told::Nobody);
    }
    match answer.body().size_hint().exact().or_else(|| said_length(answer)) {
        Some(length) => (Framing::Length(length), Told::ByUs),
        None if wanted.version == Version::HTTP_10 => (Framing::ToEnd, Told::Nobody),
        None => (Framing::Chunked { trailers: wanted.takes_trailers }, Told::Nobody),
    }
}

/// The length by the answer's own field, where the body doesn't know it.
fn said_length(answer: &Response<Body>) -> Option<u64> {
    answer.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Write the beginning of a chunk.
pub(super) fn push_chunk(length: usize, out: &mut Vec<u8>) {
    chunk_size(length, out);
    out.extend_from_slice(b"\r\n");
}

/// Write the end of a chunked body, with those trailers that were announced (RFC 9110, section 6.6.2).
pub(super) fn push_end(trailers: Option<&HeaderMap>, announced: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        let is_announced = members_of(announced).any(|member| member.eq_ignore_ascii_case(name.as_str().as_bytes()));
        if is_announced && !matches!(*name, header::CONTENT_LENGTH | header::TRANSFER_ENCODING) {
            push_field(out, name.as_str(), value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn names(headers: &HeaderMap, field: &http::HeaderName, option: &[u8]) -> bool {
    headers
        .get_all(field)
        .iter()
        .any(|value| members_of(value.as_bytes()).any(|member| member.eq_ignore_ascii_case(option)))
}

/// The time as `Date` has it (RFC 9110, section 5.6.7). Written once in a second on each thread.
fn now() -> [u8; 29] {
    thread_local! {
        static LAST: Cell<(u64, [u8; 29])> = const { Cell::new((0, [0; 29])) };
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (known, text) = LAST.get();
    if known == seconds && known > 0 {
        return text;
    }
    let written = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    let text = written.as_bytes().try_into().unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT");
    LAST.set((seconds, text));
    text
}
