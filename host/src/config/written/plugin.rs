//! `[[plugin]]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Head, keys};
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::files::Surroundings;
use crate::config::model::{Capability, Isolation, Limits, OnError, Secret};
use crate::config::problem::{At, Fault, quote};
use crate::config::{secrets, suggest, values};

pub(in crate::config) struct Plugin {
    pub head: Head,
    pub component: Option<At<PathBuf>>,
    /// As JSON. `None` if it is wrong.
    pub config: Option<Secret>,
    pub has_config: bool,
    pub grants: Grants,
    pub limits: Limits,
    pub isolation: Isolation,
    pub on_error: OnError,
}

/// Grants with the names of clusters not yet looked up.
#[derive(Default)]
pub(in crate::config) struct Grants {
    pub clock: bool,
    pub random: bool,
    pub kv: bool,
    pub limiter: bool,
    pub metrics: bool,
    pub crypto: bool,
    pub http_client: Option<Vec<At<Arc<str>>>>,
}

const GRANTS_EXAMPLE: &str = "grants = [\"clock\", { http-client = [\"CLUSTER\"] }]";
const HTTP_CLIENT_EXAMPLE: &str = "{ http-client = [\"CLUSTER\"] }";

impl Plugin {
    pub(super) fn read(entry: &Entry<'_>, surroundings: &Surroundings<'_>) -> Self {
        let entry = entry.clone().allow(&keys::PLUGIN);
        let isolation =
            entry.read("isolation", values::word(&[("pooled", Isolation::Pooled), ("request", Isolation::Request)]));
        let on_error = entry.read("on_error", values::word(&[("closed", OnError::Closed), ("open", OnError::Open)]));
        let config = match entry.node("config") {
            // No place within it is named: keys may be as secret as values.
            Some(node) => {
                secrets::json(node, surroundings, &mut |node, fault| entry.report(&node.place(), "config", fault))
            }
            None => Some("{}".to_owned()),
        };
        Self {
            component: entry.require("component", "\"FILE.wasm\", a file in the plugin directory", values::inner_path),
            config: config.map(Secret::new),
            has_config: entry.has("config"),
            grants: read_grants(&entry),
            limits: read_limits(&entry),
            isolation: isolation.map(|isolation| isolation.value).unwrap_or_default(),
            on_error: on_error.map(|on_error| on_error.value).unwrap_or_default(),
            head: Head::read(&entry, "\"NAME\""),
        }
    }
}

/// `["clock", { http-client = ["users"] }]`, or one table: `{ clock = true, http-client = ["users"] }`.
fn read_grants(entry: &Entry<'_>) -> Grants {
    let mut grants = Grants::default();
    let Some(node) = entry.node("grants") else { return grants };
    let Some(items) = node.items() else {
        if let Some(table) = entry.inner(node, "grants", GRANTS_EXAMPLE) {
            grants.add_table(&table, entry);
        }
        return grants;
    };
    for item in items {
        if let Some(name) = item.text() {
            if name == "http-client" {
                let fault = Fault::new(
                    "\"http-client\" needs the clusters it may reach",
                    format!("write {HTTP_CLIENT_EXAMPLE}"),
                );
                entry.report(&item.place(), "grants", fault);
            } else {
                grants.add(name, item, entry);
            }
        } else if let Some(table) = entry.inner(item, "grants", GRANTS_EXAMPLE) {
            grants.add_table(&table, entry);
        }
    }
    grants
}

impl Grants {
    fn add_table(&mut self, table: &Entry<'_>, entry: &Entry<'_>) {
        for (name, _, node) in table.iter() {
            if name == "http-client" {
                self.add_clusters(table, entry);
                continue;
            }
            match values::boolean(node) {
                Ok(true) => self.add(name, node, entry),
                // Not granted, but the name has to be right.
                Ok(false) => Self::default().add(name, node, entry),
                Err(_) if Capability::named(name).is_none() => self.add(name, node, entry),
                Err(fault) => entry.report(&node.place(), &format!("grants.{name}"), fault),
            }
        }
    }

