//! Whom a cluster has: `endpoints`, or the file that `discovery` names.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeValue;

use super::keys;
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::files::Surroundings;
use crate::config::model::{Address, Endpoint};
use crate::config::problem::{At, Fault, quote};
use crate::config::{network, values};

const EXAMPLE: &str = "[\"127.0.0.1:9001\"]";

/// The largest file of endpoints, in bytes.
const LARGEST: u64 = 1 << 20;

pub(super) fn read(entry: &Entry<'_>, surroundings: &Surroundings<'_>) -> Vec<At<Endpoint>> {
    if let Some(node) = entry.node("discovery") {
        if entry.has("endpoints") {
            let fault = Fault::new("endpoints are written or discovered, not both", "remove one of the two");
            entry.report(&node.place(), "discovery", fault);
        }
        return discover(entry, node, surroundings).unwrap_or_default();
    }
    if !entry.has("endpoints") {
        let fault = Fault::new("missing key \"endpoints\"", format!("add endpoints = {EXAMPLE}"));
        entry.report(&entry.place, "", fault);
    }
    let Some(items) = entry.items("endpoints", EXAMPLE) else { return Vec::new() };
    if items.value.is_empty() {
        let fault = Fault::new("expected at least one endpoint, found none", format!("write endpoints = {EXAMPLE}"));
        entry.report(&items.place, "endpoints", fault);
    }
    let mut endpoints: Vec<At<Endpoint>> = Vec::with_capacity(items.value.len());
    for endpoint in items.value.into_iter().filter_map(|node| read_endpoint(entry, node, &surroundings.base)) {
        match endpoints.iter().find(|other| other.value.address == endpoint.value.address) {
            Some(other) => {
                let message = format!("{} is there twice, first on line {}", endpoint.value.address, other.place.line);
                let remedy = "remove one of the two, or give it a weight";
                entry.report(&endpoint.place, "endpoints", Fault::new(message, remedy));
            }
            None => endpoints.push(endpoint),
        }
    }
    endpoints
}

/// `"127.0.0.1:9001"` or `{ address = "127.0.0.1:9001", weight = 2 }`
fn read_endpoint(entry: &Entry<'_>, node: Node<'_>, base: &Path) -> Option<At<Endpoint>> {
    let DeValue::Table(_) = node.value else {
        return entry.parse(node, "endpoints", |node| Ok(network::endpoint(node, base)?.into()));
    };
    let table = entry.inner(node, "endpoints", EXAMPLE)?.allow(&keys::ENDPOINT);
    let weight = table.read("weight", values::count(1, 65_535)).map_or(1, |weight| weight.value);
    let priority = table.read("priority", values::count(0, 127)).and_then(|priority| u8::try_from(priority.value).ok());
    let zone = table.read("zone", values::name).map(|zone| zone.value);
    let address = table.require("address", "\"127.0.0.1:9001\"", |node| network::endpoint(node, base))?;
    let value = Endpoint { address: address.value, weight, priority: priority.unwrap_or_default(), zone };
    Some(At { value, place: address.place })
}

