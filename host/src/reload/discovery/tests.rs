//! What becomes of answers, and of none.

use std::path::Path;

use super::*;
use crate::config;
use crate::dns::tests::{Record, Server, Way};

const LISTENER: &str = "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:8080\"\n";

/// A configuration with one cluster, whose `discovery` asks that server.
fn cluster(server: &Server, discovery: &str) -> Arc<Config> {
    let servers = format!("servers = [\"{}\"], min_ttl = \"100ms\", timeout = \"200ms\"", server.address);
    let text = format!("{LISTENER}[[cluster]]\nname = \"shop\"\ndiscovery = {{ {discovery}, {servers} }}\n");
    Arc::new(config::parse(&text, Path::new("/nowhere/sluice.toml")).unwrap())
}

/// Runs a test that would be done in no time.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(30), test).await.expect("the test hangs")
    })
}

async fn start(config: &Arc<Config>) -> Discovery {
    let mut discovery = Discovery::new(Metrics::new());
    discovery.follow(config);
    discovery.first_answers().await;
    discovery
}

/// Addresses of the cluster's endpoints, with weight and priority if they aren't the usual ones.
fn endpoints(discovery: &Discovery) -> Vec<String> {
    let shown = |endpoint: &Endpoint| match (endpoint.weight, endpoint.priority) {
        (1, 0) => endpoint.address.to_string(),
        (weight, priority) => format!("{} {weight} {priority}", endpoint.address),
    };
    discovery.found().get("shop").map(|found| found.iter().map(shown).collect()).unwrap_or_default()
}

fn state(discovery: &Discovery) -> &'static str {
    discovery.metrics.cluster("shop").dns().read().state()
}

/// Take up what happens until the state is `wanted`.
async fn until(discovery: &mut Discovery, wanted: &str) {
    while state(discovery) != wanted {
        let event = discovery.events.recv().await.unwrap();
        discovery.take(event);
    }
}

#[test]
fn a_hosts_addresses_are_endpoints_and_followed() {
    run(async {
        let server = Server::start().await;
        server.set(&[Record::address("a.x", 0, "192.0.2.2"), Record::address("a.x", 0, "192.0.2.1")]);
        let mut discovery = start(&cluster(&server, "dns = \"a.x:80\"")).await;
        assert_eq!(endpoints(&discovery), ["192.0.2.1:80", "192.0.2.2:80"]);
        assert_eq!(state(&discovery), "current");
        server.set(&[Record::address("a.x", 0, "192.0.2.2"), Record::address("a.x", 0, "2001:db8::1")]);
        // Both families needn't be asked at the same moment.
        while endpoints(&discovery) != ["192.0.2.2:80", "[2001:db8::1]:80"] {
            discovery.changed().await;
        }
    });
}

#[test]
fn one_family_alone_can_be_wanted() {
    run(async {
        let server = Server::start().await;
        server.set(&[Record::address("a.x", 9, "192.0.2.1"), Record::address("a.x", 9, "2001:db8::1")]);
        let both = start(&cluster(&server, "dns = \"a.x:80\"")).await;
        assert_eq!(endpoints(&both), ["192.0.2.1:80", "[2001:db8::1]:80"]);
        let v4 = start(&cluster(&server, "dns = \"a.x:80\", family = \"ipv4\"")).await;
        assert_eq!(endpoints(&v4), ["192.0.2.1:80"]);
        let v6 = start(&cluster(&server, "dns = \"a.x:80\", family = \"ipv6\"")).await;
        assert_eq!(endpoints(&v6), ["[2001:db8::1]:80"]);
    });
}

#[test]
fn the_last_answer_stays_when_dns_is_gone() {
    for way in [Way::Fail(2), Way::Silent, Way::Garbage] {
        run(async {
            let server = Server::start().await;
            server.set(&[Record::address("a.x", 0, "192.0.2.1")]);
            let mut discovery = start(&cluster(&server, "dns = \"a.x:80\"")).await;
            server.be(way);
            until(&mut discovery, "stale").await;
            assert_eq!(endpoints(&discovery), ["192.0.2.1:80"], "{way:?}");
            server.set(&[Record::address("a.x", 0, "192.0.2.2")]);
            server.be(Way::Well);
            discovery.changed().await;
            assert_eq!((endpoints(&discovery), state(&discovery)), (vec!["192.0.2.2:80".into()], "current"));
        });
    }
}

