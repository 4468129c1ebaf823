//! Endpoints that are found out.

use super::clusters::{assert_refused_with, cluster};
use crate::config::model::{Family, Wanted};

#[test]
fn endpoints_from_dns() {
    let dns = |rest: &str| cluster(rest).unwrap().discovery.unwrap();
    let host = dns("discovery = { dns = \"Orders.internal.:80\" }");
    assert_eq!(host.wanted, Wanted::Host { name: "Orders.internal.".into(), port: 80 });
    assert_eq!((host.min_ttl.as_secs(), host.max_ttl.as_secs(), host.timeout.as_secs()), (1, 300, 2));
    let service = dns(
        "[cluster.discovery]\nsrv = \"_http._tcp.orders\"\nservers = [\"127.0.0.1:53\", \"[::1]:53\"]\nfamily = \"ipv6\"\n\
         min_ttl = \"10m\"",
    );
    assert_eq!(service.wanted, Wanted::Service { name: "_http._tcp.orders".into() });
    assert_eq!((service.servers.len(), service.family), (2, Family::Ipv6));
    assert_eq!(service.max_ttl.as_secs(), 600, "at least the shortest");
}

#[test]
fn endpoints_from_dns_are_called_by_their_name_in_tls() {
    let name = |rest: &str| cluster(rest).unwrap().tls.unwrap().server_name.map(|name| name.to_str().into_owned());
    assert_eq!(name("discovery = { dns = \"api.internal.:80\" }\ntls = {}"), Some("api.internal".into()));
    let own = "discovery = { srv = \"_a._tcp.x\" }\ntls = { server_name = \"x\" }";
    assert_eq!(name(own), Some("x".into()));
    assert_refused_with(
        "discovery = { srv = \"_a._tcp.x\" }\ntls = {}",
        &["sluice.toml:7: cluster \"c\": tls.server_name: isn't said, and a service's hosts have many; \
           add server_name = \"NAME\""],
    );
}

#[test]
fn what_dns_cannot_be_asked_is_refused() {
    let refused = |discovery: &str, expected: &str| {
        let problem = format!("sluice.toml:6: cluster \"c\": discovery{expected}");
        assert_refused_with(&format!("discovery = {discovery}"), &[&problem]);
    };
    let host = ".dns: expected a host and a port such as \"orders.internal:8080\", found";
    let remedy = "write a host name and a port from 1 to 65535, without scheme and path";
    for wrong in ["orders", "orders:0", "orders:http", "http://orders:80", "a..b:80", ":80", "orders:+80"] {
        refused(&format!("{{ dns = \"{wrong}\" }}"), &format!("{host} \"{wrong}\"; {remedy}"));
    }
    refused(
        "{ dns = \"10.0.0.1:80\" }",
        &format!("{host} \"10.0.0.1:80\"; write endpoints = [\"10.0.0.1:80\"] instead of discovery"),
    );
    refused(
        "{ srv = \"_http._tcp.orders:80\" }",
        ".srv: expected a service such as \"_http._tcp.example.com\", found \"_http._tcp.orders:80\"; \
         write the name of an SRV record, without port: each record has one of its own",
    );
    refused(
        "{ servers = [\"10.0.0.1:53\"] }",
        ": expected one of \"file\", \"dns\" and \"srv\"; write discovery = { dns = \"orders.internal:8080\" }",
    );
    refused(
        "{ dns = \"a:1\", srv = \"b\" }",
        ".srv: endpoints are discovered in one way; keep one of file, dns and srv",
    );
    refused(
        "{ dns = \"a:1\", servers = [] }",
        ".servers: expected at least one server, found none; leave it out for the system's",
    );
    refused(
        "{ dns = \"a:1\", min_ttl = \"10s\", max_ttl = \"5s\" }",
        ".max_ttl: the longest time is shorter than the shortest; make it at least discovery.min_ttl",
    );
    assert_refused_with(
        "endpoints = [\"127.0.0.1:1\"]\ndiscovery = { dns = \"a:1\" }",
        &[
            "sluice.toml:7: cluster \"c\": discovery: endpoints are written or discovered, not both; remove one of the two",
        ],
    );
}
