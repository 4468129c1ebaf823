//! `cargo xtask bench latency`: how long answers take at a fixed rate that every proxy manages.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Bench;
use super::contender::{Backend, Contender, Program, Proxy};
use super::report::median;
use super::steady;

/// Requests a second.
const RATE: u32 = 4_000;

/// Measure all, and tell it in a table.
///
/// # Errors
/// A proxy doesn't start, or an answer is wrong.
pub fn run(bench: &Bench, rounds: u32) -> Result<String> {
    bench.bind_this()?;
    let backend = Backend::start(bench, 1)?;
    let proxies: Vec<Proxy> = bench
        .present([Program::Nginx, Program::Haproxy, Program::Envoy, Program::Sluice].map(Contender::plain).to_vec())
        .into_iter()
        .map(|contender| Proxy::start(bench, &backend.addresses, contender))
        .collect::<Result<_>>()?;
    let mut measured: Vec<[Vec<f64>; 4]> = proxies.iter().map(|_| <[Vec<f64>; 4]>::default()).collect();
    for proxy in &proxies {
        steady::run(proxy.port(), RATE, Duration::from_secs(1))?;
    }
    for round in 1..=rounds {
        for (proxy, values) in proxies.iter().zip(&mut measured) {
            let before = proxy.process().cpu_time()?;
            let steady = steady::run(proxy.port(), RATE, Duration::from_secs(bench.seconds.into()))?;
            let spent = proxy.process().cpu_time()?.saturating_sub(before);
            if steady.wrong > 0 {
                bail!("{} answered {} requests wrongly", proxy.name(), steady.wrong);
            }
            let cpu_us = spent.as_secs_f64() * 1e6 / steady.requests().max(1) as f64;
            let line = [steady.quantile(0.5), steady.quantile(0.99), steady.quantile(0.999), cpu_us];
            eprintln!("  {round}/{rounds} {:24} {:7.2} ms {cpu_us:7.2} µs", proxy.name(), line[1]);
            for (value, list) in line.into_iter().zip(values) {
                list.push(value);
            }
        }
    }
    let mut text = format!(
        "{RATE} requests a second over 128 connections, each timed from when it was due. {rounds} rounds of {} s, contenders in \
         turns; medians.\n\n| | p50, ms | p99, ms | p99.9, ms | CPU, µs a request |\n|---|---|---|---|---|\n",
        bench.seconds
    );
    for (proxy, values) in proxies.iter().zip(&mut measured) {
        let [p50, p99, p999, cpu] = values;
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {:.1} |",
            proxy.name(),
            median(p50),
            median(p99),
            median(p999),
            median(cpu)
        );
    }
    Ok(text)
}
