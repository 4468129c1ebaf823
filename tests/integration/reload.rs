//! Reload with real components: what changes is seen, what is broken is refused, and nobody notices either.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluice::gateway::{Gateway, Options};
use sluice::snapshot::status::State;
use sluice::telemetry::metrics::Reload;

use crate::harness::client::Client;
use crate::harness::site::{Files, Site, replace};
use crate::harness::{components, soon, until};

const STAMPED: &str = r#"
[[route]]
name = "stamped"
match = { path = "/*" }
plugins = ["stamp"]
respond = { body = "hello" }
"#;

/// The guest's version of that number: it marks answers by `version-NNNN`.
fn version(number: usize) -> Vec<u8> {
    let mut bytes = fs::read(components::guest("stamp")).unwrap();
    let mark = b"version-0000";
    let places: Vec<usize> = (0..bytes.len() - mark.len()).filter(|at| bytes[*at..].starts_with(mark)).collect();
    assert_eq!(places.len(), 1, "the mark is in the file once");
    bytes[places[0]..places[0] + mark.len()].copy_from_slice(mark_of(number).as_bytes());
    bytes
}

fn mark_of(number: usize) -> String {
    format!("version-{number:04}")
}

async fn stamped(number: usize) -> Site {
    let files = Files::new();
    files.put_component("stamp.wasm", &version(number));
    files.start(STAMPED).await
}

async fn mark(site: &Site) -> String {
    let answer = site.get("/").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{answer:?}");
    answer.field("x-stamp").expect("a mark").to_owned()
}

