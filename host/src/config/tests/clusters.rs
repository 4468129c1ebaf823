//! `[[cluster]]`

use super::*;
use crate::config::model::{Balance, Cluster, ClusterProtocol, HashKey, Probe, Retries, Statuses, Versions};

const LISTENER: &str = "[[listener]]\nname = \"a\"\naddress = \"0.0.0.0:8080\"\n";

/// What `rest` adds begins on line 6.
pub(super) fn cluster(rest: &str) -> Result<Cluster, Vec<String>> {
    let text = format!("{LISTENER}[[cluster]]\nname = \"c\"\n{rest}");
    read(&text).map(|config| config.clusters.into_iter().next().unwrap())
}

#[track_caller]
pub(super) fn assert_refused_with(rest: &str, expected: &[&str]) {
    match cluster(rest) {
        Ok(_) => panic!("accepted"),
        Err(problems) => assert_eq!(problems, expected, "\nfound: {problems:#?}"),
    }
}

#[test]
fn everything_can_be_set() {
    let cluster = cluster(
        "endpoints = [\"localhost:9001\", { address = \"[::1]:9002\", weight = 3 }]\nhost = \"api.internal:8443\"\n\
         health_check = { path = \"/healthz?full=1\", interval = \"1s\", healthy_after = 1 }\n\
         timeouts = { connect = \"1s\", idle = \"2m\" }\nbalance = \"round-robin\"",
    )
    .unwrap();
    assert_eq!(cluster.endpoints[0].address.to_string(), "127.0.0.1:9001");
    assert_eq!((cluster.endpoints[1].address.to_string().as_str(), cluster.endpoints[1].weight), ("[::1]:9002", 3));
    assert_eq!(cluster.host.unwrap(), "api.internal:8443");
    let check = cluster.health_check.unwrap();
    let expect = Statuses(vec![200..=299]);
    assert_eq!(check.probe, Probe::Http { path: "/healthz?full=1".into(), expect, body: None });
    assert_eq!((check.interval.as_secs(), check.timeout.as_secs()), (1, 1));
    assert_eq!((check.healthy_after, check.unhealthy_after), (1, 2));
    let timeouts = cluster.timeouts;
    assert_eq!((timeouts.connect.as_secs(), timeouts.first_byte.as_secs(), timeouts.idle.as_secs()), (1, 30, 120));
}

#[test]
fn endpoints_are_addresses() {
    let expected = "expected an address such as \"127.0.0.1:9001\", found";
    let brackets = "add a port, such as :9001; IPv6 needs brackets";
    assert_refused_with(
        "endpoints = [\n\"api.internal:80\",\n\"http://127.0.0.1:80\",\n\"127.0.0.1\",\n\"127.0.0.1:0\",\n\"0.0.0.0:80\",\n\
         \"::1:80\",\n9001,\n\"127.0.0.1:9\",\n{ address = \"127.0.0.1:9\", weight = 0 },\n{ weigth = 1 }]",
        &[
            "sluice.toml:7: cluster \"c\": endpoints: expected an IP address, found the host name \"api.internal\"; \
             write discovery = { dns = \"api.internal:80\" } instead of endpoints, or its IP address",
            &format!(
                "sluice.toml:8: cluster \"c\": endpoints: {expected} \"http://127.0.0.1:80\"; leave out the scheme and the path"
            ),
            &format!("sluice.toml:9: cluster \"c\": endpoints: {expected} \"127.0.0.1\"; {brackets}"),
            &format!(
                "sluice.toml:10: cluster \"c\": endpoints: {expected} \"127.0.0.1:0\"; write a port from 1 to 65535"
            ),
            "sluice.toml:11: cluster \"c\": endpoints: \"0.0.0.0:80\" is no address that can be connected to; \
             write the address of the machine that answers, such as 127.0.0.1",
            &format!("sluice.toml:12: cluster \"c\": endpoints: {expected} \"::1:80\"; {brackets}"),
            &format!(
                "sluice.toml:13: cluster \"c\": endpoints: {expected} an integer; write address and port in quotes"
            ),
            "sluice.toml:15: cluster \"c\": endpoints: 127.0.0.1:9 is there twice, first on line 14; \
             remove one of the two, or give it a weight",
            "sluice.toml:15: cluster \"c\": endpoints.weight: expected a whole number from 1 to 65535, found 0; \
             write a number from 1 to 65535",
            "sluice.toml:16: cluster \"c\": endpoints: unknown key \"weigth\"; did you mean \"weight\"? \
             (valid keys: address, weight, priority, zone)",
            "sluice.toml:16: cluster \"c\": endpoints: missing key \"address\"; add address = \"127.0.0.1:9001\"",
        ],
    );
    assert_refused_with(
        "",
        &["sluice.toml:4: cluster \"c\": missing key \"endpoints\"; add endpoints = [\"127.0.0.1:9001\"]"],
    );
    assert_refused_with(
        "endpoints = []",
        &["sluice.toml:6: cluster \"c\": endpoints: expected at least one endpoint, found none; \
           write endpoints = [\"127.0.0.1:9001\"]"],
    );
}