    fn add(&mut self, name: &str, node: Node<'_>, entry: &Entry<'_>) {
        match Capability::named(name) {
            Some(Capability::Clock) => self.clock = true,
            Some(Capability::Random) => self.random = true,
            Some(Capability::Kv) => self.kv = true,
            Some(Capability::Limiter) => self.limiter = true,
            Some(Capability::Metrics) => self.metrics = true,
            Some(Capability::Crypto) => self.crypto = true,
            // Callers take that one by itself, since it says what it is granted for.
            Some(Capability::HttpClient) | None => entry.report(&node.place(), "grants", unknown_grant(name)),
        }
    }

    fn add_clusters(&mut self, table: &Entry<'_>, entry: &Entry<'_>) {
        let Some(clusters) = table.list("http-client", HTTP_CLIENT_EXAMPLE, values::name) else { return };
        if table.items("http-client", HTTP_CLIENT_EXAMPLE).is_none_or(|items| items.value.is_empty()) {
            let fault =
                Fault::new("\"http-client\" names no cluster", "name one that it may reach, or remove the grant");
            entry.report(&clusters.place, "grants", fault);
        }
        self.http_client.get_or_insert_default().extend(clusters.value);
    }
}

fn unknown_grant(name: &str) -> Fault {
    if name == "log" {
        return Fault::new("\"log\" needs no grant", "remove it");
    }
    Fault::new(
        format!("unknown grant {}", quote(name)),
        suggest::remedy(name, "grants", &Capability::ALL.map(Capability::name)),
    )
}

fn read_limits(entry: &Entry<'_>) -> Limits {
    const TICK: Duration = Duration::from_millis(1);
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);
    let defaults = Limits::default();
    let Some(table) = entry.table("limits", "limits = { memory = \"16MiB\", time = \"10ms\" }") else {
        return defaults;
    };
    let table = table.allow(&keys::LIMITS);
    let size = |key: &str, least: u64, most: u64, default: usize| {
        table.read(key, values::size(least, most)).map_or(default, |size| size.value)
    };
    let duration = |key: &str, most: Duration, default: Duration| {
        table.read(key, values::duration(TICK, most)).map_or(default, |duration| duration.value)
    };
    let instances = table.read("instances", values::count(1, 4096)).map(|instances| instances.value);
    let limits = Limits {
        // From a page of WebAssembly to the largest memory of the engine.
        memory: size("memory", 64 << 10, 1 << 30, defaults.memory),
        time: duration("time", MINUTE, defaults.time),
        deadline: duration("deadline", HOUR, defaults.deadline),
        configure: duration("configure", MINUTE, defaults.configure),
        instances: instances.and_then(|instances| usize::try_from(instances).ok()).unwrap_or(defaults.instances),
        body: size("body", 0, 1 << 30, defaults.body),
        response: size("response", 0, 1 << 30, defaults.response),
        calls: table.read("calls", values::count(0, 10_000)).map_or(defaults.calls, |calls| calls.value),
        log: size("log", 0, 1 << 20, defaults.log),
        kv: size("kv", 0, 4 << 30, defaults.kv),
        series: table.read("series", values::count(0, 100_000)).map_or(defaults.series, |series| series.value as usize),
        // Up to what the engine has room for: 16 tables of 100,000.
        tables: table
            .read("tables", values::count(1, 1_600_000))
            .map_or(defaults.tables, |tables| tables.value as usize),
    };
    if limits.time > limits.deadline
        && let Some(node) = table.node("deadline").or(table.node("time"))
    {
        let message = "the deadline, which counts waiting too, is shorter than the computing time";
        table.report(&node.place(), "deadline", Fault::new(message, "make limits.deadline at least limits.time"));
    }
    limits
}
