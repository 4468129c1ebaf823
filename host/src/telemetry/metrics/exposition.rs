//! Metrics as text, in the OpenMetrics format or in Prometheus' older one.

use std::borrow::Cow;
use std::fmt::{Error, Write as _};

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

use super::families::{Families, Family, Number, REQUEST_DURATION, Samples};
use super::{ComponentSample, EndpointSample, Metrics, exemplar};

/// What a scraper understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Plain,
}

impl Format {
    /// The format for what an `Accept` field asks for (RFC 9110, section 12.5.1). OpenMetrics is for those alone who
    /// name it, in a version that this is, and don't like the other one better.
    pub fn accepted(accept: &str) -> Self {
        let (mut open, mut plain) = (0.0, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let (mut weight, mut version) = (1.0_f32, "1.0.0");
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => weight = value.trim().parse().unwrap_or_default(),
                    "version" => version = value.trim().trim_matches('"'),
                    _ => {}
                }
            }
            let best = if kind.eq_ignore_ascii_case("application/openmetrics-text") && version == "1.0.0" {
                &mut open
            } else if kind.eq_ignore_ascii_case("text/plain") {
                &mut plain
            } else {
                continue;
            };
            *best = weight.max(*best);
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Plain }
    }

    /// The `Content-Type` of the text.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

pub(super) fn encode(
    metrics: &Metrics,
    format: Format,
    endpoints: &[EndpointSample],
    components: &[ComponentSample],
) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    // A collector has to own what it encodes, so it gets a copy of the numbers.
    let mut families = Families::read(metrics, endpoints, components);
    let exemplars = std::mem::take(&mut families.exemplars);
    registry.register_collector(Box::new(families));
    let mut text = String::new();
    // Writing to a string doesn't fail.
    let _ = text::encode(&mut text, &registry);
    match format {
        Format::OpenMetrics => {
            let bucket = format!("{REQUEST_DURATION}_{}_bucket{{", Unit::Seconds.as_str());
            exemplar::append(&text, &bucket, &exemplars)
        }
        Format::Plain => plain(&text),
    }
}

impl prometheus_client::collector::Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for family in &self.all {
            family.encode(&mut encoder)?;
        }
        Ok(())
    }
}

impl Family {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let kind = match &self.samples {
            Samples::Counter(samples) if !samples.is_empty() => MetricType::Counter,
            Samples::Gauge(samples) if !samples.is_empty() => MetricType::Gauge,
            Samples::Histogram(samples) if !samples.is_empty() => MetricType::Histogram,
            _ => return Ok(()),
        };
        let mut encoder = encoder.encode_descriptor(&self.name, self.help, self.unit.as_ref(), kind)?;
        match &self.samples {
            Samples::Counter(samples) => {
                let none: Option<&Exemplar<NoLabelSet, f64>> = None;
                for (labels, number) in samples {
                    of(&mut encoder, labels, |encoder| match number {
                        Number::Count(count) => encoder.encode_counter(count, none),
                        Number::Real(number) => encoder.encode_counter(number, none),
                    })?;
                }
            }
            Samples::Gauge(samples) => {
                for (labels, number) in samples {
                    of(&mut encoder, labels, |encoder| match number {
                        Number::Count(count) => encoder.encode_gauge(count),
                        Number::Real(number) => encoder.encode_gauge(number),
                    })?;
                }
            }
            Samples::Histogram(samples) => {
                for (labels, read) in samples {
                    of(&mut encoder, labels, |encoder| {
                        encoder.encode_histogram::<NoLabelSet>(read.sum_seconds, read.count, &read.buckets, None)
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// Encode one sample with its labels, if it has any.
fn of(
    encoder: &mut MetricEncoder<'_>,
    labels: &[(Cow<'static, str>, String)],
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    if labels.is_empty() { encode(encoder) } else { encode(&mut encoder.encode_family(&LabelSet(labels))?) }
}

struct LabelSet<'a>(&'a [(Cow<'static, str>, String)]);

impl EncodeLabelSet for LabelSet<'_> {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>) -> Result<(), Error> {
        // Borrowed, since the encoder knows no `Cow` for names.
        let pairs: Vec<(&str, &str)> = self.0.iter().map(|(name, value)| (&**name, &**value)).collect();
        pairs.as_slice().encode(encoder)
    }
}

/// From OpenMetrics to Prometheus' older format: there, a counter's name ends in `_total` in its
/// description too, and units and the end mark don't exist.
fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        // The type follows the help.
        let described = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        let counter =
            described.filter(|(name, _)| lines.peek().is_some_and(|next| *next == format!("# TYPE {name} counter")));
        // Writing to a string doesn't fail.
        let _ = match counter {
            Some((name, help)) => {
                lines.next();
                writeln!(text, "# HELP {name}_total {help}\n# TYPE {name}_total counter")
            }
            None => writeln!(text, "{line}"),
        };
    }
    text
}
