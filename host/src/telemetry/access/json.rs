//! Lines of JSON. Written by hand into one buffer, so that a line with nothing to redact costs no allocation.

use std::fmt::Display;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Version, header};

use super::entry::{Entry, Log};
use super::field::Field;
use super::time;
use crate::fields::digits::{decimal, padded};
use crate::telemetry::trail::Steps;

pub(super) fn write(log: &Log, fields: &[Field], entry: &Entry, out: &mut Vec<u8>) {
    let mut line = Line { out, first: true };
    let (mut request, mut response) = (0, 0);
    line.out.push(b'{');
    for field in fields {
        match field {
            Field::Request(name) => {
                line.header("request.", name, entry.request.get(request).and_then(Option::as_ref));
                request += 1;
            }
            Field::Response(name) => {
                line.header("response.", name, entry.response.get(response).and_then(Option::as_ref));
                response += 1;
            }
            other => line.field(log, other, entry),
        }
    }
    line.out.push(b'}');
}

/// A line on its way.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Line<'_> {
    fn field(&mut self, log: &Log, field: &Field, entry: &Entry) {
        let outcome = entry.outcome.as_ref();
        let steps = outcome.and_then(|outcome| outcome.steps.as_deref());
        let last = steps.and_then(|steps| steps.own_tries().last());
        match field {
            Field::Time => {
                self.key("time");
                self.out.push(b'"');
                time::rfc3339(entry.at, self.out);
                self.out.push(b'"');
            }
            Field::RequestId => self.text("request_id", outcome.and_then(|outcome| outcome.request_id.as_deref())),
            Field::TraceId => self.maybe("trace_id", entry.trace().map(|trace| trace.ids().0)),
            Field::SpanId => self.maybe("span_id", entry.trace().map(|trace| trace.ids().1)),
            Field::Listener => self.text("listener", Some(&*entry.listener)),
            Field::Route => self.text("route", outcome.and_then(|outcome| outcome.route.as_deref())),
            Field::Client => self.address("client", entry.client()),
            Field::Peer => self.address("peer", entry.peer),
            Field::Scheme => self.text("scheme", Some(entry.scheme)),
            Field::Protocol => self.text("protocol", Some(protocol(entry.version))),
            Field::Method => self.text("method", Some(entry.method.as_str())),
            Field::Host => match &entry.host {
                Some(host) => self.bytes("host", host.as_bytes()),
                None => self.text("host", entry.uri.authority().map(http::uri::Authority::as_str)),
            },
            Field::Path => self.text("path", Some(entry.uri.path())),
            Field::Query => self.text("query", entry.uri.query().map(|query| log.query(query)).as_deref()),
            Field::Status => self.number("status", entry.status().into()),
            Field::Bytes => self.number("bytes", entry.bytes),
            Field::Duration => self.millis("duration_ms", entry.duration),
            Field::Cluster => self.text("cluster", last.map(|last| &*last.cluster)),
            Field::Endpoint => self.text("endpoint", last.map(|last| &*last.endpoint)),
            Field::UpstreamStatus => {
                if let Some(status) = last.and_then(|last| last.status) {
                    self.number("upstream_status", status.into());
                }
            }
            Field::UpstreamDuration => {
                if let Some(last) = last {
                    self.millis("upstream_ms", last.duration);
                }
            }
            Field::Tries => {
                let count = steps.map_or(0, |steps| steps.own_tries().count());
                if count > 0 {
                    self.number("tries", count as u64);
                }
            }
            Field::Subject => self.text("subject", outcome.and_then(|outcome| outcome.subject.as_deref())),
            Field::Issuer => self.text("issuer", outcome.and_then(|outcome| outcome.issuer.as_deref())),
            Field::IdentifiedBy => {
                self.text("identified_by", outcome.and_then(|outcome| outcome.identified_by.as_deref()));
            }
            Field::Plugins => self.plugins(steps),
            Field::RefusedBy => self.text("refused_by", outcome.and_then(|outcome| outcome.refused_by.as_deref())),
            Field::Reason => self.text("reason", entry.reason()),
            Field::Request(_) | Field::Response(_) => {}
        }
    }

    /// `"plugins":[{"plugin":"keys","hook":"authenticate","outcome":"identified","us":12}]`
    fn plugins(&mut self, steps: Option<&Steps>) {
        let Some(steps) = steps.filter(|steps| !steps.calls.is_empty()) else { return };
        self.key("plugins");
        self.out.push(b'[');
        for (index, call) in steps.calls.iter().enumerate() {
            self.out.extend_from_slice(if index == 0 { b"{\"plugin\":\"" } else { b",{\"plugin\":\"" });
            escape(call.plugin.as_bytes(), self.out);
            for part in ["\",\"hook\":\"", call.hook, "\",\"outcome\":\"", call.outcome, "\",\"us\":"] {
                self.out.extend_from_slice(part.as_bytes());
            }
            decimal(microseconds(call.duration), self.out);
            self.out.push(b'}');
        }
        self.out.push(b']');
    }

    fn header(&mut self, prefix: &str, name: &http::HeaderName, value: Option<&HeaderValue>) {
        let Some(value) = value else { return };
        match *name {
            header::USER_AGENT if prefix == "request." => self.bytes("user_agent", value.as_bytes()),
            header::REFERER if prefix == "request." => self.bytes("referer", value.as_bytes()),
            _ => {
                self.key_of(&[prefix, name.as_str()]);
                self.string(value.as_bytes());
            }
        }
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.bytes(key, value.as_bytes());
        }
    }

    fn maybe(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.quoted(key, value);
        }
    }

    fn bytes(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.string(value);
    }

    fn string(&mut self, value: &[u8]) {
        self.out.push(b'"');
        escape(value, self.out);
        self.out.push(b'"');
    }

    /// Something whose text needs no escapes.
    fn quoted(&mut self, key: &str, value: impl Display) {
        self.key(key);
        let _ = write!(self.out, "\"{value}\"");
    }

    fn address(&mut self, key: &str, address: IpAddr) {
        self.key(key);
        self.out.push(b'"');
        write_address(address, self.out);
        self.out.push(b'"');
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        decimal(value, self.out);
    }

    /// With three places.
    fn millis(&mut self, key: &str, time: Duration) {
        self.key(key);
        let us = microseconds(time);
        decimal(us / 1000, self.out);
        self.out.push(b'.');
        padded(us % 1000, 3, self.out);
    }

    fn key(&mut self, key: &str) {
        self.key_of(&[key]);
    }

    fn key_of(&mut self, parts: &[&str]) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out.extend_from_slice(b"\":");
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                decimal(octet.into(), out);
            }
        }
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// The inside of a JSON string (RFC 8259, section 7). What isn't UTF-8 is replaced.
fn escape(value: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| (0x20..0x7f).contains(byte) && *byte != b'"' && *byte != b'\\';
    if value.iter().all(plain) {
        return out.extend_from_slice(value);
    }
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            // Also those that some readers take for the end of a line.
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_in_a_value_comes_back_from_a_json_reader(text in any::<String>()) {
            let mut out = vec![b'"'];
            escape(text.as_bytes(), &mut out);
            out.push(b'"');
            prop_assert!(!out.contains(&b'\n'));
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn bytes_of_any_kind_make_valid_json(bytes in any::<Vec<u8>>()) {
            let mut out = vec![b'"'];
            escape(&bytes, &mut out);
            out.push(b'"');
            prop_assert!(serde_json::from_slice::<String>(&out).is_ok());
        }
    }
}
