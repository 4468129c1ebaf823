//! State that several gateways share in Redis: a fleet admits together what one gateway would alone, and does what it
//! is told to while Redis is away.

use std::process::Command;

use serde_json::Value;

use crate::harness::components;
use crate::harness::redis::RedisServer;
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::Upstream;

/// What a caller may ask for in a day: what comes back while a test runs is less than one.
const LIMIT: usize = 60;

fn text(state: &str, upstream: &Upstream) -> String {
    let limit = format!(
        "[[plugin]]\nname = \"limit\"\ncomponent = \"rate-limit.wasm\"\ngrants = [\"limiter\"]\n\
         config = {{ key = \"header:x-team\", rate = {LIMIT}, per = \"24h\" }}\nlimits = {{ deadline = \"20s\" }}\n"
    );
    [&limit, state, &route("up", "/*", &["limit"]), &cluster("up", &[upstream.address])].concat()
}

fn state(server: &RedisServer, more: &str) -> String {
    // More than the default: the machine may be busy, and whoever is late isn't away.
    format!("[state]\nbackend = \"redis\"\nurl = \"{}\"\ntimeout = \"5s\"\n{more}\n", server.url())
}

async fn fleet(server: &RedisServer, more: &str) -> [Site; 3] {
    let upstream = Upstream::fixed("hello").await;
    let text = text(&state(server, more), &upstream);
    let site = async || Files::with_plugins(&["rate-limit"]).start(&text).await;
    [site().await, site().await, site().await]
}

/// How many of so many requests of each gateway were answered with that status, all gateways at once.
async fn ask(fleet: &[Site], team: &str, requests: usize, status: u16) -> Vec<usize> {
    let mut clients = Vec::new();
    for site in fleet {
        clients.push(site.client().await);
    }
    let mut asking = tokio::task::JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        let team = team.to_owned();
        asking.spawn(async move {
            let mut count = 0;
            for _ in 0..requests {
                count += usize::from(client.ask("GET", "/", &[("x-team", &team)], b"").await.status == status);
            }
            (number, count)
        });
    }
    let mut counts = soon(asking.join_all()).await;
    counts.sort_unstable();
    counts.into_iter().map(|(_, count)| count).collect()
}

async fn shown(site: &Site) -> Value {
    site.admin("GET", "/api/v1/status").await.json()["state"].clone()
}

/// Until all gateways say so of the store.
async fn store_is(fleet: &[Site], up: bool) {
    for site in fleet {
        soon(async { while shown(site).await["up"] != up {} }).await;
    }
}

#[tokio::test]
async fn three_gateways_admit_together_what_one_may() {
    let Some(mut server) = RedisServer::start("three_gateways_admit_together_what_one_may", &[]) else { return };
    let fleet = fleet(&server, "on_error = \"local\"").await;
    assert_eq!(ask(&fleet, "red", LIMIT, 200).await.iter().sum::<usize>(), LIMIT, "three times as many were asked for");
    assert_eq!(ask(&fleet, "blue", 7, 200).await, [7, 7, 7], "others have their own");
    let seen = fleet[1].ask("GET", "/", &[("x-team", "blue")], b"").await;
    let left = LIMIT - 22;
    assert!(
        seen.field("ratelimit").is_some_and(|state| state.starts_with(&format!("\"default\";r={left};t="))),
        "{seen:?}"
    );

    // Killed in the middle: each counts for itself, and goes on.
    server.kill();
    store_is(&fleet, false).await;
    assert_eq!(ask(&fleet, "red", LIMIT + 9, 200).await, [LIMIT; 3]);
    for site in &fleet {
        assert_eq!(site.metric("sluice_state_without_store_total{on_error=\"local\"}").await, (LIMIT + 9) as f64);
        let state = shown(site).await;
        assert!(state["reason"].is_string() && state["on_error"] == "local", "{state}");
    }

    // It comes back, without what it knew, and they count together again.
    server.restart();
    store_is(&fleet, true).await;
    assert_eq!(ask(&fleet, "red", LIMIT, 200).await.iter().sum::<usize>(), LIMIT);
    let up = format!("sluice_state_up{{store=\"{}/0\"}}", server.url().trim_start_matches("unix://"));
    assert_eq!(fleet[0].metric(&up).await, 1.0);
}