/// `discovery = { file = "…" }`: the file is part of the configuration, and watched with it.
fn discover(entry: &Entry<'_>, node: Node<'_>, surroundings: &Surroundings<'_>) -> Option<Vec<At<Endpoint>>> {
    let table = entry.inner(node, "discovery", "discovery = { file = \"…\" }")?.allow(&keys::DISCOVERY);
    let file = table.require("file", "\"orders.endpoints\"", values::path)?;
    let path = surroundings.base.join(&file.value);
    let shown = quote(&path.to_string_lossy());
    let text = match surroundings.read(&path, LARGEST) {
        Ok(text) => text,
        Err(reason) => {
            let fault = Fault::new(format!("the file {shown} {reason}"), "write it, one endpoint a line");
            table.report(&file.place, "file", fault);
            return None;
        }
    };
    let mut endpoints: Vec<At<Endpoint>> = Vec::new();
    let mut known = HashSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let parsed = parse_line(line, &surroundings.base).and_then(|endpoint| match &endpoint {
            Some(new) if !known.insert(new.address.clone()) => {
                Err(Fault::new(format!("{} is there twice", new.address), "remove one of the two"))
            }
            _ => Ok(endpoint),
        });
        match parsed {
            Ok(None) => {}
            Ok(Some(value)) => endpoints.push(At { value, place: file.place.clone() }),
            Err(fault) => {
                let message = format!("line {number} of {shown}: {}", fault.message);
                table.report(&file.place, "file", Fault { message, ..fault });
            }
        }
    }
    if endpoints.is_empty() {
        let fault = Fault::new(format!("there is no endpoint in {shown}"), "write at least one: 127.0.0.1:9001");
        table.report(&file.place, "file", fault);
    }
    Some(endpoints)
}

/// `127.0.0.1:9001 weight=2 priority=1 zone=a`; none for an empty line and for a comment.
fn parse_line(line: &str, base: &Path) -> Result<Option<Endpoint>, Fault> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let Some(address) = words.next() else { return Ok(None) };
    let mut endpoint = Endpoint::from(match address.strip_prefix("unix:") {
        Some(path) => network::unix_socket(path, base)?,
        None => parse_address(address)?,
    });
    for word in words {
        let wrong = || {
            let message = format!("expected weight=, priority= or zone=, found {}", quote(word));
            Fault::new(message, "write weight=2")
        };
        let (key, value) = word.split_once('=').ok_or_else(wrong)?;
        match (key, value.parse::<u32>().ok()) {
            ("weight", Some(weight @ 1..=65_535)) => endpoint.weight = weight,
            ("priority", Some(priority @ 0..=127)) => endpoint.priority = u8::try_from(priority).unwrap_or(127),
            ("zone", _) if !value.is_empty() => endpoint.zone = Some(Arc::from(value)),
            _ => return Err(wrong()),
        }
    }
    Ok(Some(endpoint))
}

fn parse_address(address: &str) -> Result<Address, Fault> {
    let parsed: Option<SocketAddr> = address.parse().ok();
    let fits = |address: &SocketAddr| {
        address.port() != 0 && !address.ip().to_canonical().is_unspecified() && !address.ip().is_multicast()
    };
    parsed.filter(fits).map(Address::from).ok_or_else(|| {
        let message = format!("expected an address and a port, found {}", quote(address));
        Fault::new(message, "write it as 127.0.0.1:9001")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_a_file() {
        let parse = |line| parse_line(line, Path::new("/etc")).unwrap();
        assert_eq!((parse(""), parse("  # nobody")), (None, None));
        assert_eq!(parse("127.0.0.1:80"), Some(SocketAddr::from(([127, 0, 0, 1], 80)).into()));
        let whole = parse(" [::1]:80\tweight=3 priority=1  zone=b # the new one").unwrap();
        assert_eq!((whole.weight, whole.priority, whole.zone.as_deref()), (3, 1, Some("b")));
        let unix = |path: &str| Some(Address::Unix(Path::new(path).into()).into());
        assert_eq!((parse("unix:/run/a.sock"), parse("unix:a.sock")), (unix("/run/a.sock"), unix("/etc/a.sock")));
        for wrong in [
            "localhost:80",
            "127.0.0.1",
            "127.0.0.1:0",
            "0.0.0.0:80",
            "127.0.0.1:80 weight=0",
            "127.0.0.1:80 x",
            "unix:",
        ] {
            assert!(parse_line(wrong, Path::new("/etc")).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_an_endpoint_nothing_or_an_error(line in "\\PC*") {
            if let Ok(Some(endpoint)) = parse_line(&line, Path::new("/etc")) {
                prop_assert!(endpoint.weight > 0 && endpoint.address.socket().is_none_or(|socket| socket.port() > 0));
            }
        }
    }
}