#[test]
fn the_last_answer_stays_when_there_is_nothing_any_more() {
    run(async {
        let server = Server::start().await;
        server.set(&[Record::address("a.x", 0, "192.0.2.1")]);
        let mut discovery = start(&cluster(&server, "dns = \"a.x:80\"")).await;
        server.set(&[]);
        until(&mut discovery, "stale").await;
        assert_eq!(endpoints(&discovery), ["192.0.2.1:80"]);
        let failed = discovery.metrics.cluster("shop").dns().read().failed;
        assert_eq!(failed.map(|(kind, _)| kind), Some("no-such-name"));
    });
}

#[test]
fn a_name_that_nobody_knows_has_no_endpoints_until_somebody_does() {
    run(async {
        let server = Server::start().await;
        let mut discovery = start(&cluster(&server, "dns = \"a.x:80\"")).await;
        assert_eq!((endpoints(&discovery), state(&discovery)), (Vec::new(), "unresolved"));
        server.set(&[Record::address("a.x", 0, "192.0.2.1")]);
        discovery.changed().await;
        assert_eq!((endpoints(&discovery), state(&discovery)), (vec!["192.0.2.1:80".into()], "current"));
    });
}

#[test]
fn services_bring_ports_weights_and_priorities() {
    run(async {
        let server = Server::start().await;
        let service = |place, host| Record::service("_http._tcp.x", 9, place, host);
        server.set(&[
            service((20, 0, 81), "b.x"),
            service((10, 7, 80), "a.x"),
            service((10, 1, 80), "gone.x"),
            service((4000, 65535, 82), "a.x"),
            Record::address("a.x", 9, "192.0.2.1"),
            Record::address("b.x", 9, "192.0.2.2"),
            Record::address("b.x", 9, "192.0.2.3"),
        ]);
        let discovery = start(&cluster(&server, "srv = \"_http._tcp.x\"")).await;
        let expected = ["192.0.2.1:80 7 0", "192.0.2.1:82 65535 2", "192.0.2.2:81 1 1", "192.0.2.3:81 1 1"];
        assert_eq!(endpoints(&discovery), expected);
    });
}

#[test]
fn the_gateway_itself_and_no_addresses_are_left_out() {
    run(async {
        let server = Server::start().await;
        let addresses = ["127.0.0.1", "192.0.2.1", "0.0.0.0", "224.0.0.1"];
        server.set(&addresses.map(|address| Record::address("a.x", 9, address)));
        let discovery = start(&cluster(&server, "dns = \"a.x:8080\"")).await;
        assert_eq!(endpoints(&discovery), ["192.0.2.1:8080"]);
    });
}

#[test]
fn what_is_known_survives_another_way_of_asking_and_no_other_name() {
    run(async {
        let server = Server::start().await;
        server.set(&[Record::address("a.x", 9, "192.0.2.1")]);
        let mut discovery = start(&cluster(&server, "dns = \"a.x:80\"")).await;
        server.be(Way::Fail(2));
        discovery.follow(&cluster(&server, "dns = \"a.x:80\", max_ttl = \"7s\""));
        discovery.first_answers().await;
        assert_eq!(endpoints(&discovery), ["192.0.2.1:80"]);
        discovery.follow(&cluster(&server, "dns = \"b.x:80\""));
        discovery.first_answers().await;
        assert_eq!((endpoints(&discovery), state(&discovery)), (Vec::new(), "unresolved"));
    });
}

#[test]
fn answers_hold_as_long_as_they_say_within_bounds() {
    run(async {
        let server = Server::start().await;
        let ttl = async |seconds, more: &str| {
            server.set(&[Record::address("a.x", seconds, "192.0.2.1")]);
            let config = cluster(&server, &format!("dns = \"a.x:80\"{more}"));
            Lookup::new(config.clusters[0].discovery.clone().unwrap()).look().await.unwrap().ttl
        };
        assert_eq!(ttl(30, "").await, Duration::from_secs(30));
        assert_eq!(ttl(0, "").await, Duration::from_millis(100));
        assert_eq!(ttl(86_400, "").await, Duration::from_secs(300));
        assert_eq!(ttl(86_400, ", max_ttl = \"1h\"").await, Duration::from_secs(3600));
    });
}

#[test]
fn failures_are_asked_about_less_and_less_often() {
    let seconds: Vec<u64> = [1, 2, 3, 5, 6, 60].map(|failures| back_off(failures).as_secs()).into();
    assert_eq!(seconds, [1, 2, 4, 16, 30, 30]);
}
