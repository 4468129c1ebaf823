//! `[[listener]]`

use super::*;
use crate::config::model::{Certificates, ConnectionLimits, HostPattern, Protocol, Versions};

fn listener(name: &str, rest: &str) -> String {
    format!("[[listener]]\nname = \"{name}\"\n{rest}\n")
}

#[test]
fn addresses() {
    let address = |value: &str| read(&listener("a", &format!("address = {value}")));
    let ok = |value: &str| address(value).unwrap().listeners[0].address.to_string();
    assert_eq!(ok("\"127.0.0.1:0\""), "127.0.0.1:0");
    assert_eq!(ok("\"[::]:80\""), "[::]:80");
    assert_eq!(ok("\"localhost:80\""), "127.0.0.1:80");
    let refused = |value: &str, found: &str, remedy: &str| {
        let message = format!(
            "sluice.toml:3: listener \"a\": address: expected an address such as \"127.0.0.1:8080\", found {found}; {remedy}"
        );
        assert_refused(address(value), &[&message]);
    };
    refused("\":8080\"", "\":8080\"", "write \"0.0.0.0:8080\" for all addresses of the machine");
    refused("\"127.0.0.1\"", "\"127.0.0.1\"", "add a port, such as :8080; IPv6 needs brackets");
    refused("8080", "an integer", "write address and port in quotes");
    let brackets = "write an IP address and a port; IPv6 needs brackets: \"[::1]:8080\"";
    refused("\"example.com:80\"", "\"example.com:80\"", brackets);
    refused("\"127.0.0.1:70000\"", "\"127.0.0.1:70000\"", brackets);
    refused("\"localhost:+80\"", "\"localhost:+80\"", brackets);
}

#[test]
fn streams_have_a_cluster_or_names() {
    let tcp = |more: &str| {
        let clusters = "[[cluster]]\nname = \"x\"\nendpoints = [\"127.0.0.1:9\"]\nproxy_protocol = \"v2\"\n";
        read(&(listener("a", &format!("address = \"127.0.0.1:1\"\nprotocol = \"tcp\"\n{more}")) + "\n" + clusters))
    };
    let config = tcp("sni = { \"*.Example.com\" = \"x\" }\nproxy_protocol = [\"10.0.0.0/8\", \"::1\"]").unwrap();
    let Protocol::Tcp(streams) = &config.listeners[0].protocol else { panic!("no streams") };
    assert_eq!((streams.cluster, streams.idle_timeout.as_secs()), (None, 600));
    assert_eq!(streams.sni, [(HostPattern::Wildcard("example.com".into()), 0)]);
    assert_eq!(config.listeners[0].proxy_protocol.len(), 2);
    assert_eq!(config.clusters[0].proxy_protocol, Some(crate::proxy_protocol::Version::V2));
    assert_refused(
        tcp(""),
        &["sluice.toml:1: listener \"a\": missing key \"cluster\"; \
        add cluster = \"NAME\", or sni = { \"HOST\" = \"NAME\" }"],
    );
    assert_refused(
        tcp("cluster = \"y\""),
        &["sluice.toml:5: listener \"a\": cluster: there is no cluster \"y\"; \
        did you mean \"x\"? (clusters: x)"],
    );
    assert_refused(
        tcp("cluster = \"x\"\n[[route]]\nname = \"r\"\nlisteners = [\"a\"]\nrespond = {}"),
        &["sluice.toml:8: route \"r\": listeners: the listener \"a\" passes byte streams on, and has no routes; \
         name a listener with protocol = \"http\""],
    );
}

#[test]
fn what_belongs_to_streams_alone_is_refused_elsewhere() {
    assert_problems(
        "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\ncluster = \"users\"",
        &["sluice.toml:11: listener \"a\": cluster: is for listeners with protocol = \"tcp\" alone; \
           remove it, or add protocol = \"tcp\""],
    );
}

#[test]
fn what_comes_later_is_refused_by_name() {
    assert_refused(
        read(&listener("a", "address = \"127.0.0.1:1\"\ntls = { ciphers = true, certificate = \"c\", key = \"k\" }")),
        &["sluice.toml:4: listener \"a\": tls: \"ciphers\" is not supported in this version; remove it"],
    );
    assert!(read(&listener("a", "address = \"127.0.0.1:1\"\nprotocol = \"http\"")).is_ok());
    assert_refused(
        read(&listener("a", "address = \"127.0.0.1:1\"\nprotocol = \"htpp\"")),
        &[
            "sluice.toml:4: listener \"a\": protocol: expected \"http\" or \"tcp\", found \"htpp\"; did you mean \"http\"? (valid: http, tcp)",
        ],
    );
}