/// Wait until answers carry that mark, without asking the gateway to look.
async fn marked(site: &Site, number: usize) {
    soon(async {
        while mark(site).await != mark_of(number) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_renamed_file_is_seen_by_itself() {
    let site = stamped(1).await;
    assert_eq!(mark(&site).await, mark_of(1));
    site.files.put_component("stamp.wasm", &version(2));
    marked(&site, 2).await;
    // As editors do it: the old file is moved away first.
    let path = site.files.plugins().join("stamp.wasm");
    fs::rename(&path, site.files.plugins().join("stamp.wasm~")).unwrap();
    replace(&path, &version(3));
    marked(&site, 3).await;
}

#[tokio::test]
async fn broken_files_are_refused_and_the_last_good_version_serves_on() {
    let site = stamped(1).await;
    let whole = version(2);
    for broken in [&b"not wasm at all"[..], &whole[..whole.len() / 2], b""] {
        site.files.put_component("stamp.wasm", broken);
        site.plugin_is("stamp", State::LastGood).await;
        assert!(site.plugin("stamp").reason.is_some());
        assert_eq!(mark(&site).await, mark_of(1));
        site.files.put_component("stamp.wasm", &version(1));
        site.plugin_is("stamp", State::Serving).await;
    }
    assert!(site.metric("sluice_reloads_total{outcome=\"refused\"}").await >= 1.0);
    // Copied in two halves: never half a version, and the whole one once it is there.
    let path = site.files.plugins().join("stamp.wasm");
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(mark(&site).await, mark_of(1));
    fs::write(&path, &whole).unwrap();
    marked(&site, 2).await;
}

/// Point the links of a mounted ConfigMap to a new directory, as a kubelet does.
fn swap_config_map(plugins: &Path, number: usize) {
    let generation = format!("..{number}");
    fs::create_dir(plugins.join(&generation)).unwrap();
    replace(&plugins.join(&generation).join("stamp.wasm"), &version(number));
    symlink(&generation, plugins.join("..data_tmp")).unwrap();
    fs::rename(plugins.join("..data_tmp"), plugins.join("..data")).unwrap();
}

#[tokio::test]
async fn a_config_map_is_swapped_by_its_links() {
    let files = Files::new();
    swap_config_map(&files.plugins(), 1);
    symlink("..data/stamp.wasm", files.plugins().join("stamp.wasm")).unwrap();
    let site = files.start(STAMPED).await;
    assert_eq!(mark(&site).await, mark_of(1));
    for number in 2..5 {
        swap_config_map(&site.files.plugins(), number);
        marked(&site, number).await;
        fs::remove_dir_all(site.files.plugins().join(format!("..{}", number - 1))).unwrap();
    }
}

#[tokio::test]
async fn a_directory_that_goes_and_comes_back_is_watched_again() {
    let site = stamped(1).await;
    fs::remove_dir_all(site.files.plugins()).unwrap();
    site.plugin_is("stamp", State::LastGood).await;
    assert_eq!(mark(&site).await, mark_of(1));
    fs::create_dir(site.files.plugins()).unwrap();
    site.files.put_component("stamp.wasm", &version(2));
    marked(&site, 2).await;
    site.files.put_component("stamp.wasm", &version(3));
    marked(&site, 3).await;
}

#[tokio::test]
async fn a_start_with_a_broken_file_takes_the_last_good_version() {
    let Site { files, gateway } = stamped(1).await;
    gateway.shutdown().await;
    files.put_component("stamp.wasm", b"broken");
    let gateway = soon(Gateway::start(Options::new(files.path("sluice.toml")))).await.unwrap();
    let site = Site { files, gateway };
    assert_eq!(site.plugin("stamp").state, State::LastGood);
    assert_eq!(mark(&site).await, mark_of(1));
}

/// Asks for ever on one connection, at a bounded pace; counts answers by their mark.
async fn ask_on(address: SocketAddr, stop: Arc<AtomicBool>) -> BTreeMap<String, usize> {
    let mut client = Client::connect(address).await;
    let mut marks = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..10 {
            let answer = client.ask("GET", "/", &[], b"").await;
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]), "{answer:?}");
            *marks.entry(answer.field("x-stamp").expect("a mark").to_owned()).or_default() += 1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    marks
}

#[tokio::test]
async fn a_hundred_swaps_under_load_cost_not_one_request() {
    const SWAPS: usize = 100;
    let site = stamped(0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..16).map(|_| tokio::spawn(ask_on(site.address(), stop.clone()))).collect();
    let begun = std::time::Instant::now();
    for number in 1..=SWAPS {
        // Two versions in turn.
        site.files.put_component("stamp.wasm", &version(number % 2));
        // The watcher may be first; then there is nothing left to publish.
        assert_ne!(soon(site.gateway.reload()).await, Reload::Refused);
        assert_eq!(mark(&site).await, mark_of(number % 2));
    }
    let took = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut all = BTreeMap::<String, usize>::new();
    for asked in asking {
        for (mark, count) in soon(asked).await.expect("not one request failed") {
            *all.entry(mark).or_default() += count;
        }
    }
    println!("{SWAPS} swaps in {took:?}, {all:?}");
    assert!(all.keys().all(|mark| [mark_of(0), mark_of(1)].contains(mark)), "{all:?}");
    assert_eq!(all.len(), 2, "both versions served under load: {all:?}");
    assert!(site.metric("sluice_reloads_total{outcome=\"published\"}").await >= SWAPS as f64 / 2.0);
    until(|| site.gateway.metrics().live_snapshots() == 1).await;
}

/// Resident memory of this process, in KiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// By itself, since other tests in the process use memory too: `cargo test -p sluice-tests -- --ignored`.
#[tokio::test]
#[ignore = "measures the memory of the whole process"]
async fn memory_stays_where_it_was_over_hundreds_of_swaps() {
    let site = stamped(0).await;
    let mut figures = Vec::new();
    for number in 1..=500 {
        site.files.put_component("stamp.wasm", &version(number % 2));
        soon(site.gateway.reload()).await;
        assert_eq!(mark(&site).await, mark_of(number % 2));
        if number % 100 == 0 {
            until(|| site.gateway.metrics().live_snapshots() == 1).await;
            figures.push(resident());
        }
    }
    println!("KiB after each hundred swaps: {figures:?}");
    assert!(figures[4] < figures[0] + 8 * 1024, "KiB after each hundred swaps: {figures:?}");
}
