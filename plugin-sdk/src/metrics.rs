//! Numbers of the plugin's own, in the gateway's `/metrics` beside the gateway's. The metric `logins` of a
//! plugin configured as `keys` appears there as `plugin_keys_logins_total{plugin="keys"}`. Grant: `metrics`.
//!
//! Each combination of label values is a series of its own, and `limits.series` bounds their number: never use what a
//! client sends as it is.
//!
//! ```
//! # use sluice_plugin::{metrics, test::MockHost};
//! # let host = MockHost::new();
//! # host.run(|| {
//! metrics::add("logins", &[("kind", "password")], 1)?;
//! # Ok::<(), sluice_plugin::metrics::MetricError>(())
//! # }).unwrap();
//! # assert_eq!(host.metric("logins", &[("kind", "password")]), Some(1.0));
//! ```

use std::fmt;

use crate::sys;

/// Add to a counter, which only ever grows.
///
/// # Errors
/// A rule for names and labels is broken, or there are too many series.
pub fn add(name: &str, labels: &[(&str, &str)], by: u64) -> Result<(), MetricError> {
    sys::metrics_add(name, labels, by).map_err(MetricError)
}

/// Set a gauge.
///
/// # Errors
/// As [`add`]; or the value isn't finite.
pub fn set(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError> {
    sys::metrics_set(name, labels, value).map_err(MetricError)
}

/// Record one value in a histogram.
///
/// # Errors
/// As [`add`]; or the value isn't finite.
pub fn observe(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError> {
    sys::metrics_observe(name, labels, value).map_err(MetricError)
}

/// Why nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricError(pub String);

impl fmt::Display for MetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the metric isn't recorded: {}", self.0)
    }
}

impl std::error::Error for MetricError {}
