//! The Common and Combined Log Formats, as Apache and nginx write them.

use std::io::Write as _;

use super::entry::{Entry, Log};
use super::json::{protocol, write_address};
use super::time;
use crate::fields::digits::decimal;

pub(super) fn write(log: &Log, entry: &Entry, combined: bool, out: &mut Vec<u8>) {
    let subject = entry.outcome.as_ref().and_then(|outcome| outcome.subject.as_deref());
    write_address(entry.client(), out);
    out.extend_from_slice(b" - ");
    escape(subject.filter(|subject| !subject.is_empty()).unwrap_or("-").as_bytes(), b" ", out);
    out.extend_from_slice(b" [");
    time::common(entry.at, out);
    out.extend_from_slice(b"] \"");
    escape(entry.method.as_str().as_bytes(), b"", out);
    out.push(b' ');
    escape(entry.uri.path().as_bytes(), b"", out);
    if let Some(query) = entry.uri.query() {
        out.push(b'?');
        escape(log.query(query).as_bytes(), b"", out);
    }
    out.push(b' ');
    out.extend_from_slice(protocol(entry.version).as_bytes());
    out.extend_from_slice(b"\" ");
    decimal(entry.status().into(), out);
    out.push(b' ');
    match entry.bytes {
        0 => out.push(b'-'),
        bytes => decimal(bytes, out),
    }
    if combined {
        // Referer and user agent, in this order.
        for value in &entry.request {
            out.extend_from_slice(b" \"");
            escape(value.as_ref().map_or(b"-", |value| value.as_bytes()), b"", out);
            out.push(b'"');
        }
    }
}

/// Quotes, backslashes, what can't be printed, and `more` as `\xHH`.
fn escape(value: &[u8], more: &[u8], out: &mut Vec<u8>) {
    for byte in value {
        match byte {
            b'"' | b'\\' | 0..0x20 | 0x7f.. => drop(write!(out, "\\x{byte:02X}")),
            special if more.contains(special) => drop(write!(out, "\\x{byte:02X}")),
            plain => out.push(*plain),
        }
    }
}
