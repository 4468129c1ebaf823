//! Questions to a small server that does as it is told.

mod server;

use std::net::IpAddr;
use std::time::Duration;

use super::{DnsError, Found, Name, Resolver, Service};
pub(crate) use server::{Record, Server, Way, answer};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn resolver(servers: &[&Server]) -> Resolver {
    Resolver::new(servers.iter().map(|server| server.address).collect(), Duration::from_millis(300))
}

fn addresses(found: &Result<Found<IpAddr>, DnsError>) -> Vec<String> {
    found.as_ref().unwrap().items.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn both_families_and_the_time_to_live() {
    let server = Server::start().await;
    server.set(&[
        Record::address("a", 30, "192.0.2.1"),
        Record::address("a", 20, "192.0.2.2"),
        Record::address("a", 10, "2001:db8::1"),
    ]);
    let found = resolver(&[&server]).addresses(&name("A"), true, true, true).await;
    assert_eq!(addresses(&found.v4), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(addresses(&found.v6), ["2001:db8::1"]);
    assert_eq!(found.v4.unwrap().ttl, Duration::from_secs(20), "the shortest counts");
    let found = resolver(&[&server]).addresses(&name("a"), true, true, false).await;
    assert_eq!(found.v6, Err(DnsError::Empty), "it wasn't asked for");
    assert_eq!(server.questions(), 3);
}

#[tokio::test]
async fn nothing_and_failures_are_told_apart() {
    let server = Server::start().await;
    server.set(&[Record::address("a", 30, "192.0.2.1")]);
    let resolver = resolver(&[&server]);
    let ask = async |text| resolver.addresses(&name(text), true, true, false).await.v4;
    assert_eq!(ask("b").await, Err(DnsError::NoSuchName));
    server.be(Way::Fail(2));
    assert_eq!(ask("a").await, Err(DnsError::Failed(2)));
    server.be(Way::Garbage);
    assert_eq!(ask("a").await, Err(DnsError::Malformed));
    server.be(Way::Silent);
    assert_eq!(ask("a").await, Err(DnsError::Timeout));
    server.stop().await;
    assert_eq!(ask("a").await, Err(DnsError::Unreachable));
}

#[tokio::test]
async fn the_next_server_answers_for_one_that_does_not() {
    let (bad, good) = (Server::start().await, Server::start().await);
    good.set(&[Record::address("a", 30, "192.0.2.1")]);
    for way in [Way::Fail(5), Way::Garbage, Way::Silent] {
        bad.be(way);
        let found = resolver(&[&bad, &good]).addresses(&name("a"), true, true, false).await;
        assert_eq!(addresses(&found.v4), ["192.0.2.1"]);
    }
}

#[tokio::test]
async fn what_does_not_fit_comes_over_tcp() {
    let server = Server::start().await;
    let many: Vec<Record> = (0..200_u8).map(|number| Record::address("a", 30, &format!("192.0.2.{number}"))).collect();
    server.set(&many);
    let found = resolver(&[&server]).addresses(&name("a"), true, true, false).await;
    assert_eq!(addresses(&found.v4).len(), 200);
}

#[tokio::test]
async fn answers_that_somebody_else_makes_up_are_passed_over() {
    let server = Server::start().await;
    server.set(&[Record::address("a", 30, "192.0.2.1")]);
    server.be(Way::AfterForgeries);
    let found = resolver(&[&server]).addresses(&name("a"), true, true, false).await;
    assert_eq!(addresses(&found.v4), ["192.0.2.1"]);
}

#[tokio::test]
async fn services_are_found_and_those_that_are_nowhere_are_not() {
    let server = Server::start().await;
    server.set(&[
        Record::service("_a._tcp.x", 9, (1, 5, 80), "host"),
        Record::service("_none._tcp.x", 9, (0, 0, 0), "."),
    ]);
    let resolver = resolver(&[&server]);
    let found = resolver.services(&name("_a._tcp.x"), true).await.unwrap();
    assert_eq!(found.items, [Service { priority: 1, weight: 5, port: 80, target: name("host") }]);
    assert_eq!(found.ttl, Duration::from_secs(9));
    assert_eq!(resolver.services(&name("_none._tcp.x"), true).await, Err(DnsError::Empty));
    assert_eq!(resolver.services(&name("_b._tcp.x"), true).await, Err(DnsError::NoSuchName));
}

#[tokio::test]
async fn what_this_machine_knows_is_not_asked_for() {
    let server = Server::start().await;
    server.set(&[Record::address("localhost", 30, "192.0.2.1")]);
    let own =
        Resolver::new(Vec::new(), Duration::from_millis(300)).addresses(&name("LocalHost"), true, true, false).await;
    assert_eq!(addresses(&own.v4), ["127.0.0.1"]);
    assert_eq!(own.v6, Err(DnsError::Empty), "it isn't wanted");
    let told = resolver(&[&server]).addresses(&name("localhost"), true, true, false).await;
    assert_eq!(addresses(&told.v4), ["192.0.2.1"], "who names servers wants their answers");
}
