//! `[[cluster]]`

use std::time::Duration;

use http::HeaderValue;
use toml::de::DeValue;

use super::balance::{self, Balance};
use super::{Head, health, keys, resilience};
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::model::{ClusterLimits, Endpoint, HealthCheck, OutlierDetection, Retries, Sticky, Timeouts};
use crate::config::problem::{At, Fault};
use crate::config::{network, values};
use crate::proxy_protocol::Version;

pub(in crate::config) struct Cluster {
    pub head: Head,
    pub balance: Balance,
    pub sticky: Option<Sticky>,
    pub panic_threshold: u8,
    /// With the value that is written, if it is true.
    pub prefer_zone: Option<At<bool>>,
    pub slow_start: Option<Duration>,
    pub endpoints: Vec<At<Endpoint>>,
    pub health_check: Option<HealthCheck>,
    pub host: Option<HeaderValue>,
    pub timeouts: Timeouts,
    pub retries: Option<Retries>,
    pub outlier_detection: Option<OutlierDetection>,
    pub limits: ClusterLimits,
    pub proxy_protocol: Option<Version>,
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);
const ENDPOINTS_EXAMPLE: &str = "[\"127.0.0.1:9001\"]";

impl Cluster {
    pub(super) fn read(entry: &Entry<'_>) -> Self {
        let entry = entry.clone().allow(&keys::CLUSTER);
        Self {
            head: Head::read(&entry, "\"NAME\""),
            balance: Balance::read(&entry),
            sticky: balance::read_sticky(&entry),
            panic_threshold: entry
                .read("panic_threshold", values::count(0, 100))
                .and_then(|percent| u8::try_from(percent.value).ok())
                .unwrap_or_default(),
            prefer_zone: entry.read("prefer_zone", values::boolean).filter(|prefer| prefer.value),
            slow_start: entry.read("slow_start", values::duration(SECOND, HOUR)).map(|window| window.value),
            endpoints: read_endpoints(&entry),
            health_check: health::read(&entry),
            host: entry.read("host", network::host_field).map(|host| host.value),
            timeouts: read_timeouts(&entry),
            retries: resilience::read_retries(&entry),
            outlier_detection: resilience::read_outlier_detection(&entry),
            limits: resilience::read_limits(&entry),
            proxy_protocol: entry
                .read("proxy_protocol", values::word(&[("v1", Version::V1), ("v2", Version::V2)]))
                .map(|version| version.value),
        }
    }
}

fn read_endpoints(entry: &Entry<'_>) -> Vec<At<Endpoint>> {
    if !entry.has("endpoints") {
        let fault = Fault::new("missing key \"endpoints\"", format!("add endpoints = {ENDPOINTS_EXAMPLE}"));
        entry.report(&entry.place, "", fault);
    }
    let Some(items) = entry.items("endpoints", ENDPOINTS_EXAMPLE) else { return Vec::new() };
    if items.value.is_empty() {
        let fault =
            Fault::new("expected at least one endpoint, found none", format!("write endpoints = {ENDPOINTS_EXAMPLE}"));
        entry.report(&items.place, "endpoints", fault);
    }
    let mut endpoints: Vec<At<Endpoint>> = Vec::with_capacity(items.value.len());
    for endpoint in items.value.into_iter().filter_map(|node| read_endpoint(entry, node)) {
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
fn read_endpoint(entry: &Entry<'_>, node: Node<'_>) -> Option<At<Endpoint>> {
    let DeValue::Table(_) = node.value else {
        return entry.parse(node, "endpoints", |node| Ok(network::endpoint_address(node)?.into()));
    };
    let table = entry.inner(node, "endpoints", ENDPOINTS_EXAMPLE)?.allow(&keys::ENDPOINT);
    let weight = table.read("weight", values::count(1, 65_535)).map_or(1, |weight| weight.value);
    let priority = table.read("priority", values::count(0, 127)).and_then(|priority| u8::try_from(priority.value).ok());
    let zone = table.read("zone", values::name).map(|zone| zone.value);
    let address = table.require("address", "\"127.0.0.1:9001\"", network::endpoint_address)?;
    let value = Endpoint { address: address.value, weight, priority: priority.unwrap_or_default(), zone };
    Some(At { value, place: address.place })
}

fn read_timeouts(entry: &Entry<'_>) -> Timeouts {
    let defaults = Timeouts::default();
    let Some(table) = entry.table("timeouts", "timeouts = { first_byte = \"30s\" }") else { return defaults };
    let table = table.allow(&keys::TIMEOUTS);
    let read = |key, most, default| {
        table.read(key, values::duration(MILLISECOND, most)).map_or(default, |timeout: At<Duration>| timeout.value)
    };
    Timeouts {
        connect: read("connect", 300 * SECOND, defaults.connect),
        first_byte: read("first_byte", 24 * HOUR, defaults.first_byte),
        idle: read("idle", 24 * HOUR, defaults.idle),
        attempt: table.read("attempt", values::duration(MILLISECOND, 24 * HOUR)).map(|timeout| timeout.value),
        request: table.read("request", values::duration(MILLISECOND, 24 * HOUR)).map(|timeout| timeout.value),
    }
}