#[test]
fn the_gateway_is_no_upstream_of_its_own() {
    let refused = |listener: &str, endpoint: &str| {
        let text = format!(
            "[[listener]]\nname = \"a\"\naddress = \"{listener}\"\n[admin]\naddress = \"127.0.0.1:9901\"\n\
             [[cluster]]\nname = \"c\"\nendpoints = [\"{endpoint}\"]"
        );
        read(&text).err().map(|problems| problems.join("\n"))
    };
    let own = "is the address of listener \"a\", at sluice.toml:3; name the address of an upstream server";
    for (listener, endpoint) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8080", "localhost:8080"),
        ("127.0.0.1:8080", "[::ffff:127.0.0.1]:8080"),
        ("0.0.0.0:8080", "127.0.0.2:8080"),
        ("[::]:8080", "127.0.0.1:8080"),
        ("[::]:8080", "[::1]:8080"),
    ] {
        let found = refused(listener, endpoint).unwrap();
        assert!(found.starts_with("sluice.toml:8: cluster \"c\": endpoints: ") && found.ends_with(own), "{found}");
    }
    let found = refused("127.0.0.1:8080", "127.0.0.1:9901").unwrap();
    assert_eq!(
        found,
        "sluice.toml:8: cluster \"c\": endpoints: 127.0.0.1:9901 is the address of [admin], at sluice.toml:5; \
         name the address of an upstream server"
    );
    for (listener, endpoint) in [
        ("127.0.0.1:8080", "127.0.0.1:8081"),
        ("127.0.0.1:8080", "[::1]:8080"),
        ("0.0.0.0:8080", "10.0.0.1:8080"),
        ("0.0.0.0:8080", "[::1]:8080"),
    ] {
        assert_eq!(refused(listener, endpoint), None);
    }
}

#[test]
fn policies() {
    let balance = |value: &str| cluster(&format!("endpoints = [\"127.0.0.1:1\"]\nbalance = {value}"));
    assert_eq!(balance("\"round-robin\"").unwrap().balance, Balance::RoundRobin);
    let refused = |value: &str, rest: &str| {
        assert_eq!(balance(value).unwrap_err(), [format!("sluice.toml:7: cluster \"c\": {rest}")]);
    };
    let valid = "round-robin, random, least-request, peak-ewma, ring-hash, maglev";
    for (wrong, near) in [("roundrobin", "round-robin"), ("leastconn", "least-request"), ("maglef", "maglev")] {
        let message = format!("balance: unknown policy \"{wrong}\"; did you mean \"{near}\"? (valid: {valid})");
        refused(&format!("\"{wrong}\""), &message);
    }
    refused(
        "5",
        "balance: expected a policy, found an integer; \
         write \"round-robin\", { policy = \"maglev\", hash = \"client\" } or { plugin = \"NAME\" }",
    );
    refused(
        "{ policy = \"random\", hash = \"client\" }",
        "balance.hash: the policy \"random\" doesn't hash; remove it, or use \"ring-hash\" or \"maglev\"",
    );
    refused("{}", "balance: missing key \"plugin\"; add plugin = \"NAME\"");
    let found = balance("{ plugin = \"least\" }").unwrap_err().join("\n");
    let start = "sluice.toml:7: cluster \"c\": balance.plugin: there is no plugin \"least\"; \
                 add a [[plugin]] of that name, or put least.wasm into ";
    assert!(found.starts_with(start), "{found}");
}

