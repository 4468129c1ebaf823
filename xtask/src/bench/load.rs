//! One burst of requests by `wrk`, and what it says of them.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::Bench;
use super::contender::Proxy;
use super::scenario::Scenario;

/// Keep-alive connections.
pub const CONNECTIONS: u32 = 32;

/// Fields of every request besides `Host`, as a client has them.
const FIELDS: [&str; 4] = ["accept: */*", "user-agent: wrk/1", "accept-encoding: gzip, br", "accept-language: en"];

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub struct Load {
    pub requests: u64,
    pub per_second: f64,
    /// Milliseconds.
    pub p99: f64,
    /// Answers with another status than 2xx or 3xx, and connections that broke.
    pub wrong: u64,
}

/// Send requests for so many seconds.
///
/// # Errors
/// `wrk` fails or says something unknown.
pub fn run(bench: &Bench, scenario: &Scenario, proxy: &Proxy, seconds: u32) -> Result<Load> {
    let script = bench.directory.join(format!("{}.lua", scenario.name));
    let text = format!("routes = {}\n{}", proxy.routes(), scenario.script);
    std::fs::write(&script, text).with_context(|| format!("can't write {}", script.display()))?;
    let mut command = bench.tools.bound(bench.cores.1, &bench.tools.wrk);
    command.args(["--latency", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "-s"]).arg(&script);
    for field in FIELDS.iter().chain(scenario.fields) {
        command.args(["-H", field]);
    }
    let output = command
        .arg(format!("http://127.0.0.1:{}{}", proxy.port(), scenario.target))
        .stdin(Stdio::null())
        .output()
        .context("can't start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    parse(&text).with_context(|| format!("wrk says something unknown:\n{text}"))
}

fn parse(text: &str) -> Option<Load> {
    let mut load = Load::default();
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            [count, "requests", "in", ..] => load.requests = count.parse().ok()?,
            ["Requests/sec:", rate] => load.per_second = rate.parse().ok()?,
            ["99%", latency] => load.p99 = milliseconds(latency)?,
            ["Non-2xx", .., count] => load.wrong += count.parse::<u64>().ok()?,
            ["Socket", "errors:", ..] => {
                load.wrong += line.split([',', ' ']).filter_map(|word| word.parse::<u64>().ok()).sum::<u64>();
            }
            _ => {}
        }
    }
    (load.requests > 0).then_some(load)
}

/// `850.00us`, `1.25ms` or `2.00s`.
fn milliseconds(text: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 1e-3)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (text.strip_suffix('s')?, 1e3)
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_understood() {
        let text = "Running 5s test @ http://127.0.0.1:1/\n  1 threads and 32 connections\n  Thread Stats   Avg\n    Latency   1.1ms\n  \
            Latency Distribution\n     50%    0.90ms\n     99%  850.00us\n  200000 requests in 5.00s, 70MB read\n  \
            Socket errors: connect 0, read 1, write 0, timeout 2\n  Non-2xx or 3xx responses: 4\nRequests/sec:  39999.50\n";
        let load = parse(text).unwrap();
        assert_eq!(load, Load { requests: 200_000, per_second: 39_999.5, p99: 0.85, wrong: 7 });
        assert_eq!(parse("nothing"), None);
    }
}
