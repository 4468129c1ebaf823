//! What operators watch the gateway with: metrics in a sound form, and dashboards and alerts that ask for series
//! which there are.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::client::Client;
use crate::harness::components::root;
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::Upstream;

/// A gateway in which everything that is counted has occurred.
async fn busy() -> Site {
    let upstream = Upstream::fixed("hello").await;
    let database = Upstream::fixed("bytes").await;
    let dead: std::net::SocketAddr = ([127, 0, 0, 1], 9).into();
    let plugin =
        "[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nconfig = { keys = { \"good\" = \"alice\" } }\n";
    let secure = "[[listener]]\nname = \"secure\"\naddress = \"127.0.0.1:0\"\nprotocol = \"tcp\"\ncluster = \"dead\"\n\
                  tls = \"self-signed\"\n";
    let stream = "[[listener]]\nname = \"stream\"\naddress = \"127.0.0.1:0\"\nprotocol = \"tcp\"\ncluster = \"dead\"\n";
    let text = [
        plugin,
        secure,
        stream,
        &route("up", "/up", &["keys"]),
        &route("dead", "/dead", &[]),
        &cluster("up", &[upstream.address]),
        &cluster("dead", &[dead]),
        &cluster("database", &[database.address]),
    ];
    let site = Files::with_plugins(&["api-key"]).start(&text.concat()).await;
    assert_eq!(site.ask("GET", "/up", &[("x-api-key", "good")], b"").await.status, 200);
    assert_eq!(site.get("/up").await.status, 401);
    assert_eq!(site.get("/dead").await.status, 502);
    let admin = site.gateway.admin_address().unwrap();
    let host = admin.to_string();
    assert_eq!(Client::connect(admin).await.ask("GET", "/metrics", &[("host", &host)], b"").await.status, 401);
    let mut refused = Client::connect(site.gateway.address("stream").unwrap()).await;
    assert_eq!(refused.rest().await, b"");
    // It is counted when its connection has been closed.
    let series = "sluice_connections_refused_total{listener=\"stream\",reason=\"upstream\"}";
    soon(async { while site.metric(series).await < 1.0 {} }).await;
    site
}

/// The names in an expression that are names of series.
fn series(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("sluice_") || word.starts_with("http_server_")).collect()
}

fn names(metrics: &str) -> BTreeSet<&str> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).collect()
}

/// The values of all keys of that name, however deep.
fn collect<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    value => collect(value, key, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, key, found)),
        _ => {}
    }
}

#[tokio::test]
async fn dashboards_and_alerts_ask_for_series_that_there_are() {
    let site = busy().await;
    let metrics = site.admin("GET", "/metrics").await.text();
    let known = names(&metrics);
    let grafana = fs::read_to_string(root().join("config/monitoring/grafana.json")).unwrap();
    let grafana: Value = serde_json::from_str(&grafana).unwrap();
    let mut expressions = Vec::new();
    collect(&grafana, "expr", &mut expressions);
    collect(&grafana, "definition", &mut expressions);
    assert!(expressions.len() > 20, "only {} expressions were found", expressions.len());
    let alerts = fs::read_to_string(root().join("config/monitoring/alerts.yml")).unwrap();
    expressions.extend(alerts.lines().filter(|line| !line.trim_start().starts_with(['#', '-'])));
    let asked: BTreeSet<&str> = expressions.iter().flat_map(|expression| series(expression)).collect();
    assert!(asked.len() > 15, "only these were found: {asked:?}");
    let missing: Vec<_> = asked.difference(&known).collect();
    assert_eq!(missing, [] as [&&str; 0], "in\n{metrics}");
}

/// Run Prometheus' own checker, where there is one.
fn promtool(arguments: &[&str], input: &str) {
    let started = Command::new("promtool")
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("SKIPPED promtool {}: it isn't installed (Debian: apt-get install prometheus)", arguments.join(" "));
        return;
    };
    // It may end before it has read all.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {}: {said}", arguments.join(" "));
}

#[tokio::test]
async fn metrics_and_alerts_pass_the_checks_of_prometheus() {
    let site = busy().await;
    promtool(&["check", "metrics"], &site.admin("GET", "/metrics").await.text());
    promtool(&["check", "rules", "config/monitoring/alerts.yml"], "");
}
