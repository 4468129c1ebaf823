//! `discovery` of a cluster: a file of endpoints, or what to ask DNS.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::keys;
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::files::Surroundings;
use crate::config::model::{Address, Dns, Endpoint, Family, Wanted};
use crate::config::problem::{At, Fault, quote};
use crate::config::{network, values};

const EXAMPLE: &str = "discovery = { dns = \"orders.internal:8080\" }";
const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The largest file of endpoints, in bytes.
const LARGEST: u64 = 1 << 20;

/// Keys of those that ask DNS.
const OF_DNS: [&str; 5] = ["servers", "family", "min_ttl", "max_ttl", "timeout"];

/// What is discovered: now, or while it serves.
#[derive(Default)]
pub(super) struct Discovered {
    pub endpoints: Vec<At<Endpoint>>,
    pub dns: Option<Dns>,
}

pub(super) fn read(entry: &Entry<'_>, node: Node<'_>, surroundings: &Surroundings<'_>) -> Option<Discovered> {
    let table = entry.inner(node, "discovery", EXAMPLE)?.allow(&keys::DISCOVERY);
    let ways: Vec<&str> = ["file", "dns", "srv"].into_iter().filter(|way| table.has(way)).collect();
    match ways.as_slice() {
        ["file"] => {
            for key in OF_DNS.iter().filter(|key| table.has(key)) {
                table.report(&table.place, key, Fault::new("belongs to discovery by DNS", "remove it"));
            }
            Some(Discovered { endpoints: read_file(&table, surroundings)?, dns: None })
        }
        ["dns"] => {
            let host = table.read("dns", network::host_and_port)?.value;
            let wanted = Wanted::Host { name: host.0, port: host.1 };
            Some(Discovered { endpoints: Vec::new(), dns: Some(read_dns(&table, wanted)) })
        }
        ["srv"] => {
            let name = table.read("srv", network::service_name)?.value;
            Some(Discovered { endpoints: Vec::new(), dns: Some(read_dns(&table, Wanted::Service { name })) })
        }
        [] => {
            // One that is misspelt is reported already.
            if !["file", "dns", "srv"].iter().any(|way| table.is_misspelt(way)) {
                let fault = Fault::new("expected one of \"file\", \"dns\" and \"srv\"", format!("write {EXAMPLE}"));
                table.report(&table.place, "", fault);
            }
            None
        }
        [_, others @ ..] => {
            let fault = Fault::new("endpoints are discovered in one way", "keep one of file, dns and srv");
            table.report(&table.place, others.first().copied().unwrap_or_default(), fault);
            None
        }
    }
}

fn read_dns(table: &Entry<'_>, wanted: Wanted) -> Dns {
    let servers = table.list("servers", "servers = [\"10.0.0.2:53\"]", network::endpoint_address);
    if let Some(servers) = servers.as_ref().filter(|servers| servers.value.is_empty()) {
        let fault = Fault::new("expected at least one server, found none", "leave it out for the system's");
        table.report(&servers.place, "servers", fault);
    }
    let families = &[("both", Family::Both), ("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)];
    let time = |key, least, most| table.read(key, values::duration(least, most));
    let min_ttl = time("min_ttl", 100 * MILLISECOND, HOUR).map_or(Duration::from_secs(1), |time| time.value);
    let max_ttl = time("max_ttl", 100 * MILLISECOND, 24 * HOUR);
    if let Some(most) = max_ttl.as_ref().filter(|most| most.value < min_ttl) {
        let fault = Fault::new("the longest time is shorter than the shortest", "make it at least discovery.min_ttl");
        table.report(&most.place, "max_ttl", fault);
    }
    Dns {
        wanted,
        servers: servers
            .map(|servers| servers.value.into_iter().map(|server| server.value).collect())
            .unwrap_or_default(),
        family: table.read("family", values::word(families)).map_or(Family::Both, |family| family.value),
        min_ttl,
        max_ttl: max_ttl.map_or(Duration::from_secs(300).max(min_ttl), |time| time.value),
        timeout: time("timeout", 10 * MILLISECOND, Duration::from_secs(60))
            .map_or(Duration::from_secs(2), |time| time.value),
    }
}

/// `file = "…"`: the file is part of the configuration, and watched with it.
fn read_file(table: &Entry<'_>, surroundings: &Surroundings<'_>) -> Option<Vec<At<Endpoint>>> {
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
