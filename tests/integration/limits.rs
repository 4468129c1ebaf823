//! What clients may take: connections, requests on one, requests at a time, memory.

use rustix::process::Signal;

use crate::harness::client::{Client, Client2};
use crate::harness::process::Process;
use crate::harness::site::{Files, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::Upstream;

const NOW: &str =
    "[[route]]\nname = \"now\"\nmatch = { path = \"/now\" }\nrespond = { status = 200, body = \"now\" }\n";

/// Limits of the listener, which is the last thing that every configuration begins with.
fn with_limits(limits: &str, text: &str) -> String {
    format!(
        "[[listener]]\nname = \"limited\"\naddress = \"127.0.0.1:0\"\nlimits = {{ {limits} }}\n{}",
        text.replace("match =", "listeners = [\"public\", \"limited\"]\nmatch =")
    )
}

fn refused(reason: &str) -> String {
    format!("sluice_connections_refused_total{{listener=\"limited\",reason=\"{reason}\"}}")
}

#[tokio::test]
async fn connections_beyond_a_limit_are_closed_and_counted_over_all_threads() {
    for (limit, reason) in
        [("connections = 3", "connections"), ("connections_per_address = 3", "connections-per-address")]
    {
        let site = Files::new().start(&with_limits(limit, NOW)).await;
        let address = site.gateway.address("limited").unwrap();
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut client = Client::connect(address).await;
            assert_eq!(client.ask("GET", "/now", &[], b"").await.text(), "now");
            open.push(client);
        }
        for _ in 0..4 {
            assert_eq!(Client::connect(address).await.rest().await, b"");
        }
        assert_eq!(site.metric(&refused(reason)).await, 4.0);
        assert_eq!(site.get("/now").await.text(), "now", "another listener isn't concerned");
        drop(open.pop());
        // It is told when the gateway knows that one is gone.
        let name = "sluice_connections_open{listener=\"limited\"}";
        soon(async {
            while site.metric(name).await > 2.0 {
                tokio::task::yield_now().await
            }
        })
        .await;
        assert_eq!(Client::connect(address).await.ask("GET", "/now", &[], b"").await.text(), "now");
        site.gateway.shutdown().await;
    }
}

#[tokio::test]
async fn the_address_that_counts_is_the_one_that_a_proxy_tells() {
    let text = with_limits("connections_per_address = 1", NOW)
        .replace("limits =", "proxy_protocol = [\"127.0.0.1\"]\nlimits =");
    let site = Files::new().start(&text).await;
    let address = site.gateway.address("limited").unwrap();
    let from = |source: &'static str| async move {
        let mut client = Client::connect(address).await;
        client.send(format!("PROXY TCP6 {source} ::1 5 80\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        client
    };
    let mut first = from("2001:db8::1").await;
    assert_eq!(first.answer("GET").await.text(), "now");
    assert_eq!(from("2001:db8::ffff:2").await.rest().await, b"", "of the same /64");
    assert_eq!(from("2001:db8:0:1::1").await.answer("GET").await.text(), "now");
    assert_eq!(site.metric(&refused("connections-per-address")).await, 1.0);
}

#[tokio::test]
async fn a_connection_ends_after_so_many_requests() {
    let site = Files::new().start(&with_limits("requests_per_connection = 3", NOW)).await;
    let address = site.gateway.address("limited").unwrap();
    let mut client = Client::connect(address).await;
    for last in [None, None, Some("close")] {
        assert_eq!(client.ask("GET", "/now", &[], b"").await.field("connection"), last);
    }
    assert_eq!(client.rest().await, b"");
    let mut second = Client2::connect(address).await;
    for _ in 0..3 {
        assert_eq!(second.get("/now").await.0.status, 200);
    }
    soon(async {
        while second.0.ready().await.is_ok() {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_come_again() {
    let (upstream, mut arrivals, release) = Upstream::holding().await;
    let text = format!(
        "[overload]\nmemory = \"off\"\nrequests = 1\nretry_after = \"7s\"\n{NOW}{}{}",
        route("up", "/up", &[]),
        cluster("up", &[upstream.address])
    );
    let site = Files::new().start(&text).await;
    let mut busy = site.client().await;
    busy.send("GET /up HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon(arrivals.recv()).await;
    let mut client = site.client().await;
    for _ in 0..2 {
        let shed = client.ask("GET", "/now", &[], b"").await;
        shed.assert_problem(503);
        assert_eq!((shed.field("retry-after"), shed.field("connection")), (Some("7"), None));
    }
    let (parts, ..) = Client2::connect(site.address()).await.get("/now").await;
    assert_eq!((parts.status.as_u16(), parts.headers["retry-after"].to_str().unwrap()), (503, "7"));
    assert_eq!(site.admin("GET", "/readyz").await.status, 200);
    assert_eq!(site.metric("sluice_requests_shed_total{reason=\"requests\"}").await, 3.0);
    release.notify_one();
    assert_eq!(busy.answer("GET").await.text(), "late");
    // The place is free when the gateway is through with the answer.
    soon(async { while client.ask("GET", "/now", &[], b"").await.status != 200 {} }).await;
}

#[tokio::test]
async fn without_memory_requests_are_turned_away_until_there_is_some() {
    let full = format!("[overload]\nmemory = \"32MiB\"\n{NOW}");
    let mut process = Process::start(Files::new(), &full).await;
    let shed = Client::connect(process.address).await.ask("GET", "/now", &[], b"").await;
    shed.assert_problem(503);
    assert_eq!((shed.field("retry-after"), shed.field("connection")), (Some("1"), Some("close")));
    process.files.configure(&full.replace("32MiB", "100GiB"));
    process.signal(Signal::HUP);
    process.line("memory again").await;
    let answer = Client::connect(process.address).await.ask("GET", "/now", &[], b"").await;
    assert_eq!(answer.text(), "now");
    process.signal(Signal::TERM);
    assert!(process.ended().await.success());
}
