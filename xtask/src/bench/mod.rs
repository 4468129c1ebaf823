//! `cargo xtask bench`: what a request costs, beside the proxies that everybody knows. Contenders of a scenario take
//! turns in one run, so that whatever else the machine does hits them alike; what is compared is CPU time.

mod contender;
mod endpoint;
mod idle;
mod latency;
mod load;
mod policies;
mod process;
mod report;
mod scenario;
mod steady;
mod tools;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use self::contender::{Backend, Contender, Program, Proxy};
use self::report::{Measured, Row};
use self::scenario::Scenario;
use self::tools::Tools;
use crate::command::{self, root};
use crate::guests;

/// Scenarios that aren't about the cost of a request: name, for people, where its table stands, and what measures it.
type Other = (&'static str, &'static str, &'static str, fn(&Bench, u32) -> Result<String>);

const OTHERS: [Other; 3] = [
    ("latency", "answers at a fixed rate", report::LATENCY, latency::run),
    ("idle", "memory of connections that wait", report::IDLE, |bench, _| idle::run(bench)),
    ("policies", "an endpoint that is slow, one that fails", report::POLICIES, policies::run),
];

/// What the command line says.
struct Options {
    rounds: u32,
    seconds: u32,
    /// A gateway that was built before.
    binary: Option<PathBuf>,
    /// Scenarios by name; all if there are none.
    only: Vec<String>,
}

/// What all of a run share.
pub struct Bench {
    pub tools: Tools,
    /// The gateway.
    pub sluice: PathBuf,
    /// Where configurations are written.
    pub directory: PathBuf,
    /// The processor of the proxies, and that of load and backend.
    pub cores: (usize, usize),
    seconds: u32,
}

/// Build the gateway, measure, and write the tables to `docs/benchmarks.md`, but only if all scenarios were run.
///
/// # Errors
/// A tool is missing, something doesn't build or start, or an answer is wrong.
pub fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let scenarios: Vec<Scenario> =
        scenario::all().into_iter().filter(|scenario| options.wants(scenario.name)).collect();
    let bench = Bench::prepare(&options, scenarios.iter().any(Scenario::has_plugins))?;
    let page = root().join("docs/benchmarks.md");
    if !scenarios.is_empty() {
        requests(&bench, &scenarios, &options, &page)?;
    }
    for (name, what, mark, measure) in OTHERS.into_iter().filter(|other| options.wants(other.0)) {
        eprintln!("xtask: {name} ({what})");
        let text = measure(&bench, options.rounds)?;
        println!("\n{text}");
        if options.only.is_empty() {
            report::write(&page, mark, &text)?;
        }
    }
    Ok(())
}

/// Let a gateway that counts what it does do what is measured elsewhere, so that it is built for that.
///
/// # Errors
/// As [`run`].
pub fn train(binary: &Path) -> Result<()> {
    let options = Options { rounds: 1, seconds: 2, binary: Some(binary.to_owned()), only: Vec::new() };
    let bench = Bench::prepare(&options, true)?;
    for mut scenario in scenario::all() {
        scenario.contenders.retain(|contender| contender.program == Program::Sluice);
        eprintln!("xtask: {}", scenario.name);
        measure(&bench, &scenario, options.rounds)?;
    }
    Ok(())
}

/// What a request costs.
fn requests(bench: &Bench, scenarios: &[Scenario], options: &Options, page: &Path) -> Result<()> {
    let mut rows = Vec::new();
    for scenario in scenarios {
        eprintln!("xtask: {} ({})", scenario.name, scenario.what);
        rows.extend(measure(bench, scenario, options.rounds)?);
    }
    let text = report::tables(&rows, &bench.setting(options.rounds)?);
    println!("\n{text}");
    if options.only.is_empty() {
        report::write(page, report::REQUESTS, &text)?;
        report::draw(&page.with_extension("svg"), &rows)?;
    }
    Ok(())
}