#[test]
fn names_and_addresses_differ() {
    let text = [
        listener("a", "address = \"0.0.0.0:80\""),
        listener("a", "address = \"127.0.0.1:80\""),
        listener("b", "address = \"[::]:80\""),
        listener("c", "address = \"127.0.0.1:81\""),
        listener("d", "address = \"127.0.0.1:0\""),
        listener("e", "address = \"127.0.0.1:0\""),
        "[admin]\naddress = \"127.0.0.1:81\"".to_owned(),
    ];
    assert_refused(
        read(&text.concat()),
        &[
            "sluice.toml:5: listener \"a\": name: another listener has that name, at sluice.toml:2; rename one of the two",
            "sluice.toml:6: listener \"a\": address: 127.0.0.1:80 is taken by listener \"a\", at sluice.toml:3; \
             give each listener its own address or port",
            "sluice.toml:9: listener \"b\": address: [::]:80 is taken by listener \"a\", at sluice.toml:3; \
             give each listener its own address or port",
            "sluice.toml:12: listener \"c\": address: 127.0.0.1:81 is the address of [admin], at sluice.toml:20; \
             give each its own address or port",
        ],
    );
}

#[test]
fn missing_keys_are_shown_with_an_example() {
    assert_refused(
        read("[[listener]]\n"),
        &[
            "sluice.toml:1: listener: missing key \"name\"; add name = \"public\"",
            "sluice.toml:1: listener: missing key \"address\"; add address = \"127.0.0.1:8080\"",
        ],
    );
}

#[test]
fn tls_names_files_relative_to_the_configuration() {
    let tls = |text: &str| {
        let config = read(&listener("a", &format!("address = \"127.0.0.1:1\"\ntls = {text}"))).unwrap();
        config.listeners[0].tls.clone().unwrap()
    };
    let own = tls("\"self-signed\"");
    let Certificates::SelfSigned(names) = &own.certificates else { panic!("{own:?}") };
    assert_eq!(*names, ["127.0.0.1", "::1", "localhost"]);
    assert_eq!((own.client, own.versions), (None, Versions::Tls12And13));
    let elsewhere = read(&listener("a", "address = \"192.0.2.7:1\"\ntls = \"self-signed\"")).unwrap();
    let Some(Certificates::SelfSigned(names)) = elsewhere.listeners[0].tls.as_ref().map(|tls| &tls.certificates) else {
        panic!("{elsewhere:?}")
    };
    assert!(names.contains(&"192.0.2.7".to_owned()), "{names:?}");
    let one = tls("{ certificate = \"a.pem\", key = \"/k/a.key\", client_ca = \"ca.pem\", min_version = \"1.3\" }");
    let Certificates::Files(files) = &one.certificates else { panic!("{one:?}") };
    assert!(files[0].certificate.is_absolute() && files[0].certificate.ends_with("a.pem"));
    assert_eq!(files[0].key, std::path::Path::new("/k/a.key"));
    assert!(one.client.as_ref().is_some_and(|client| client.required));
    assert_eq!(one.versions, Versions::Tls13);
    assert_eq!(one.files().count(), 3);
    let several = tls(
        "{ certificates = [{ certificate = \"a\", key = \"b\" }, { certificate = \"c\", key = \"d\" }], client_ca = \"e\", client_auth = \"optional\" }",
    );
    assert_eq!(several.files().count(), 5);
    assert!(several.client.is_some_and(|client| !client.required));
}

#[test]
fn tls_is_whole_or_refused() {
    let refused = |text: &str, message: &str| {
        let text = listener("a", &format!("address = \"127.0.0.1:1\"\ntls = {text}"));
        assert_refused(read(&text), &[&format!("sluice.toml:4: listener \"a\": {message}")]);
    };
    refused("{ certificate = \"a\" }", "tls: missing key \"key\"; add key = \"FILE\"");
    refused(
        "\"selfsigned\"",
        "tls: expected a table or \"self-signed\", found \"selfsigned\"; write tls = { certificate = \"FILE\", key = \"FILE\" }, or tls = \"self-signed\"",
    );
    refused(
        "{ certificate = \"a\", key = \"b\", client_auth = \"optional\" }",
        "tls.client_auth: means nothing without client_ca; add client_ca = \"FILE\", or remove it",
    );
    refused(
        "{ certificates = [] }",
        "tls.certificates: expected at least one; write certificates = [{ certificate = \"FILE\", key = \"FILE\" }]",
    );
    refused(
        "{ certificate = \"a\", key = \"b\", min_version = \"1.1\" }",
        "tls.min_version: expected \"1.2\" or \"1.3\", found \"1.1\"; did you mean \"1.2\"? (valid: 1.2, 1.3)",
    );
}

#[test]
fn limits_of_connections() {
    let limits = |text: &str| read(&listener("a", &format!("address = \"127.0.0.1:1\"\nlimits = {text}")));
    let read = limits("{ connections = 5, connections_per_address = 2, requests_per_connection = 9 }").unwrap();
    let expected = ConnectionLimits { connections: Some(5), per_address: Some(2), requests: 9 };
    assert_eq!(read.listeners[0].limits, expected);
    assert_eq!(limits("{}").unwrap().listeners[0].limits, ConnectionLimits::default());
    assert_refused(
        limits("{ connection = 5 }"),
        &["sluice.toml:4: listener \"a\": limits: unknown key \"connection\"; did you mean \"connections\"? \
           (valid keys: connections, connections_per_address, requests_per_connection)"],
    );
    assert_refused(
        limits("{ connections = -1 }"),
        &["sluice.toml:4: listener \"a\": limits.connections: expected a whole number from 0 to 100000000, found -1; \
           write a number from 0 to 100000000"],
    );
}
