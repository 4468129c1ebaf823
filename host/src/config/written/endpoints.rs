//! Whom a cluster has: `endpoints`, or what `discovery` finds.

use std::path::Path;

use toml::de::DeValue;

use super::discovery::{self, Discovered};
use super::keys;
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::files::Surroundings;
use crate::config::model::Endpoint;
use crate::config::problem::{At, Fault};
use crate::config::{network, values};

const EXAMPLE: &str = "[\"127.0.0.1:9001\"]";

pub(super) fn read(entry: &Entry<'_>, surroundings: &Surroundings<'_>) -> Discovered {
    if let Some(node) = entry.node("discovery") {
        if entry.has("endpoints") {
            let fault = Fault::new("endpoints are written or discovered, not both", "remove one of the two");
            entry.report(&node.place(), "discovery", fault);
        }
        return discovery::read(entry, node, surroundings).unwrap_or_default();
    }
    if !entry.has("endpoints") {
        let fault = Fault::new("missing key \"endpoints\"", format!("add endpoints = {EXAMPLE}"));
        entry.report(&entry.place, "", fault);
    }
    let Some(items) = entry.items("endpoints", EXAMPLE) else { return Discovered::default() };
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
    Discovered { endpoints, dns: None }
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
