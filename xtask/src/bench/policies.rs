//! `cargo xtask bench policies`: what becomes of requests when one endpoint of four is slow, and when one fails.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Bench;
use super::contender::{Contender, Program, Proxy};
use super::endpoint::Endpoint;
use super::report::median;
use super::steady::{self, Steady};

/// Requests a second.
const RATE: u32 = 1_000;
const QUICK: Duration = Duration::from_millis(1);
const SLOW: Duration = Duration::from_millis(50);

/// Measure all, and tell it in two tables.
///
/// # Errors
/// A proxy doesn't start, or an answer is none.
pub fn run(bench: &Bench, rounds: u32) -> Result<String> {
    bench.bind_this()?;
    let mut text = format!(
        "Four endpoints answer in {} ms; {RATE} requests a second over 128 connections, each timed from when it was due. \
         {rounds} rounds of {} s, contenders in turns; medians.\n",
        QUICK.as_millis(),
        bench.seconds
    );
    slow(bench, rounds, &mut text)?;
    failing(bench, rounds, &mut text)?;
    Ok(text)
}

/// One endpoint of four takes fifty times as long.
fn slow(bench: &Bench, rounds: u32, text: &mut String) -> Result<()> {
    use Program::{Envoy, Haproxy, Nginx, Sluice};
    let contenders = bench.present(vec![
        Contender::balanced(Nginx, "round-robin"),
        Contender::balanced(Haproxy, "roundrobin"),
        Contender::balanced(Envoy, "ROUND_ROBIN"),
        Contender::balanced(Sluice, "round-robin"),
        Contender::balanced(Nginx, "least_conn"),
        Contender::balanced(Haproxy, "leastconn"),
        Contender::balanced(Haproxy, "random(2)"),
        Contender::balanced(Envoy, "LEAST_REQUEST"),
        Contender::balanced(Sluice, "least-request"),
        Contender::balanced(Sluice, "peak-ewma"),
    ]);
    let mut endpoints = (0..3).map(|_| Endpoint::start(QUICK)).collect::<Result<Vec<_>>>()?;
    endpoints.push(Endpoint::start(SLOW)?);
    let proxies = start(bench, &endpoints, &contenders)?;
    let mut measured: Vec<[Vec<f64>; 4]> = proxies.iter().map(|_| <[Vec<f64>; 4]>::default()).collect();
    for proxy in &proxies {
        steady::run(proxy.port(), RATE, Duration::from_secs(1))?;
    }
    for round in 1..=rounds {
        for (proxy, values) in proxies.iter().zip(&mut measured) {
            take(&endpoints);
            let steady = steady::run(proxy.port(), RATE, Duration::from_secs(bench.seconds.into()))?;
            if steady.wrong > 0 {
                bail!("{} answered {} requests wrongly", proxy.name(), steady.wrong);
            }
            let share = last_share(&take(&endpoints)).context("nobody was asked")?;
            let line = [share, steady.quantile(0.5), steady.quantile(0.99), steady.quantile(0.999)];
            eprintln!("  {round}/{rounds} {:24} {:5.2} % {:7.2} ms", proxy.name(), line[0], line[2]);
            for (value, list) in line.into_iter().zip(values) {
                list.push(value);
            }
        }
    }
    let _ = writeln!(
        text,
        "\n**One endpoint of four answers in {} ms**: its share of the requests, and how long answers take\n\n\
         | | its share, % | p50, ms | p99, ms | p99.9, ms |\n|---|---|---|---|---|",
        SLOW.as_millis()
    );
    for (proxy, values) in proxies.iter().zip(&mut measured) {
        let [share, p50, p99, p999] = values;
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} |",
            proxy.name(),
            median(share),
            median(p50),
            median(p99),
            median(p999)
        );
    }
    Ok(())
}

/// One endpoint of four answers 503 for a while.
fn failing(bench: &Bench, rounds: u32, text: &mut String) -> Result<()> {
    use Program::{Envoy, Haproxy, Nginx, Sluice};
    let contenders = bench.present([Nginx, Haproxy, Envoy, Sluice].map(Contender::ejecting).to_vec());
    let endpoints = (0..4).map(|_| Endpoint::start(QUICK)).collect::<Result<Vec<_>>>()?;
    let proxies = start(bench, &endpoints, &contenders)?;
    let bad = endpoints.last().context("there are four")?;
    let mut measured: Vec<[Vec<f64>; 3]> = proxies.iter().map(|_| <[Vec<f64>; 3]>::default()).collect();
    for _ in 0..rounds {
        for (proxy, values) in proxies.iter().zip(&mut measured) {
            steady::run(proxy.port(), RATE, Duration::from_secs(1))?;
            take(&endpoints);
            bad.fail(true);
            let failed: Steady = steady::run(proxy.port(), RATE, Duration::from_secs(bench.seconds.into()))?;
            let share = last_share(&take(&endpoints)).context("nobody was asked")?;
            bad.fail(false);
            let back = until_back(proxy, bad)?;
            eprintln!("  {:24} {share:5.2} %, {} failed, back after {back:.1} s", proxy.name(), failed.wrong);
            let of_thousand = failed.wrong as f64 * 1e3 / failed.requests().max(1) as f64;
            for (value, list) in [share, of_thousand, back].into_iter().zip(values) {
                list.push(value);
            }
        }
    }
    let _ = writeln!(
        text,
        "\n**One endpoint of four answers 503**; who fails five times in a row is left alone for 2 s: its share of the requests \
         meanwhile, what clients saw of it, and how long it took after it was well until it had a fair share again\n\n\
         | | its share, % | failed, of 1,000 | back after, s |\n|---|---|---|---|"
    );
    for (proxy, values) in proxies.iter().zip(&mut measured) {
        let [share, failed, back] = values;
        let _ =
            writeln!(text, "| {} | {:.2} | {:.1} | {:.1} |", proxy.name(), median(share), median(failed), median(back));
    }
    Ok(())
}

/// Seconds until an endpoint has a fifth of the requests again.
fn until_back(proxy: &Proxy, endpoint: &Endpoint) -> Result<f64> {
    const LONGEST: Duration = Duration::from_secs(60);
    let begin = Instant::now();
    while begin.elapsed() < LONGEST {
        endpoint.take_requests();
        let before = begin.elapsed();
        let steady = steady::run(proxy.port(), RATE, Duration::from_millis(250))?;
        if endpoint.take_requests() * 5 >= steady.requests() {
            return Ok(before.as_secs_f64());
        }
    }
    bail!("{} didn't come back to an endpoint that is well", proxy.name())
}

fn start(bench: &Bench, endpoints: &[Endpoint], contenders: &[Contender]) -> Result<Vec<Proxy>> {
    let addresses: Vec<String> = endpoints.iter().map(|endpoint| format!("127.0.0.1:{}", endpoint.port())).collect();
    contenders.iter().map(|contender| Proxy::start(bench, &addresses, *contender)).collect()
}

fn take(endpoints: &[Endpoint]) -> Vec<u64> {
    endpoints.iter().map(Endpoint::take_requests).collect()
}

/// Per cent of the requests that the last one got.
fn last_share(requests: &[u64]) -> Option<f64> {
    let all: u64 = requests.iter().sum();
    (all > 0).then_some(*requests.last()? as f64 * 100.0 / all as f64)
}
