//! Numbers of the plugin's own in the gateway's `/metrics`, for plugins with the grant `metrics`. They are kept
//! by [`crate::telemetry::metrics`] and outlive reloads; the number of series is bounded (`limits.series`).

use crate::plugin::wasm::bindings::metrics::{self, Label};
use crate::plugin::wasm::guest::Guest;
use crate::telemetry::metrics::Record;

impl metrics::Host for Guest {
    fn add(&mut self, name: String, labels: Vec<Label>, by: u64) -> wasmtime::Result<Result<(), String>> {
        Ok(self.record(&name, labels, Record::Add(by)))
    }

    fn set(&mut self, name: String, labels: Vec<Label>, value: f64) -> wasmtime::Result<Result<(), String>> {
        Ok(self.record(&name, labels, Record::Set(value)))
    }

    fn observe(&mut self, name: String, labels: Vec<Label>, value: f64) -> wasmtime::Result<Result<(), String>> {
        Ok(self.record(&name, labels, Record::Observe(value)))
    }
}

impl Guest {
    fn record(&self, name: &str, labels: Vec<Label>, record: Record) -> Result<(), String> {
        let labels = labels.into_iter().map(|label| (label.name, label.value)).collect();
        self.lent.metrics.own(name, labels, record, self.lent.limits.series).map_err(|error| error.to_string())
    }
}
