//! `sluice plugin test`: runs a component in the real host on written cases, and shows what differs.
//!
//! Each case has a plugin of its own, so that none sees what another has stored. Nothing listens, and nothing is
//! sent: what the plugin asks of clusters is answered by the case.

mod cases;
mod compare;
mod pick;
mod run;
mod upstream;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use sluice::config::{self, model};
use sluice::plugin::role::Plugin;
use sluice::plugin::wasm::{Component, MAX_BYTES, Options, PluginHost};
use sluice::telemetry::metrics::Metrics;

use super::fail;
use cases::{Case, Cases};
use run::{Observed, Prepared};
use upstream::Answers;

/// Run the cases, each `repeat` times.
pub fn test(file: &Path, cases: &Path, repeat: u32) -> ExitCode {
    match Tester::new(file, cases) {
        Ok(tester) => tester.run_all(repeat.max(1)),
        Err(why) => fail(why),
    }
}

struct Tester {
    host: Arc<PluginHost>,
    metrics: Arc<Metrics>,
    component: Arc<Component>,
    file: PathBuf,
    cases: PathBuf,
    written: Cases,
}

impl Tester {
    fn new(file: &Path, cases: &Path) -> Result<Self, String> {
        let written = Cases::read(cases)?;
        let at = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
        let mut bytes = Vec::new();
        let read = std::fs::File::open(file).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
        read.map_err(|error| at(&format_args!("can't be read: {error}")))?;
        let metrics = Metrics::new();
        let options = Options { cache: cache_directory(), threads: 1, metrics: metrics.clone(), shares_state: false };
        let host = PluginHost::new(options).map_err(|error| error.to_string())?;
        let component = host.load(&bytes).map_err(|error| at(&error))?;
        let file = std::path::absolute(file).map_err(|error| at(&error))?;
        Ok(Self { host, metrics, component, file, cases: cases.to_owned(), written })
    }

    fn run_all(&self, repeat: u32) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return fail(format_args!("no runtime: {error}")),
        };
        let mut failed = 0;
        for (index, case) in self.written.cases.iter().enumerate() {
            let ran = tokio::task::LocalSet::new().block_on(&runtime, self.run(index, case, repeat));
            let found = match &ran {
                Ok(ran) => ran.differences.clone(),
                Err(why) => vec![why.clone()],
            };
            let mark = if found.is_empty() { "ok  " } else { "FAIL" };
            println!("{mark} {}{}", case.name, ran.as_ref().map(Ran::summary).unwrap_or_default());
            for line in &found {
                println!("     {line}");
            }
            failed += usize::from(!found.is_empty());
        }
        let peak = self.metrics.plugin_readings().into_iter().map(|(_, reading)| reading.peak_memory).max();
        let peak = peak.unwrap_or_default().div_ceil(1024);
        println!("{} cases, {failed} failed; an instance took up to {peak} KiB", self.written.cases.len());
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// # Errors
    /// The case can't be run: its plugin doesn't take the configuration, or it asks for what can't be.
    async fn run(&self, index: usize, case: &Case, repeat: u32) -> Result<Ran, String> {
        let prepared = Prepared::new(case)?;
        let (plugin, identity) = self.configured(index, case)?;
        let factory =
            self.host.configure(self.component.clone(), &plugin, &identity).map_err(|error| error.to_string())?;
        let answers = Arc::new(Answers::new(&case.upstream));
        let plugin: Rc<dyn Plugin> = factory.on_thread(answers.clone());
        for _ in 1..case.times {
            run::run(&plugin, case, &prepared).await;
        }
        let before = answers.asked().len();
        let observed = run::run(&plugin, case, &prepared).await;
        let sent = answers.asked().split_off(before);
        let mut differences = compare::differences(&case.expect, &observed, &sent);
        let mut runs = 1;
        while case.repeat && runs < repeat && differences.is_empty() {
            runs += 1;
            let again = run::run(&plugin, case, &prepared).await;
            let other = compare::differences(&cases::Expect { sent: None, ..case.expect.clone() }, &again, &[]);
            differences.extend(other.into_iter().map(|line| format!("run {runs}: {line}")));
        }
        Ok(Ran { observed, differences, runs })
    }

    /// The plugin as a configuration with the case's keys would have it.
    fn configured(&self, index: usize, case: &Case) -> Result<(model::Plugin, model::IdentityFields), String> {
        let mut table = self.written.plugin.clone();
        if let Some(config) = &case.config {
            table.insert("config".into(), toml::Value::Table(config.clone()));
        }
        let clusters = granted_clusters(&table);
        let (Some(directory), Some(component)) = (self.file.parent(), self.file.file_name()) else {
            return Err("the component isn't a file".into());
        };
        let name = run::name(index);
        table.insert("name".into(), name.to_string().into());
        table.insert("component".into(), component.to_string_lossy().into_owned().into());
        let listener = toml::toml! { name = "test"
        address = "127.0.0.1:0" };
        let cluster = |name: &String| {
            let endpoint = toml::Value::Array(vec!["127.0.0.1:9".into()]);
            toml::Value::Table(
                [("name".to_owned(), name.clone().into()), ("endpoints".to_owned(), endpoint)].into_iter().collect(),
            )
        };
        let directory = toml::Value::String(directory.to_string_lossy().into_owned());
        let document = toml::Table::from_iter([
            ("plugins".to_owned(), toml::Value::Table(toml::Table::from_iter([("directory".to_owned(), directory)]))),
            ("listener".to_owned(), vec![listener].into()),
            ("plugin".to_owned(), vec![table].into()),
            ("cluster".to_owned(), clusters.iter().map(cluster).collect::<Vec<_>>().into()),
        ]);
        // Files that the configuration names are looked for beside the cases.
        let config = config::parse(&document.to_string(), &self.cases).map_err(|problems| {
            let lines = problems.into_iter().map(|problem| {
                let remedy = if problem.remedy.is_empty() { String::new() } else { format!("; {}", problem.remedy) };
                format!("{}: {}{remedy}", problem.key, problem.message)
            });
            lines.collect::<Vec<_>>().join("\n     ")
        })?;
        let plugin = config.plugin.into_iter().find(|plugin| plugin.name == name);
        Ok((plugin.ok_or("the plugin isn't configured")?, config.identity))
    }
}

/// The clusters that the grant `http-client` names: for the test they are all there.
pub fn granted_clusters(plugin: &toml::Table) -> Vec<String> {
    let tables = match plugin.get("grants") {
        Some(toml::Value::Array(grants)) => grants.iter().filter_map(toml::Value::as_table).collect(),
        Some(toml::Value::Table(grants)) => vec![grants],
        _ => Vec::new(),
    };
    let lists = tables.into_iter().filter_map(|table| table.get("http-client")?.as_array());
    let mut names: Vec<String> = lists.flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    names.sort();
    names.dedup();
    names
}

/// Where compiled components are kept from one run to the next: compiling those of Python takes seconds.
fn cache_directory() -> PathBuf {
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    home.filter(|home| home.is_absolute()).unwrap_or_else(std::env::temp_dir).join("sluice-plugin-test")
}

/// A case that was run.
struct Ran {
    observed: Observed,
    differences: Vec<String>,
    runs: u32,
}

impl Ran {
    fn summary(&self) -> String {
        let steps: Vec<String> =
            self.observed.steps.iter().map(|(hook, decision)| format!("{hook}: {decision}")).collect();
        let micros = self.observed.took.as_micros();
        let runs = if self.runs > 1 { format!(", {} times", self.runs) } else { String::new() };
        format!("  ({}; {micros} µs{runs})", steps.join(", "))
    }
}
