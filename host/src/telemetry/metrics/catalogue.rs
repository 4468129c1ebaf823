//! Which metrics there are, for documents: names, labels and meanings, never values.

use std::collections::BTreeSet;

use prometheus_client::registry::Unit;

use super::families::{Families, Labels, Samples};
use super::{ComponentSample, EndpointSample, Metrics};

/// One metric, as scrapers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// With its unit, and `_total` if it counts.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Names of the labels of those series that there are now.
    pub labels: BTreeSet<String>,
    pub help: &'static str,
}

impl Metrics {
    /// All metrics, also those of which there is no series yet.
    pub fn catalogue(&self, endpoints: &[EndpointSample], components: &[ComponentSample]) -> Vec<Described> {
        let families = Families::read(self, endpoints, components).all;
        let described = families.into_iter().map(|family| {
            let unit = match family.unit {
                Some(Unit::Seconds) => "_seconds",
                Some(Unit::Bytes) => "_bytes",
                _ => "",
            };
            let (kind, labels) = match &family.samples {
                Samples::Counter(samples) => ("counter", names(samples)),
                Samples::Gauge(samples) => ("gauge", names(samples)),
                Samples::Histogram(samples) => ("histogram", names(samples)),
            };
            let total = if kind == "counter" { "_total" } else { "" };
            Described { name: format!("{}{unit}{total}", family.name), kind, labels, help: family.help }
        });
        described.collect()
    }
}

fn names<T>(samples: &[(Labels, T)]) -> BTreeSet<String> {
    samples.iter().flat_map(|(labels, _)| labels).map(|(name, _)| name.to_string()).collect()
}
