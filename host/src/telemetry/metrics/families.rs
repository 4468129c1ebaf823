//! What there is to tell in `/metrics`: the numbers, by name and labels.

mod upstreams;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::registry::Unit;

use super::exemplar::Exemplars;
use super::own::Value;
use super::series::Distribution;
use super::{ComponentSample, EndpointSample, Metrics, Owner};

/// Numbers of one kind under one name.
#[derive(Debug)]
pub(super) struct Family {
    pub name: Cow<'static, str>,
    pub help: &'static str,
    pub unit: Option<Unit>,
    pub samples: Samples,
}

pub(super) type Labels = Vec<(Cow<'static, str>, String)>;

#[derive(Debug)]
pub(super) enum Samples {
    Counter(Vec<(Labels, Number)>),
    Gauge(Vec<(Labels, Number)>),
    Histogram(Vec<(Labels, Distribution)>),
}

/// Counts are written without a fraction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Count(u64),
    Real(f64),
}

/// All numbers, as they are at one moment.
#[derive(Debug)]
pub(super) struct Families {
    pub all: Vec<Family>,
    /// Of [`REQUEST_DURATION`], in the order of its samples.
    pub exemplars: Vec<Exemplars>,
}

/// What the histogram of requests is called, without its unit.
pub(super) const REQUEST_DURATION: &str = "http_server_request_duration";

impl Families {
    pub fn read(metrics: &Metrics, endpoints: &[EndpointSample], components: &[ComponentSample]) -> Self {
        let mut families = Self { all: Vec::new(), exemplars: Vec::new() };
        families.routes(metrics);
        families.listeners(metrics);
        families.plugins(metrics);
        families.clusters(metrics);
        families.dns(metrics);
        families.endpoints(endpoints);
        families.components(components);
        families.state(metrics);
        families.process(metrics);
        families.own(metrics);
        families
    }

    pub(super) fn add(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        unit: Option<Unit>,
        samples: Samples,
    ) {
        self.all.push(Family { name: name.into(), help, unit, samples });
    }

    fn routes(&mut self, metrics: &Metrics) {
        let mut durations = Vec::new();
        for (route, handle) in metrics.routes.sorted() {
            for (kind, histogram) in handle.by_kind.iter() {
                let status = if kind.status == 0 { "_OTHER".to_owned() } else { kind.status.to_string() };
                let labels = vec![
                    ("http_route".into(), route.to_string()),
                    ("http_request_method".into(), kind.method.name().to_owned()),
                    ("url_scheme".into(), kind.scheme.to_owned()),
                    ("http_response_status_code".into(), status),
                ];
                durations.push((labels, histogram.read()));
                self.exemplars.push(histogram.exemplars.read());
            }
        }
        self.add(
            REQUEST_DURATION,
            "Time from the head of a request to the head of its answer, by route",
            Some(Unit::Seconds),
            Samples::Histogram(durations),
        );
    }

    fn listeners(&mut self, metrics: &Metrics) {
        let (mut accepted, mut open, mut refused, mut failed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut cut, mut stalled) = (Vec::new(), Vec::new());
        for (listener, handle) in metrics.listeners.sorted() {
            for (reason, counter) in handle.refused.iter() {
                let labels = vec![("listener".into(), listener.to_string()), ("reason".into(), reason.to_owned())];
                refused.push((labels, Number::Count(counter.value())));
            }
            for (reason, counter) in handle.cut.iter() {
                let labels = vec![("listener".into(), listener.to_string()), ("reason".into(), reason.to_owned())];
                cut.push((labels, Number::Count(counter.value())));
            }
            for (reason, counter) in handle.accept_failures.iter() {
                let labels = vec![("listener".into(), listener.to_string()), ("reason".into(), reason.to_owned())];
                failed.push((labels, Number::Count(counter.value())));
            }
            let labels = vec![("listener".into(), listener.to_string())];
            stalled.push((labels.clone(), Number::Count(handle.stalled.value())));
            accepted.push((labels.clone(), Number::Count(handle.accepted.value())));
            open.push((labels, Number::Count(whole(&handle.open))));
        }
        self.add("sluice_connections", "Connections accepted", None, Samples::Counter(accepted));
        let help = "Connections closed before they could be served";
        self.add("sluice_connections_refused", help, None, Samples::Counter(refused));
        let help = "Connections ended for what their clients did";
        self.add("sluice_connections_cut", help, None, Samples::Counter(cut));
        let help = "Streams of HTTP/2 reset since their clients took nothing of the answer";
        self.add("sluice_streams_stalled", help, None, Samples::Counter(stalled));
        let help = "Times that a listener couldn't accept a connection";
        self.add("sluice_accept_failures", help, None, Samples::Counter(failed));
        self.add("sluice_connections_open", "Connections open now", None, Samples::Gauge(open));
        let certificates = metrics.certificates.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let expiries = certificates.into_iter().map(|expiry| {
            let (label, owner) = match expiry.owner {
                Owner::Listener(name) => ("listener", name),
                // No listener can have that label.
                Owner::Admin => ("owner", "admin".into()),
                Owner::Cluster(name) => ("cluster", name),
            };
            (vec![(label.into(), owner.to_string()), ("name".into(), expiry.name)], Number::Real(expiry.at as f64))
        });
        let help = "When certificates that listeners, and the gateway to clusters, show cease to be good, in seconds since 1970";
        self.add("sluice_certificate_expiry", help, Some(Unit::Seconds), Samples::Gauge(expiries.collect()));
    }

