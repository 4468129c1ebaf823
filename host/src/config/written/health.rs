//! `health_check` of a cluster.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::keys;
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::model::{HealthCheck, Probe, Statuses};
use crate::config::problem::{Fault, quote};
use crate::config::values;

const EXAMPLE: &str = "health_check = { path = \"/healthz\" }";

pub(super) fn read(entry: &Entry<'_>) -> Option<HealthCheck> {
    const INTERVAL: Duration = Duration::from_secs(5);
    const TIMEOUT: Duration = Duration::from_secs(2);
    const HOUR: Duration = Duration::from_secs(3600);
    let table = entry.table("health_check", EXAMPLE)?.allow(&keys::HEALTH_CHECK);
    let interval = table.read("interval", values::duration(Duration::from_millis(100), HOUR));
    let interval = interval.map_or(INTERVAL, |interval| interval.value);
    let timeout = table.read("timeout", values::duration(Duration::from_millis(1), HOUR));
    if let Some(timeout) = timeout.as_ref().filter(|timeout| timeout.value > interval) {
        let fault = Fault::new(
            "the time-out of a check is longer than the interval between two",
            "make it at most health_check.interval",
        );
        table.report(&timeout.place, "timeout", fault);
    }
    let in_a_row = |key| table.read(key, values::count(1, 1000)).map_or(2, |count| count.value);
    Some(HealthCheck {
        interval,
        timeout: timeout.map_or(TIMEOUT.min(interval), |timeout| timeout.value),
        unhealthy_after: in_a_row("unhealthy_after"),
        healthy_after: in_a_row("healthy_after"),
        probe: read_probe(&table)?,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Tcp,
    Grpc,
}

fn read_probe(table: &Entry<'_>) -> Option<Probe> {
    let words = &[("http", Protocol::Http), ("tcp", Protocol::Tcp), ("grpc", Protocol::Grpc)];
    let protocol = table.read("protocol", values::word(words)).map_or(Protocol::Http, |protocol| protocol.value);
    let foreign: &[&str] = match protocol {
        Protocol::Http => &["service"],
        Protocol::Tcp => &["path", "expect", "body", "service"],
        Protocol::Grpc => &["path", "expect", "body"],
    };
    for key in foreign.iter().filter(|key| table.has(key)) {
        table.report(&table.place, key, Fault::new("belongs to checks by another protocol", "remove it"));
    }
    match protocol {
        Protocol::Http => {
            let expect = read_statuses(table, "expect").unwrap_or_else(|| Statuses(vec![200..=299]));
            let body = table.read("body", |node| values::text(node, "a text", "put it in quotes"));
            let path = table.require("path", "\"/healthz\"", request_target)?.value;
            Some(Probe::Http { path, expect, body: body.map(|body| body.value.to_owned()) })
        }
        Protocol::Tcp => Some(Probe::Tcp),
        Protocol::Grpc => {
            let service = table.read("service", service).map(|name| name.value.to_string());
            Some(Probe::Grpc { service: service.unwrap_or_default() })
        }
    }
}

/// `[200, "3xx"]`; none if it is absent.
pub(super) fn read_statuses(table: &Entry<'_>, key: &str) -> Option<Statuses> {
    let list = table.list(key, &format!("{key} = [200, \"3xx\"]"), status)?;
    Some(Statuses(list.value.into_iter().map(|range| range.value).collect()))
}

/// `204` or `"5xx"`
pub(super) fn status(node: Node<'_>) -> Result<RangeInclusive<u16>, Fault> {
    if let DeValue::Integer(_) = node.value {
        let status = values::integer(node, 100, 599)?;
        let status = u16::try_from(status).unwrap_or(u16::MAX);
        return Ok(status..=status);
    }
    let written = values::text(node, "a status such as 204 or \"2xx\"", "write it in digits")?;
    let class = written.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
    match class {
        Some(class @ 1..=5) => Ok(class * 100..=class * 100 + 99),
        _ => Err(Fault::new(
            format!("expected a status such as 204 or \"2xx\", found {}", quote(written)),
            "write a number, or a class from \"1xx\" to \"5xx\"",
        )),
    }
}

/// Of a length that fits into one byte of the message.
fn service(node: Node<'_>) -> Result<std::sync::Arc<str>, Fault> {
    let name = values::name(node)?;
    if name.len() > 127 {
        return Err(Fault::new("expected a name of at most 127 bytes", "shorten it"));
    }
    Ok(name)
}

/// A path, maybe with a query, as it stands in a request line.
fn request_target(node: Node<'_>) -> Result<String, Fault> {
    let written = values::text(node, "a path such as \"/healthz\"", "put it in quotes")?;
    let valid = written.starts_with('/') && written.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !valid || written.parse::<http::uri::PathAndQuery>().is_err() {
        return Err(Fault::new(
            format!("expected a path such as \"/healthz\", found {}", quote(written)),
            "begin it with a slash, and escape what isn't plain ASCII",
        ));
    }
    Ok(written.to_owned())
}
