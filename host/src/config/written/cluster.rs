//! `[[cluster]]`

use std::time::Duration;

use rustls::pki_types::ServerName;

use super::balance::{self, Balance};
use super::{Head, cluster_tls, endpoints, health, keys, resilience};
use crate::config::entry::Entry;
use crate::config::files::Surroundings;
use crate::config::model::{self, ClusterProtocol, Endpoint, Keepalive, Timeouts, Wanted};
use crate::config::problem::{At, Fault};
use crate::config::{network, values};
use crate::proxy_protocol::Version;

pub(in crate::config) struct Cluster {
    pub head: Head,
    pub balance: Balance,
    /// With the value that is written, if it is true.
    pub prefer_zone: Option<At<bool>>,
    pub endpoints: Vec<At<Endpoint>>,
    /// What needs nothing else to be resolved; the rest of it by default.
    pub settled: model::Cluster,
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);

impl Cluster {
    pub(super) fn read(entry: &Entry<'_>, surroundings: &Surroundings<'_>) -> Self {
        let entry = entry.clone().allow(&keys::CLUSTER);
        let found = endpoints::read(&entry, surroundings);
        Self {
            head: Head::read(&entry, "\"NAME\""),
            balance: Balance::read(&entry),
            prefer_zone: entry.read("prefer_zone", values::boolean).filter(|prefer| prefer.value),
            settled: name_servers(
                &entry,
                model::Cluster { discovery: found.dns, ..read_settled(&entry, surroundings) },
            ),
            endpoints: found.endpoints,
        }
    }
}

/// With TLS, servers that DNS tells are asked for the host's name, not for their addresses.
fn name_servers(entry: &Entry<'_>, mut cluster: model::Cluster) -> model::Cluster {
    if let (Some(dns), Some(tls)) = (&cluster.discovery, &mut cluster.tls)
        && tls.server_name.is_none()
        && cluster.host.is_none()
    {
        match &dns.wanted {
            Wanted::Host { name, .. } => {
                let name = name.strip_suffix('.').unwrap_or(name);
                tls.server_name = ServerName::try_from(name.to_owned()).ok();
            }
            Wanted::Service { .. } if tls.verify => {
                let fault = Fault::new("isn't said, and a service's hosts have many", "add server_name = \"NAME\"");
                let place = entry.node("tls").map_or_else(|| entry.place.clone(), |node| node.place());
                entry.report(&place, "tls.server_name", fault);
            }
            Wanted::Service { .. } => {}
        }
    }
    cluster
}

fn read_settled(entry: &Entry<'_>, surroundings: &Surroundings<'_>) -> model::Cluster {
    let protocol = read_protocol(entry);
    model::Cluster {
        sticky: balance::read_sticky(entry),
        panic_threshold: entry
            .read("panic_threshold", values::count(0, 100))
            .and_then(|percent| u8::try_from(percent.value).ok())
            .unwrap_or_default(),
        slow_start: entry.read("slow_start", values::duration(SECOND, HOUR)).map(|window| window.value),
        health_check: health::read(entry),
        host: entry.read("host", network::host_field).map(|host| host.value),
        timeouts: read_timeouts(entry),
        retries: resilience::read_retries(entry),
        hedge: resilience::read_hedge(entry),
        outlier_detection: resilience::read_outlier_detection(entry),
        limits: resilience::read_limits(entry),
        proxy_protocol: entry
            .read("proxy_protocol", values::word(&[("v1", Version::V1), ("v2", Version::V2)]))
            .map(|version| version.value),
        tls: cluster_tls::read(entry, surroundings, protocol),
        protocol,
        max_concurrent_streams: entry
            .read("max_concurrent_streams", values::count(1, 10_000))
            .map_or(model::Cluster::default().max_concurrent_streams, |most| most.value),
        keepalive: read_keepalive(entry),
        ..model::Cluster::default()
    }
}

/// `protocol`, and what means nothing with it.
fn read_protocol(entry: &Entry<'_>) -> ClusterProtocol {
    const WORDS: &[(&str, ClusterProtocol)] =
        &[("http1", ClusterProtocol::Http1), ("http2", ClusterProtocol::Http2), ("auto", ClusterProtocol::Auto)];
    let protocol = entry.read("protocol", values::word(WORDS));
    if let Some(auto) =
        protocol.as_ref().filter(|protocol| protocol.value == ClusterProtocol::Auto && !entry.has("tls"))
    {
        let fault =
            Fault::new("there is nothing to choose by without TLS", "write \"http1\" or \"http2\", or add tls = {}");
        entry.report(&auto.place, "protocol", fault);
    }
    let value = protocol.map(|protocol| protocol.value).unwrap_or_default();
    if let Some(node) = entry.node("proxy_protocol").filter(|_| value != ClusterProtocol::Http1) {
        let what = "a connection of HTTP/2 is many clients', and tells of one";
        entry.report(&node.place(), "proxy_protocol", Fault::new(what, "remove it, or write protocol = \"http1\""));
    }
    for key in ["max_concurrent_streams", "keepalive"] {
        if let Some(node) = entry.node(key).filter(|_| value == ClusterProtocol::Http1) {
            let fault = Fault::new("means nothing with HTTP/1.1", "remove it, or add protocol = \"http2\"");
            entry.report(&node.place(), key, fault);
        }
    }
    value
}

fn read_keepalive(entry: &Entry<'_>) -> Keepalive {
    let default = Keepalive::default();
    let Some(table) = entry.table("keepalive", "keepalive = { interval = \"10s\" }") else { return default };
    let table = table.allow(&keys::KEEPALIVE);
    let read = |key, default| {
        table.read(key, values::duration(100 * MILLISECOND, HOUR)).map_or(default, |time: At<Duration>| time.value)
    };
    Keepalive { interval: read("interval", default.interval), timeout: read("timeout", default.timeout) }
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
        keep_alive: read("keep_alive", 24 * HOUR, defaults.keep_alive),
        attempt: table.read("attempt", values::duration(MILLISECOND, 24 * HOUR)).map(|timeout| timeout.value),
        request: table.read("request", values::duration(MILLISECOND, 24 * HOUR)).map(|timeout| timeout.value),
    }
}
