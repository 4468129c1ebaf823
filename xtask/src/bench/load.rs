//! One burst of requests by `wrk`, or by `h2load` for HTTP/2, and what they say of them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Bench;
use super::contender::{Entry, Proxy};
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
/// The program fails or says something unknown.
pub fn run(bench: &Bench, scenario: &Scenario, proxy: &Proxy, seconds: u32) -> Result<Load> {
    let (scheme, by_h2load) = match proxy.entry() {
        Entry::Clear => ("http", false),
        Entry::Tls => ("https", false),
        Entry::Http2 => ("https", true),
    };
    let url = format!("{scheme}://127.0.0.1:{}{}", proxy.port(), scenario.target);
    if by_h2load { h2load(bench, scenario, &url, seconds) } else { wrk(bench, scenario, proxy, &url, seconds) }
}

fn wrk(bench: &Bench, scenario: &Scenario, proxy: &Proxy, url: &str, seconds: u32) -> Result<Load> {
    let script = bench.directory.join(format!("{}.lua", scenario.name));
    let text = format!("routes = {}\n{}", proxy.routes(), scenario.script);
    std::fs::write(&script, text).with_context(|| format!("can't write {}", script.display()))?;
    let mut command = bench.tools.bound(bench.cores.1, &bench.tools.wrk);
    command.args(["--latency", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "-s"]).arg(&script);
    let text = said(command, scenario, url)?;
    parse(&text).with_context(|| format!("wrk says something unknown:\n{text}"))
}

/// 8 connections of 4 streams.
fn h2load(bench: &Bench, scenario: &Scenario, url: &str, seconds: u32) -> Result<Load> {
    const FLOWS: u32 = 8;
    let times = bench.directory.join("h2load.times");
    // It adds to what is there.
    let _ = std::fs::remove_file(&times);
    let mut command = bench.tools.bound(bench.cores.1, &bench.tools.h2load);
    command.args(["-t1", &format!("-c{FLOWS}"), &format!("-m{}", CONNECTIONS / FLOWS), &format!("-D{seconds}")]);
    command.arg(format!("--log-file={}", times.display()));
    let text = said(command, scenario, url)?;
    let mut load = parse_h2load(&text).with_context(|| format!("h2load says something unknown:\n{text}"))?;
    let times = std::fs::read_to_string(&times).context("h2load wrote no times")?;
    load.p99 = p99(&times).context("h2load wrote no times")?;
    Ok(load)
}

/// What a program prints of a load on `url`.
fn said(mut command: Command, scenario: &Scenario, url: &str) -> Result<String> {
    for field in FIELDS.iter().chain(scenario.fields) {
        command.args(["-H", field]);
    }
    let output = command.arg(url).stdin(Stdio::null()).output().with_context(|| format!("can't start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Of `finished in 1.00s, 9000.00 req/s, 2.52MB/s` and
/// `requests: 9000 total, 9032 started, 9000 done, 9000 succeeded, 0 failed, 0 errored, 0 timeout`.
fn parse_h2load(text: &str) -> Option<Load> {
    let mut load = Load::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        match *words.as_slice() {
            ["finished", "in", _, rate, "req/s", ..] => load.per_second = rate.parse().ok()?,
            ["requests:", _, "total", _, "started", done, "done", good, "succeeded", ..] => {
                load.requests = done.parse().ok()?;
                load.wrong = load.requests.saturating_sub(good.parse().ok()?);
            }
            _ => {}
        }
    }
    (load.requests > 0).then_some(load)
}

/// Milliseconds, of lines `START STATUS MICROSECONDS`.
fn p99(times: &str) -> Option<f64> {
    let time = |line: &str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
    let mut times: Vec<u64> = times.lines().filter_map(time).collect();
    times.sort_unstable();
    Some(*times.get(times.len() * 99 / 100)? as f64 / 1e3)
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

    #[test]
    fn what_h2load_says_is_understood() {
        let text = "finished in 1.00s, 9000.50 req/s, 2.52MB/s\n\
            requests: 9000 total, 9032 started, 9000 done, 8998 succeeded, 2 failed, 2 errored, 0 timeout\n";
        assert_eq!(parse_h2load(text).unwrap(), Load { requests: 9000, per_second: 9000.5, p99: 0.0, wrong: 2 });
        assert_eq!(parse_h2load("nothing"), None);
        let times: String = (1..=100).map(|time| format!("1790000000\t200\t{time}000\n")).collect();
        assert_eq!(p99(&times), Some(100.0));
        assert_eq!(p99(""), None);
    }
}
