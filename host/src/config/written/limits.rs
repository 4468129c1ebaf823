//! `[overload]`, and `limits` of a listener.

use std::time::Duration;

use toml::de::DeValue;

use super::keys;
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::model::{ConnectionLimits, MemoryLimit, Overload};
use crate::config::problem::{Fault, quote};
use crate::config::values;

/// More than any machine holds.
const MOST: u32 = 100_000_000;
/// A gateway without anything to do takes half of it.
const LEAST_MEMORY: u64 = 32 << 20;
const MOST_MEMORY: u64 = 1 << 50;

pub(super) fn read_connections(entry: &Entry<'_>) -> ConnectionLimits {
    let default = ConnectionLimits::default();
    let Some(table) = entry.table("limits", "limits = { connections = 10000 }") else { return default };
    let table = table.allow(&keys::LISTENER_LIMITS);
    let most = |key| table.read(key, values::count(0, MOST)).map(|most| u64::from(most.value));
    ConnectionLimits {
        connections: most("connections"),
        per_address: most("connections_per_address"),
        requests: most("requests_per_connection").unwrap_or(default.requests),
    }
}

pub(super) fn read_overload(top: &Entry<'_>) -> Overload {
    let default = Overload::default();
    let Some(table) = top.table("overload", "[overload]") else { return default };
    let table = table.allow(&keys::OVERLOAD);
    let retry_after = values::duration(Duration::from_secs(1), Duration::from_secs(3600));
    Overload {
        memory: table.read("memory", memory).map_or(default.memory, |memory| memory.value),
        requests: table.read("requests", values::count(1, MOST)).map(|most| u64::from(most.value)),
        retry_after: table.read("retry_after", retry_after).map_or(default.retry_after, |time| time.value),
    }
}

/// `"80%"`, `"512MiB"` or `"off"`.
fn memory(node: Node<'_>) -> Result<MemoryLimit, Fault> {
    const EXPECTED: &str = "a share such as \"80%\", a size such as \"512MiB\", or \"off\"";
    let bytes = || values::size(LEAST_MEMORY, MOST_MEMORY)(node).map(|bytes| MemoryLimit::Bytes(bytes as u64));
    if matches!(node.value, DeValue::Integer(_)) {
        return bytes();
    }
    let text = values::text(node, EXPECTED, "write it in quotes")?;
    if text == "off" {
        return Ok(MemoryLimit::Off);
    }
    let Some(share) = text.strip_suffix('%') else { return bytes() };
    match share.trim().parse() {
        Ok(share) if (10..=100).contains(&share) => Ok(MemoryLimit::Share(share)),
        _ => Err(Fault::new(format!("expected {EXPECTED}, found {}", quote(text)), "write 10% to 100%")),
    }
}