/// Run a scenario's contenders in turns.
fn measure(bench: &Bench, scenario: &Scenario, rounds: u32) -> Result<Vec<Row>> {
    let most = scenario.contenders.iter().map(|contender| contender.setup.endpoints).max();
    let backend = Backend::start(bench, most.unwrap_or(1))?;
    let proxies: Vec<Proxy> = bench
        .present(scenario.contenders.clone())
        .into_iter()
        .map(|contender| Proxy::start(bench, &backend.addresses, contender))
        .collect::<Result<_>>()?;
    let mut rows: Vec<Row> = proxies.iter().map(|proxy| Row::new(scenario, proxy.name())).collect();
    // Connections are opened and caches filled before anything counts.
    for proxy in &proxies {
        load::run(bench, scenario, proxy, 1)?;
    }
    for round in 1..=rounds {
        for (proxy, row) in proxies.iter().zip(&mut rows) {
            let before = proxy.process().cpu_time()?;
            let load = load::run(bench, scenario, proxy, bench.seconds)?;
            let spent = proxy.process().cpu_time()?.saturating_sub(before);
            if load.wrong > 0 {
                bail!("{} answered {} of {} requests wrongly", proxy.name(), load.wrong, load.requests);
            }
            let cpu_us = spent.as_secs_f64() * 1e6 / load.requests.max(1) as f64;
            eprintln!("  {round}/{rounds} {:24} {cpu_us:7.2} µs  {:8.0}/s", proxy.name(), load.per_second);
            row.rounds.push(Measured {
                cpu_us,
                per_second: load.per_second,
                p99: load.p99,
                rss_kib: proxy.process().rss_kib()?,
            });
        }
    }
    Ok(rows)
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { rounds: 5, seconds: 5, binary: None, only: Vec::new() };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value"));
            match *word {
                "--rounds" => options.rounds = value()?.parse().context("--rounds wants a number")?,
                "--seconds" => options.seconds = value()?.parse().context("--seconds wants a number")?,
                "--binary" => options.binary = Some(PathBuf::from(value()?)),
                flag if flag.starts_with('-') => bail!("unknown option {flag}"),
                name => options.only.push(name.to_owned()),
            }
        }
        if options.rounds == 0 || options.seconds == 0 {
            bail!("there is nothing to measure in no time");
        }
        let names: Vec<&str> =
            scenario::all().iter().map(|scenario| scenario.name).chain(OTHERS.map(|other| other.0)).collect();
        if let Some(unknown) = options.only.iter().find(|name| !names.contains(&name.as_str())) {
            bail!("there is no scenario {unknown}, but {}", names.join(", "));
        }
        Ok(options)
    }

    fn wants(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == scenario)
    }
}

impl Bench {
    fn prepare(options: &Options, with_plugins: bool) -> Result<Self> {
        let tools = Tools::find()?;
        if with_plugins {
            guests::build()?;
        }
        let sluice = match &options.binary {
            Some(binary) => std::path::absolute(binary)?,
            None => build()?,
        };
        let directory = root().join("target/bench");
        std::fs::create_dir_all(&directory).with_context(|| format!("can't make {}", directory.display()))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if cores < 2 {
            eprintln!("xtask: with one processor, load and proxies disturb each other");
        }
        Ok(Self { tools, sluice, directory, cores: (cores - 1, 0), seconds: options.seconds })
    }

    /// Contenders whose program is there.
    fn present(&self, mut contenders: Vec<Contender>) -> Vec<Contender> {
        contenders.retain(|contender| contender.program != Program::Envoy || self.tools.has_envoy());
        contenders
    }

    /// Keep this process, whose threads are load and endpoints, off the proxies' processor.
    fn bind_this(&self) -> Result<()> {
        let this = std::process::id().to_string();
        let mut taskset = std::process::Command::new(&self.tools.taskset);
        command::output(taskset.args(["-cp", &self.cores.1.to_string(), &this])).map(drop)
    }

    /// Machine, versions and method, as a paragraph.
    fn setting(&self, rounds: u32) -> Result<String> {
        Ok(format!(
            "{}. Linux {}. {}. Proxies have one worker or data thread, bound to processor {}; `wrk` ({} connections, one \
             thread) and the backend, an nginx that serves nothing else, are bound to processor {}. {rounds} rounds of {} s, \
             contenders in turns; medians, with the range of the CPU times.",
            process::machine()?,
            process::kernel()?,
            self.tools.versions(&self.sluice)?,
            self.cores.0,
            load::CONNECTIONS,
            self.cores.1,
            Duration::from_secs(self.seconds.into()).as_secs(),
        ))
    }
}

fn build() -> Result<PathBuf> {
    command::run(std::process::Command::new("cargo").args(["build", "--release", "--locked", "--bin", "sluice"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(root().join(target).join(Path::new("release/sluice")))
}