#[test]
fn policies_that_hash() {
    let balance = |value: &str| cluster(&format!("endpoints = [\"127.0.0.1:1\"]\nbalance = {value}")).unwrap().balance;
    assert_eq!(balance("\"peak-ewma\""), Balance::PeakEwma);
    assert_eq!(balance("\"ring-hash\""), Balance::RingHash(vec![HashKey::Client]));
    let keys = vec![HashKey::Cookie("id".into()), HashKey::Query("q".into()), HashKey::Path, HashKey::Identity];
    let written = "{ policy = \"maglev\", hash = [{ cookie = \"id\" }, { query = \"q\" }, \"path\", \"identity\"] }";
    assert_eq!(balance(written), Balance::Maglev(keys));
}

#[test]
fn zones_and_weights_are_checked() {
    let found = cluster("endpoints = [{ address = \"127.0.0.1:1\", weight = 0, priority = 300 }]\nprefer_zone = true");
    let found = found.unwrap_err().join("\n");
    for part in ["endpoints.weight: expected a whole number from 1", "endpoints.priority: ", "add server.zone"] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

#[test]
fn checks_and_timeouts_have_bounds() {
    assert_refused_with(
        "endpoints = [\"127.0.0.1:1\"]\nhealth_check = { interval = \"1s\", timeout = \"2s\", healthy_after = 0 }\n\
         timeouts = { connect = \"0s\", first_byte = 5 }\nhost = \"http://a\"\nretries = 3\nprotocol = \"h2c\"",
        &[
            "sluice.toml:7: cluster \"c\": health_check: missing key \"path\"; add path = \"/healthz\"",
            "sluice.toml:7: cluster \"c\": health_check.healthy_after: expected a whole number from 1 to 1000, found 0; \
             write a number from 1 to 1000",
            "sluice.toml:7: cluster \"c\": health_check.timeout: the time-out of a check is longer than the interval \
             between two; make it at most health_check.interval",
            "sluice.toml:8: cluster \"c\": timeouts.connect: expected a duration from \"1ms\" to \"5m\", found \"0s\"; \
             write a value from \"1ms\" to \"5m\"",
            "sluice.toml:8: cluster \"c\": timeouts.first_byte: expected a duration such as \"30s\", found an integer; \
             write a number and a unit in quotes: ms, s, m or h",
            "sluice.toml:9: cluster \"c\": host: expected a host such as \"api.example.com\", found \"http://a\"; \
             write a host name or address, with a port if need be, without scheme and path",
            "sluice.toml:10: cluster \"c\": retries: expected a table, found an integer; write retries = { attempts = 1 }",
            "sluice.toml:11: cluster \"c\": protocol: expected \"http1\" or \"http2\" or \"auto\", found \"h2c\"; \
             valid: http1, http2, auto",
        ],
    );
    assert_refused_with(
        "endpoints = [\"127.0.0.1:1\"]\nhealth_check = { path = \"healthz\" }",
        &["sluice.toml:7: cluster \"c\": health_check.path: expected a path such as \"/healthz\", found \"healthz\"; \
           begin it with a slash, and escape what isn't plain ASCII"],
    );
}

#[test]
fn what_is_done_when_endpoints_fail() {
    let with = |rest: &str| cluster(&format!("endpoints = [\"127.0.0.1:1\"]\n{rest}"));
    assert_eq!(with("retries = {}").unwrap().retries, Some(Retries::default()));
    let all = with(
        "retries = { attempts = 2, on = [\"reset\", 429, \"5xx\"], methods = [\"GET\", \"POST\"], budget = 50, \
         backoff = \"1s\", body = \"1KiB\" }\n\
         outlier_detection = { consecutive = 3, success_rate = false, ejection = \"10m\", max_ejected = 10 }\n\
         limits = { requests = 10, connections = 20, retries = 3, pending = 0, wait = \"5s\" }\n\
         timeouts = { attempt = \"1s\", request = \"3s\" }\n\
         health_check = { path = \"/\", expect = [204, \"3xx\"], body = \"well\" }",
    )
    .unwrap();
    let retries = all.retries.unwrap();
    assert_eq!((retries.attempts, retries.on_reset, retries.on_timeout), (2, true, false));
    assert_eq!(retries.on_statuses, Statuses(vec![429..=429, 500..=599]));
    assert_eq!((retries.methods.len(), retries.budget, retries.body), (2, 50, 1024));
    assert_eq!((retries.backoff.as_secs(), retries.max_backoff.as_secs()), (1, 1), "never shorter than the first");
    let outliers = all.outlier_detection.unwrap();
    assert_eq!((outliers.consecutive, outliers.success_rate, outliers.max_ejected), (3, false, 10));
    assert_eq!((outliers.ejection.as_secs(), outliers.max_ejection.as_secs()), (600, 600));
    let limits = all.limits;
    assert_eq!((limits.requests, limits.connections, limits.retries), (Some(10), Some(20), Some(3)));
    assert_eq!((limits.pending, limits.wait.as_secs()), (0, 5));
    assert_eq!(all.timeouts.attempt.map(|time| time.as_secs()), Some(1));
    let expect = Statuses(vec![204..=204, 300..=399]);
    assert_eq!(all.health_check.unwrap().probe, Probe::Http { path: "/".into(), expect, body: Some("well".into()) });
    assert_eq!(with("health_check = { protocol = \"tcp\" }").unwrap().health_check.unwrap().probe, Probe::Tcp);
}

#[test]
fn what_is_wrong_with_them_is_said() {
    for (rest, wanted) in [
        ("retries = { on = [\"connect\"] }", "an endpoint that can't be reached is always followed by another"),
        ("retries = { on = [\"6xx\"] }", "expected a status such as 204 or \"2xx\", found \"6xx\""),
        ("retries = { on = [\"rest\"] }", "expected \"reset\", \"timeout\", a status or a class of them"),
        ("retries = { methods = [\"get\"] }", "write it in capital letters"),
        ("retries = { backoff = \"1s\", max_backoff = \"1ms\" }", "the longest back-off is shorter"),
        ("retries = { attempts = 0 }", "expected a whole number from 1 to 10"),
        ("outlier_detection = { ejection = \"1m\", max_ejection = \"1s\" }", "the longest ejection is shorter"),
        ("outlier_detection = { latency = 1 }", "expected a whole number from 2 to 100, found 1"),
        ("hedge = {}", "missing key \"after\""),
        ("hedge = { after = \"50ms\", methods = [\"POST\"] }", "requests with POST can't be sent twice without harm"),
        ("limits = { requests = 0 }", "expected a whole number from 1"),
        ("health_check = { protocol = \"tcp\", path = \"/\" }", "belongs to checks by another protocol"),
        ("health_check = { path = \"/\", expect = [\"ok\"] }", "expected a status"),
        ("health_check = { protocol = \"udp\" }", "health_check.protocol: "),
    ] {
        let found = cluster(&format!("endpoints = [\"127.0.0.1:1\"]\n{rest}")).unwrap_err().join("\n");
        assert!(found.contains(wanted), "{rest}: {found}");
    }
}

#[test]
fn connections_are_encrypted_as_written() {
    let with = |rest: &str| cluster(&format!("endpoints = [\"127.0.0.1:1\"]\n{rest}"));
    let plain = with("tls = {}").unwrap().tls.unwrap();
    assert_eq!((&plain.authorities, plain.verify, &plain.certificate, &plain.server_name), (&None, true, &None, &None));
    let named = with("host = \"shop.test:8443\"\ntls = {}").unwrap().tls.unwrap();
    assert_eq!(named.server_name, Some("shop.test".try_into().unwrap()), "by the name that it is held to be");
    let all = with(
        "host = \"shop.test\"\n\
         tls = { ca = \"ca.pem\", certificate = \"a.pem\", key = \"a.key\", server_name = \"b.test\", min_version = \"1.3\" }",
    )
    .unwrap()
    .tls
    .unwrap();
    assert!(all.files().all(|path| path.is_absolute()) && all.files().count() == 3);
    assert_eq!((all.server_name, all.versions), (Some("b.test".try_into().unwrap()), Versions::Tls13));
    for (rest, wanted) in [
        ("tls = true", "tls: expected a table"),
        ("tls = { cert = \"a.pem\" }", "unknown key \"cert\""),
        ("tls = { certificate = \"a.pem\" }", "tls.certificate: stands without key; add key = \"FILE\""),
        ("tls = { key = \"a.key\" }", "tls.key: stands without certificate"),
        ("tls = { verify = \"none\" }", "tls.verify: expected true or false"),
        ("tls = { ca = \"ca.pem\", verify = false }", "tls.ca: means nothing where nothing is verified"),
        ("tls = { server_name = \"a b\" }", "tls.server_name: expected a host name"),
        ("tls = { server_name = \"a:443\" }", "write a host name or an IP address, without port"),
        ("tls = { min_version = \"1.1\" }", "tls.min_version: "),
    ] {
        let found = with(rest).unwrap_err().join("\n");
        assert!(found.contains(wanted), "{rest}: {found}");
    }
}

#[test]
fn what_is_spoken_to_endpoints() {
    let with = |rest: &str| cluster(&format!("endpoints = [\"127.0.0.1:1\"]\n{rest}"));
    assert_eq!(with("").unwrap().protocol, ClusterProtocol::Http1);
    let shared = with("protocol = \"http2\"\nmax_concurrent_streams = 7").unwrap();
    assert_eq!((shared.protocol, shared.max_concurrent_streams), (ClusterProtocol::Http2, 7));
    let kept = with("protocol = \"http2\"\nkeepalive = { interval = \"2s\", timeout = \"1s\" }").unwrap().keepalive;
    assert_eq!((kept.interval.as_secs(), kept.timeout.as_secs()), (2, 1));
    let auto = with("protocol = \"auto\"\ntls = {}").unwrap();
    assert_eq!((auto.protocol, auto.tls.unwrap().protocol), (ClusterProtocol::Auto, ClusterProtocol::Auto));
    for (rest, wanted) in [
        ("protocol = \"auto\"", "protocol: there is nothing to choose by without TLS; write"),
        ("max_concurrent_streams = 7", "max_concurrent_streams: means nothing with HTTP/1.1"),
        ("protocol = \"http2\"\nproxy_protocol = \"v1\"", "proxy_protocol: a connection of HTTP/2 is many clients'"),
        ("keepalive = {}", "keepalive: means nothing with HTTP/1.1"),
        ("protocol = \"http2\"\nkeepalive = { interval = \"0s\" }", "keepalive.interval"),
        ("protocol = \"http2\"\nmax_concurrent_streams = 0", "expected a whole number from 1 to 10000"),
    ] {
        let found = with(rest).unwrap_err().join("\n");
        assert!(found.contains(wanted), "{rest}: {found}");
    }
}

#[test]
fn endpoints_at_unix_sockets() {
    let with = |endpoint: &str, rest: &str| cluster(&format!("endpoints = [{endpoint}]\n{rest}"));
    let address = |endpoint: &str| with(endpoint, "").unwrap().endpoints[0].address.to_string();
    assert_eq!(address("\"unix:/run/a.sock\""), "unix:/run/a.sock");
    assert_eq!(address("{ address = \"unix:/run/a.sock\", weight = 2 }"), "unix:/run/a.sock");
    assert!(address("\"unix:a.sock\"").ends_with("/a.sock"), "from the configuration's directory");
    let long = format!("\"unix:/{}\"", "x".repeat(107));
    for (endpoint, rest, wanted) in [
        ("\"unix:\"", "", "expected the path of a Unix socket, found \"\""),
        ("\"unix:/run/\"", "", "expected the path of a Unix socket"),
        (&*long, "", "has at most 107 bytes, this one 108"),
        ("\"unix:/a\", \"unix:/a\"", "", "unix:/a is there twice"),
        ("\"unix:/a\"", "tls = {}", "unix:/a has no name that TLS could ask for; add server_name"),
    ] {
        let found = with(endpoint, rest).unwrap_err().join("\n");
        assert!(found.contains(wanted), "{endpoint}: {found}");
    }
    assert!(with("\"unix:/a\"", "host = \"shop.test\"\ntls = {}").is_ok());
}

#[test]
fn hosts_of_clusters() {
    let host = |value: &str| cluster(&format!("endpoints = [\"127.0.0.1:1\"]\nhost = \"{value}\"")).is_ok();
    for value in ["example.com", "example.com:80", "10.0.0.1", "[::1]", "[::1]:80", "a_b.c"] {
        assert!(host(value), "{value}");
    }
    for value in ["", "a b", "::1", "a:b:80", "example.com:0", "example.com:+80", "user@example.com", "[::1", "a/b"] {
        assert!(!host(value), "{value}");
    }
}