    fn plugins(&mut self, metrics: &Metrics) {
        let (mut calls, mut busy, mut waited) = (Vec::new(), Vec::new(), Vec::new());
        let (mut instances, mut memory) = (Vec::new(), Vec::new());
        for (plugin, handle) in metrics.plugins.sorted() {
            for ((hook, outcome), counter) in handle.calls.iter() {
                let labels = vec![
                    ("plugin".into(), plugin.to_string()),
                    ("hook".into(), hook.to_owned()),
                    ("outcome".into(), outcome.to_owned()),
                ];
                calls.push((labels, Number::Count(counter.value())));
            }
            let labels: Labels = vec![("plugin".into(), plugin.to_string())];
            let seconds = |time: &AtomicU64| Number::Real(time.load(Ordering::Relaxed) as f64 / 1e9);
            busy.push((labels.clone(), seconds(&handle.busy)));
            waited.push((labels.clone(), seconds(&handle.waited)));
            instances.push((labels.clone(), Number::Count(whole(&handle.instances))));
            memory.push((labels, Number::Count(handle.peak_memory.load(Ordering::Relaxed))));
        }
        self.add("sluice_plugin_calls", "Hook calls of plugins that ended", None, Samples::Counter(calls));
        self.add(
            "sluice_plugin_busy",
            "Time in which plugins computed, waiting left out",
            Some(Unit::Seconds),
            Samples::Counter(busy),
        );
        let help = "Time in which calls of plugins waited: for answers to requests of their own, or for their turn";
        self.add("sluice_plugin_waited", help, Some(Unit::Seconds), Samples::Counter(waited));
        self.add("sluice_plugin_instances", "Instances that there are", None, Samples::Gauge(instances));
        let help = "The most memory that an instance has had";
        self.add("sluice_plugin_peak_memory", help, Some(Unit::Bytes), Samples::Gauge(memory));
    }

    /// Numbers that plugins keep. Names of plugins that differ only in their punctuation meet here: their series
    /// have the label `plugin`, and of those of different kinds the first plugin's are shown.
    fn own(&mut self, metrics: &Metrics) {
        let mut families: BTreeMap<String, Samples> = BTreeMap::new();
        for (plugin, handle) in metrics.plugins.sorted() {
            let prefix = plugin.replace(|character: char| !character.is_ascii_alphanumeric(), "_");
            for (name, series) in handle.own.read() {
                let name = format!("plugin_{prefix}_{name}");
                for (labels, value) in series {
                    let own = labels.into_iter().map(|(name, value)| (name.into(), value));
                    let labels = [("plugin".into(), plugin.to_string())].into_iter().chain(own).collect();
                    add_own(&mut families, &name, labels, value);
                }
            }
        }
        for (name, samples) in families {
            self.add(name, "Kept by a plugin", None, samples);
        }
    }

    /// Which version of a plugin the others' numbers are of: to be joined by its name.
    fn components(&mut self, components: &[ComponentSample]) {
        let sample = |component: &ComponentSample| {
            let labels: Labels = vec![
                ("plugin".into(), component.plugin.to_string()),
                ("digest".into(), component.digest.clone()),
                ("state".into(), component.state.to_owned()),
            ];
            (labels, Number::Count(1))
        };
        let samples = components.iter().map(sample).collect();
        self.add("sluice_plugin_info", "The component that serves as a plugin", None, Samples::Gauge(samples));
    }