#[tokio::test]
async fn a_fleet_whose_store_dies_under_load_answers_every_request() {
    let test = "a_fleet_whose_store_dies_under_load_answers_every_request";
    let Some(mut server) = RedisServer::start(test, &[]) else { return };
    let fleet = fleet(&server, "on_error = \"local\"").await;
    let asking = ask(&fleet, "red", 4 * LIMIT, 200);
    let killing = async {
        // Once some have been counted.
        soon(async {
            while server.ask(&["DBSIZE"]) == "0" {
                tokio::task::yield_now().await;
            }
        })
        .await;
        server.kill();
    };
    let (admitted, ()) = tokio::join!(asking, killing);
    // At most what all may together, and then each for itself.
    assert!((LIMIT..=4 * LIMIT).contains(&admitted.iter().sum::<usize>()), "{admitted:?}");
    assert_eq!(ask(&fleet, "red", 1, 503).await, [0; 3], "nobody fails");
}

#[tokio::test]
async fn without_the_store_a_fleet_may_be_open_or_closed() {
    let Some(mut server) = RedisServer::start("without_the_store_a_fleet_may_be_open_or_closed", &[]) else { return };
    let open = fleet(&server, "on_error = \"open\"").await;
    let closed = fleet(&server, "on_error = \"closed\"").await;
    assert_eq!(ask(&closed, "red", LIMIT, 200).await.iter().sum::<usize>(), LIMIT);
    server.kill();
    store_is(&open, false).await;
    store_is(&closed, false).await;
    assert_eq!(ask(&open, "red", LIMIT + 5, 200).await, [LIMIT + 5; 3]);
    assert_eq!(ask(&closed, "red", 5, 503).await, [5; 3]);
    closed[0].ask("GET", "/", &[("x-team", "red")], b"").await.assert_problem(503);
}

#[tokio::test]
async fn waiting_for_the_store_is_no_computing_and_has_an_end() {
    let Some(server) = RedisServer::start("waiting_for_the_store_is_no_computing_and_has_an_end", &[]) else { return };
    let upstream = Upstream::fixed("hello").await;
    let text =
        text(&state(&server, "on_error = \"closed\""), &upstream).replace("deadline = \"20s\"", "deadline = \"60ms\"");
    let site = Files::with_plugins(&["rate-limit"]).start(&text).await;
    assert_eq!(site.get("/").await.status, 200);
    server.stop();
    assert_eq!(site.get("/").await.status, 503);
    let calls = "sluice_plugin_calls_total{plugin=\"limit\",hook=\"rate-limit\",outcome=\"deadline\"}";
    assert_eq!(site.metric(calls).await, 1.0);
    assert!(site.metric("sluice_plugin_waited_seconds_total{plugin=\"limit\"}").await > 0.05);
    server.resume();
    soon(async { while site.get("/").await.status != 200 {} }).await;
}

#[tokio::test]
async fn a_reload_moves_the_state() {
    let Some(server) = RedisServer::start("a_reload_moves_the_state", &[]) else { return };
    let upstream = Upstream::fixed("hello").await;
    let site = Files::with_plugins(&["rate-limit"]).start(&text("", &upstream)).await;
    assert_eq!(shown(&site).await["backend"], "memory");
    assert_eq!(ask(std::slice::from_ref(&site), "red", LIMIT + 1, 200).await, [LIMIT]);
    assert_eq!(server.ask(&["DBSIZE"]), "0");
    site.files.configure(&text(&state(&server, "prefix = \"blue:\""), &upstream));
    site.gateway.reload().await;
    assert_eq!(shown(&site).await["backend"], "redis");
    assert_eq!(ask(std::slice::from_ref(&site), "red", LIMIT + 1, 200).await, [LIMIT]);
    let key = server.ask(&["KEYS", "*limiter:limit*"]);
    assert!(key.starts_with("blue:limiter:limit:"), "{key}");
    // What it counted itself is still there.
    site.files.configure(&text("", &upstream));
    site.gateway.reload().await;
    assert_eq!(ask(std::slice::from_ref(&site), "red", 1, 200).await, [0]);
}

#[tokio::test]
async fn who_only_looks_counts_nothing() {
    let Some(server) = RedisServer::start("who_only_looks_counts_nothing", &[]) else { return };
    let upstream = Upstream::fixed("hello").await;
    let files = Files::with_plugins(&["rate-limit"]);
    let config = files.configure(&text(&state(&server, ""), &upstream));
    for arguments in [&["check"][..], &["explain", "http://example.com/"]] {
        let mut command = Command::new(components::program());
        let output = command.args(arguments).arg("--config").arg(&config).output().expect("sluice runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(server.ask(&["DBSIZE"]), "0");
}
