//! `[[listener]]`

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::tls::Tls;
use super::{Head, keys, limits};
use crate::config::entry::Entry;
use crate::config::model::{ConnectionLimits, HostPattern};
use crate::config::network;
use crate::config::problem::{At, Fault, quote};
use crate::config::{suggest, values};

pub(in crate::config) struct Listener {
    pub head: Head,
    pub address: Option<At<SocketAddr>>,
    pub protocol: Protocol,
    pub proxy_protocol: Vec<IpNet>,
    pub tls: Option<Tls>,
    pub limits: ConnectionLimits,
}

/// `protocol`, with what belongs to one of them alone.
pub(in crate::config) enum Protocol {
    Http,
    Tcp(Streams),
}

/// Names of clusters, not yet looked up.
pub(in crate::config) struct Streams {
    pub cluster: Option<At<Arc<str>>>,
    pub sni: Vec<(HostPattern, At<Arc<str>>)>,
    pub idle_timeout: Duration,
}

/// Keys that mean nothing to a listener that speaks HTTP.
const TCP_ALONE: [&str; 3] = ["cluster", "sni", "idle_timeout"];

const NETWORKS_EXAMPLE: &str = "proxy_protocol = [\"10.0.0.0/8\"]";

impl Listener {
    pub(super) fn read(entry: &Entry<'_>) -> Self {
        let entry = entry.clone().allow(&keys::LISTENER);
        let protocol = read_protocol(&entry);
        let networks = entry.list("proxy_protocol", NETWORKS_EXAMPLE, network::network);
        Self {
            head: Head::read(&entry, "\"public\""),
            address: entry.require("address", "\"127.0.0.1:8080\"", network::listen_address),
            protocol,
            proxy_protocol: networks
                .map(|networks| networks.value.into_iter().map(|network| network.value).collect())
                .unwrap_or_default(),
            tls: Tls::read(&entry),
            limits: limits::read_connections(&entry),
        }
    }
}

fn read_protocol(entry: &Entry<'_>) -> Protocol {
    let is_tcp =
        entry.read("protocol", |node| match values::text(node, "\"http\" or \"tcp\"", "write it in quotes")? {
            "http" => Ok(false),
            "tcp" => Ok(true),
            "https" => Err(Fault::new(
                "expected \"http\" or \"tcp\", found \"https\"",
                "write protocol = \"http\", and add tls",
            )),
            later @ "udp" => Err(Fault::unsupported(quote(later), "write protocol = \"http\", or leave it out")),
            other => {
                let message = format!("expected \"http\" or \"tcp\", found {}", quote(other));
                Err(Fault::new(message, suggest::remedy(other, "valid", &["http", "tcp"])))
            }
        });
    match is_tcp {
        Some(At { value: true, .. }) => Protocol::Tcp(Streams::read(entry)),
        // What else there is may belong to the protocol that was meant.
        None if entry.has("protocol") => Protocol::Http,
        _ => {
            for key in TCP_ALONE.into_iter().filter(|key| entry.has(key)) {
                let place = entry.node(key).map_or_else(|| entry.place.clone(), |node| node.place());
                let message = "is for listeners with protocol = \"tcp\" alone";
                entry.report(&place, key, Fault::new(message, "remove it, or add protocol = \"tcp\""));
            }
            Protocol::Http
        }
    }
}

impl Streams {
    fn read(entry: &Entry<'_>) -> Self {
        const IDLE: Duration = Duration::from_secs(600);
        if !entry.has("cluster") && !entry.has("sni") && !entry.is_misspelt("cluster") {
            let fault =
                Fault::new("missing key \"cluster\"", "add cluster = \"NAME\", or sni = { \"HOST\" = \"NAME\" }");
            entry.report(&entry.place, "", fault);
        }
        let longest = Duration::from_secs(24 * 3600);
        Self {
            cluster: entry.read("cluster", values::name),
            sni: read_names(entry),
            idle_timeout: entry
                .read("idle_timeout", values::duration(Duration::from_millis(1), longest))
                .map_or(IDLE, |idle| idle.value),
        }
    }
}

/// `sni = { "a.example.com" = "a", "*.example.com" = "b" }`
fn read_names(entry: &Entry<'_>) -> Vec<(HostPattern, At<Arc<str>>)> {
    const EXAMPLE: &str = "sni = { \"a.example.com\" = \"NAME\" }";
    let Some(table) = entry.table("sni", EXAMPLE) else { return Vec::new() };
    let mut names: Vec<(HostPattern, At<Arc<str>>)> = Vec::new();
    for (written, place, node) in table.iter() {
        let pattern = match network::host_pattern_text(written) {
            Ok(pattern) => pattern,
            Err(fault) => {
                table.report(&place, "", fault);
                continue;
            }
        };
        if names.iter().any(|(other, _)| *other == pattern) {
            let message = format!("{} is there twice", quote(written));
            table.report(&place, "", Fault::new(message, "remove one of the two"));
            continue;
        }
        names.extend(table.parse(node, written, values::name).map(|cluster| (pattern, cluster)));
    }
    names
}