    /// Nothing, where no store is shared.
    fn state(&mut self, metrics: &Metrics) {
        let Some(link) = metrics.state.link() else { return };
        let (mut operations, mut durations) = (Vec::new(), Vec::new());
        for ((operation, outcome), histogram) in metrics.state.operations.iter() {
            let labels: Labels =
                vec![("operation".into(), operation.to_owned()), ("outcome".into(), outcome.to_owned())];
            let read = histogram.read();
            operations.push((labels.clone(), Number::Count(read.count)));
            durations.push((labels, read));
        }
        let help = "Operations on the shared store that ended";
        self.add("sluice_state_operations", help, None, Samples::Counter(operations));
        let help = "Time of one operation on the shared store";
        self.add("sluice_state_operation_duration", help, Some(Unit::Seconds), Samples::Histogram(durations));
        let without = metrics.state.without.iter();
        let without =
            without.map(|(done, counter)| (vec![("on_error".into(), done.to_owned())], Number::Count(counter.value())));
        let help = "Calls of kv and limiter that were served without the shared store";
        self.add("sluice_state_without_store", help, None, Samples::Counter(without.collect()));
        let up = Number::Count(u64::from(link.away.is_none()));
        let samples = Samples::Gauge(vec![(vec![("store".into(), link.address.to_string())], up)]);
        self.add("sluice_state_up", "Whether the shared store answers", None, samples);
    }

    fn process(&mut self, metrics: &Metrics) {
        self.overload(&metrics.guard.reading());
        let reloads = [
            ("published", &metrics.reloads.published),
            ("refused", &metrics.reloads.refused),
            ("unchanged", &metrics.reloads.unchanged),
        ]
        .map(|(outcome, count)| {
            (vec![("outcome".into(), outcome.to_owned())], Number::Count(count.load(Ordering::Relaxed)))
        });
        let gauge = |value: u64| Samples::Gauge(vec![(Labels::new(), Number::Count(value))]);
        self.add("sluice_reloads", "Reloads that ended", None, Samples::Counter(reloads.into()));
        let published = metrics.published_at.load(Ordering::Relaxed);
        self.add(
            "sluice_snapshot_published_timestamp",
            "When the serving snapshot was published, in seconds since the Unix epoch",
            Some(Unit::Seconds),
            gauge(published),
        );
        let refused = metrics.refused_files.load(Ordering::Relaxed);
        self.add("sluice_files_refused", "Files that are refused now", None, gauge(refused));
        let dropped = Number::Count(metrics.access_log_dropped.load(Ordering::Relaxed));
        self.add(
            "sluice_access_log_dropped_lines",
            "Lines of the access log that were lost, since writing them was too slow or failed",
            None,
            Samples::Counter(vec![(Labels::new(), dropped)]),
        );
        let traced = [
            ("exported", &metrics.traces.exported),
            ("failed", &metrics.traces.failed),
            ("dropped", &metrics.traces.dropped),
        ];
        let traced = traced.map(|(result, count)| {
            (vec![("result".into(), result.to_owned())], Number::Count(count.load(Ordering::Relaxed)))
        });
        let help = "Requests whose spans the collector took, refused, or had no time for";
        self.add("sluice_traces", help, None, Samples::Counter(traced.into()));
        let refused = metrics.admin_refused.iter();
        let refused = refused
            .map(|(reason, counter)| (vec![("reason".into(), reason.to_owned())], Number::Count(counter.value())));
        let help = "Requests that the admin API refused for who asked, or how";
        self.add("sluice_admin_requests_refused", help, None, Samples::Counter(refused.collect()));
        let live = whole(&metrics.snapshots);
        self.add("sluice_snapshots_live", "Snapshots that something still uses", None, gauge(live));
        let version = vec![("version".into(), env!("CARGO_PKG_VERSION").to_owned())];
        self.add("sluice_build_info", "The version that runs", None, Samples::Gauge(vec![(version, Number::Count(1))]));
    }
}

fn add_own(families: &mut BTreeMap<String, Samples>, name: &str, labels: Labels, value: Value) {
    let fresh = || match value {
        Value::Counter(_) => Samples::Counter(Vec::new()),
        Value::Gauge(_) => Samples::Gauge(Vec::new()),
        Value::Histogram(..) => Samples::Histogram(Vec::new()),
    };
    match (families.entry(name.to_owned()).or_insert_with(fresh), value) {
        (Samples::Counter(samples), Value::Counter(count)) => samples.push((labels, Number::Count(count))),
        (Samples::Gauge(samples), Value::Gauge(value)) => samples.push((labels, Number::Real(value))),
        (Samples::Histogram(samples), Value::Histogram(sum, counts)) => {
            let buckets = Value::buckets(&*counts);
            samples.push((labels, Distribution { sum_seconds: sum, count: counts.iter().sum(), buckets }));
        }
        _ => {}
    }
}

fn whole(gauge: &AtomicI64) -> u64 {
    u64::try_from(gauge.load(Ordering::Relaxed)).unwrap_or_default()
}
