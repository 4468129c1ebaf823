//! `cargo xtask bench idle`: what a connection costs that has had an answer and waits for its next request.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Bench;
use super::contender::{Backend, Contender, Entry, Program, Proxy};

const CONNECTIONS: u32 = 2_000;
/// How long they may take to come, each with its first request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measure all, and tell it in a table.
///
/// # Errors
/// A proxy doesn't start, or not all connections stay.
pub fn run(bench: &Bench) -> Result<String> {
    let backend = Backend::start(bench, 1)?;
    let mut text = format!(
        "Resident memory that {CONNECTIONS} idle connections add, each after one answer, KiB for one; the kernel's own part isn't in it.\n\n\
         | | HTTP/1.1 | HTTP/1.1 over TLS |\n|---|---|---|\n"
    );
    for contender in bench
        .present([Program::Nginx, Program::Haproxy, Program::Envoy, Program::Sluice].map(Contender::plain).to_vec())
    {
        let clear = measure(bench, &backend, contender, Entry::Clear)?;
        let tls = measure(bench, &backend, contender, Entry::Tls)?;
        eprintln!("  {:24} {clear:6.1} KiB, with TLS {tls:6.1} KiB", contender.name());
        let _ = writeln!(text, "| {} | {clear:.1} | {tls:.1} |", contender.name());
    }
    Ok(text)
}

/// KiB for each connection.
fn measure(bench: &Bench, backend: &Backend, mut contender: Contender, entry: Entry) -> Result<f64> {
    contender.setup.entry = entry;
    let proxy = Proxy::start(bench, &backend.addresses, contender)?;
    // What the first ones bring into being stays.
    let first = Idle::start(bench, &proxy, 32)?;
    first.wait(bench, &proxy)?;
    let before = proxy.process().rss_kib()?;
    let idle = Idle::start(bench, &proxy, CONNECTIONS)?;
    idle.wait(bench, &proxy)?;
    let after = proxy.process().rss_kib()?;
    Ok(after.saturating_sub(before) as f64 / f64::from(CONNECTIONS))
}

/// Connections that are kept open by a `wrk`, which asks once on each, a thousand in a second, and then waits.
struct Idle {
    wrk: std::process::Child,
    connections: u32,
}

impl Idle {
    fn start(bench: &Bench, proxy: &Proxy, connections: u32) -> Result<Self> {
        let script = bench.directory.join("idle.lua");
        let text = format!(
            "local asked = 0\nfunction delay()\n  asked = asked + 1\n  if asked <= {connections} then return asked end\n  return 600000\nend\n"
        );
        std::fs::write(&script, text).with_context(|| format!("can't write {}", script.display()))?;
        let scheme = if proxy.entry() == Entry::Clear { "http" } else { "https" };
        let wrk = bench
            .tools
            .bound(bench.cores.1, &bench.tools.wrk)
            .args(["-t1", &format!("-c{connections}"), "-d120s", "-s"])
            .arg(&script)
            .arg(format!("{scheme}://127.0.0.1:{}/small", proxy.port()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("can't start wrk")?;
        Ok(Self { wrk, connections })
    }

    /// Until all are there and nothing is left to do.
    fn wait(&self, bench: &Bench, proxy: &Proxy) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut busy = proxy.process().cpu_time()?;
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(500));
            let now = proxy.process().cpu_time()?;
            // Clocks and checks go on.
            let is_quiet = now.saturating_sub(busy) < Duration::from_millis(20);
            busy = now;
            if is_quiet && open(proxy.port())? >= self.connections {
                return Ok(());
            }
        }
        bail!("{} didn't keep {} connections; see {}", proxy.name(), self.connections, bench.directory.display())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.wrk.kill();
        let _ = self.wrk.wait();
    }
}

/// How many connections to a port are open, by the kernel's list.
fn open(port: u16) -> Result<u32> {
    const ESTABLISHED: &str = "01";
    let text = std::fs::read_to_string("/proc/net/tcp").context("there is no list of connections")?;
    let local = format!(":{port:04X}");
    let is_one = |line: &&str| {
        let mut words = line.split_whitespace();
        words.nth(1).is_some_and(|word| word.ends_with(&local)) && words.nth(1) == Some(ESTABLISHED)
    };
    Ok(u32::try_from(text.lines().skip(1).filter(is_one).count()).unwrap_or(u32::MAX))
}
