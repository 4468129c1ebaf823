//! `[access_log]`

use super::keys;
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::model::{AccessFormat, AccessLog, AccessOutput, AccessWhen, SyslogTarget};
use crate::config::problem::{Fault, quote};
use crate::config::{network, suggest, values};
use crate::telemetry::access::Field;

const OUTPUTS: &str = "\"stdout\", \"stderr\", { file = \"…\" } or { syslog = \"…\" }";

const FACILITIES: &[(&str, u8)] = &[
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// Reads the table; paths are still relative.
pub(super) fn read(top: &Entry<'_>) -> Option<AccessLog> {
    let entry = top.table("access_log", "[access_log]")?.allow(&keys::ACCESS_LOG);
    let formats = &[("json", 0), ("common", 1), ("combined", 2)];
    let format = entry.read("format", values::word(formats)).map_or(0, |format| format.value);
    let fields = entry.list("fields", "fields = [\"time\", \"status\"]", field);
    if let Some(fields) = fields.as_ref().filter(|_| format != 0) {
        let fault =
            Fault::new("only lines of JSON have fields that can be chosen", "remove it, or write format = \"json\"");
        entry.report(&fields.place, "fields", fault);
    }
    let fields: Vec<Field> = match fields {
        Some(fields) => fields.value.into_iter().map(|field| field.value).collect(),
        None => Field::DEFAULT.into_iter().filter_map(Field::named).collect(),
    };
    let redact =
        entry.list("redact", "redact = [\"x-session\"]", |node| values::string(node).map(str::to_ascii_lowercase));
    Some(AccessLog {
        output: output(&entry).unwrap_or(AccessOutput::Stdout),
        format: match format {
            1 => AccessFormat::Common,
            2 => AccessFormat::Combined,
            _ => AccessFormat::Json(fields),
        },
        when: entry
            .read("when", values::word(&[("always", AccessWhen::Always), ("errors", AccessWhen::Errors)]))
            .map_or(AccessWhen::Always, |when| when.value),
        redact: redact.map(|names| names.value.into_iter().map(|name| name.value.into()).collect()).unwrap_or_default(),
    })
}

fn field(node: Node<'_>) -> Result<Field, Fault> {
    let written = values::string(node)?;
    Field::named(written).ok_or_else(|| {
        let names: Vec<&str> = Field::NAMES.iter().map(|(name, _)| *name).collect();
        let remedy = suggest::remedy(written, "valid", &names);
        Fault::new(
            format!("expected a field, found {}", quote(written)),
            format!("{remedy}; or request.NAME, response.NAME for header fields"),
        )
    })
}

fn output(entry: &Entry<'_>) -> Option<AccessOutput> {
    let node = entry.node("output")?;
    if let Some(word) = node.text() {
        return match word {
            "stdout" => Some(AccessOutput::Stdout),
            "stderr" => Some(AccessOutput::Stderr),
            other => {
                let remedy = format!("write {{ file = {} }} for a file", quote(other));
                entry.report(
                    &node.place(),
                    "output",
                    Fault::new(format!("expected {OUTPUTS}, found {}", quote(other)), remedy),
                );
                None
            }
        };
    }
    let inner = entry.inner(node, "output", "output = \"stdout\"")?.allow(&keys::ACCESS_OUTPUT);
    match (inner.has("file"), inner.has("syslog")) {
        (true, false) => {
            let foreign = Fault::new("belongs to syslog", "remove it");
            if inner.has("facility") {
                inner.report(&node.place(), "facility", foreign);
            }
            Some(AccessOutput::File {
                path: inner.read("file", values::path)?.value,
                rotate: inner
                    .read("rotate", |node| {
                        if matches!(node.text(), Some("never")) { Ok(0) } else { values::size(1 << 10, 1 << 40)(node) }
                    })
                    .map_or(100 << 20, |size| size.value as u64),
                keep: inner.read("keep", values::count(0, 1000)).map_or(5, |keep| keep.value),
            })
        }
        (false, true) => {
            for key in ["rotate", "keep"].into_iter().filter(|key| inner.has(key)) {
                inner.report(&node.place(), key, Fault::new("belongs to a file", "remove it"));
            }
            Some(AccessOutput::Syslog {
                target: inner.read("syslog", syslog)?.value,
                facility: inner.read("facility", values::word(FACILITIES)).map_or(16, |facility| facility.value),
            })
        }
        _ => {
            entry.report(
                &node.place(),
                "output",
                Fault::new(format!("expected {OUTPUTS}"), "name one of file and syslog"),
            );
            None
        }
    }
}

/// `/dev/log`, or an address for UDP.
fn syslog(node: Node<'_>) -> Result<SyslogTarget, Fault> {
    if node.text().is_some_and(|written| written.starts_with('/')) {
        return values::path(node).map(SyslogTarget::Unix);
    }
    network::endpoint_address(node).map(SyslogTarget::Udp)
}
