//! Limits and choices of clusters, as clients, endpoints and operators see them through a whole gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::client::{Client, request};
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::upstream::{Upstream, answer, read_head, write};
use crate::harness::{soon, until};

#[tokio::test]
async fn no_more_connections_than_allowed_are_open_and_who_finds_no_room_is_told_when_to_come_again() {
    let (open, most, go) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, highest, may_answer) = (open.clone(), most.clone(), go.clone());
    let slow = Upstream::raw(move |_, mut stream| {
        let (open, most, go) = (counted.clone(), highest.clone(), may_answer.clone());
        async move {
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            while read_head(&mut stream).await.is_some() {
                until(|| go.load(Ordering::SeqCst)).await;
                write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
            open.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let limits = "limits = { connections = 2, pending = 1, wait = \"20s\" }\n";
    let text = [&route("up", "/*", &[]), &cluster("up", &[slow.address]), limits].concat();
    let site = Files::new().start(&text).await;

    let mut clients = Vec::new();
    for expected in [1, 2] {
        let mut client = site.client().await;
        client.send(request("GET", "/", &[], b"")).await;
        until(|| open.load(Ordering::SeqCst) == expected).await;
        clients.push(client);
    }
    // One may wait, whichever of these is first; the others are turned away.
    let address = site.address();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        waiting.spawn(async move { Client::connect(address).await.ask("GET", "/", &[], b"").await });
    }
    for _ in 0..3 {
        let refused = soon(waiting.join_next()).await.unwrap().unwrap();
        refused.assert_problem(503);
        assert_eq!(refused.field("retry-after"), Some("1"));
    }
    let series = "sluice_cluster_overflows_total{cluster=\"up\",limit=\"connections\"}";
    assert_eq!(site.metric(series).await, 3.0);
    // And served when there is room.
    go.store(true, Ordering::SeqCst);
    for client in &mut clients {
        assert_eq!(soon(client.answer("GET")).await.status, 200);
    }
    assert_eq!(soon(waiting.join_next()).await.unwrap().unwrap().status, 200);
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_plugin_picks_for_byte_streams() {
    // Each says who it is, and stays.
    let named = async |name: &'static str| {
        Upstream::raw(move |_, mut stream| async move {
            write(&mut stream, name).await;
            let _ = stream.read(&mut [0; 1]).await;
        })
        .await
    };
    let (one, other) = (named("one").await, named("two").await);
    let text = format!(
        "[[listener]]\nname = \"streams\"\naddress = \"127.0.0.1:0\"\nprotocol = \"tcp\"\ncluster = \"up\"\n\
         [[route]]\nname = \"none\"\nlisteners = [\"public\"]\nrespond = {{}}\n\
         {}balance = {{ plugin = \"least-pending\" }}\n",
        cluster("up", &[one.address, other.address])
    );
    let site = Files::with_plugins(&["least-pending"]).start(&text).await;
    let address = site.gateway.address("streams").unwrap();
    let connect = async || {
        let mut stream = soon(TcpStream::connect(address)).await.unwrap();
        let mut name = [0; 3];
        soon(stream.read_exact(&mut name)).await.unwrap();
        (stream, name)
    };
    // Who has fewer streams gets the next: with all open, they take turns, whatever thread accepts.
    let mut open = Vec::new();
    for round in 1..=4 {
        let pair = [connect().await, connect().await];
        assert_ne!(pair[0].1, pair[1].1, "round {round}");
        open.extend(pair);
    }
    assert_eq!(picks(&site).await, 8.0);
    for (mut stream, _) in open {
        let _ = stream.shutdown().await;
    }
}

#[tokio::test]
async fn a_plugin_picks_anew_for_a_retry() {
    let busy = Upstream::serving(async |_: Request<_>| answer(503, "busy")).await;
    let well = Upstream::fixed("well").await;
    let text = [
        &route("up", "/*", &[]),
        &cluster("up", &[busy.address, well.address]),
        "balance = { plugin = \"least-pending\" }\nretries = { attempts = 1, on = [503], budget = 100 }\n",
    ];
    let site = Files::with_plugins(&["least-pending"]).start(&text.concat()).await;
    let asked = 20;
    for _ in 0..asked {
        let answer = site.get("/").await;
        assert_eq!((answer.status, &*answer.text()), (200, "well"));
    }
    // Each pick is the plugin's: one for a request, another for each that the busy endpoint didn't answer.
    let retried = site.metric("sluice_cluster_retries_total{cluster=\"up\",outcome=\"made\"}").await;
    assert!(retried > 0.0, "the busy endpoint is picked first now and then");
    assert_eq!(picks(&site).await, f64::from(asked) + retried);
}

/// Picks that the plugin `least-pending` made. None were left to the gateway.
async fn picks(site: &Site) -> f64 {
    assert_eq!(site.metric("sluice_balance_fallbacks_total{cluster=\"up\"}").await, 0.0);
    let text = site.admin("GET", "/metrics").await.text();
    let of_plugin = |line: &&str| {
        line.starts_with("sluice_plugin_calls_total{plugin=\"least-pending\"") && line.contains("hook=\"balance\"")
    };
    text.lines().filter(of_plugin).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test]
async fn operators_see_how_each_endpoint_does_in_two_ways() {
    let up = Upstream::serving(async |request: Request<_>| match request.uri().path() {
        "/bad" => answer(500, "no"),
        _ => answer(200, "yes"),
    })
    .await;
    let gone = Upstream::nobody().await;
    let text = format!(
        "[[route]]\nname = \"up\"\ncluster = \"up\"\n[[cluster]]\nname = \"up\"\n\
         endpoints = [{{ address = \"{}\", weight = 3, zone = \"a\" }}, {{ address = \"{gone}\", weight = 1 }}]\n",
        up.address
    );
    let site = Files::new().start(&text).await;
    for path in ["/", "/bad", "/", "/bad", "/", "/", "/", "/"] {
        site.get(path).await;
    }
    let shown = site.admin("GET", "/api/v1/clusters").await.json()["clusters"][0].clone();
    assert_eq!(shown["name"], "up");
    let of = |address: &str| {
        let endpoints = shown["endpoints"].as_array().unwrap();
        endpoints.iter().find(|endpoint| endpoint["address"] == address).unwrap().clone()
    };
    let (first, second) = (of(&up.address.to_string()), of(&gone.to_string()));
    assert_eq!((&first["weight"], &first["zone"], &first["in_flight"]), (&3.into(), &"a".into(), &0.into()));
    assert_eq!((&first["state"], &first["healthy"]), (&"healthy".into(), &true.into()), "{first}");
    assert_eq!(first["requests"], 8, "{first}");
    assert!(first["latency_us"].as_u64().unwrap() > 0, "{first}");
    assert!(second["failed_requests"].as_u64().unwrap() > 0, "{second}");
    assert!(second["last_error"]["error"].as_str().is_some_and(|error| !error.is_empty()), "{second}");
    for endpoint in [&first, &second] {
        let series = |name: &str| format!("sluice_endpoint_{name}{{cluster=\"up\",endpoint={}}}", endpoint["address"]);
        for (name, member) in
            [("requests_total", "requests"), ("failures_total", "failed_requests"), ("weight", "weight")]
        {
            let (said, counted) = (endpoint[member].as_f64().unwrap(), site.metric(&series(name)).await);
            assert_eq!(counted, said, "{name} of {endpoint}");
        }
        let latency = site.metric(&series("latency_seconds")).await * 1e6;
        assert!((latency - endpoint["latency_us"].as_f64().unwrap()).abs() < 1.0, "{latency} {endpoint}");
    }
}
