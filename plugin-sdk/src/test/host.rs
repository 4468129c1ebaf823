//! The capabilities, programmed by a test.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::limiter::Limiter;
use super::plugin::TestPlugin;
use super::store::Store;
use super::{edit, sys};
use crate::http::{ClientError, IncomingResponse, OutgoingRequest};
use crate::log::Level;
use crate::{Plugin, Result, config};

type Handler = Rc<RefCell<dyn FnMut(&OutgoingRequest) -> Result<IncomingResponse, ClientError>>>;

/// A metric's name, and its labels in order.
type Series = (String, Vec<(String, String)>);

/// What stands behind the capabilities of the plugins that it configures. Time stands still unless a test moves it.
#[derive(Clone, Default)]
pub struct MockHost(pub(crate) Rc<RefCell<Capabilities>>);

/// The state behind a host.
#[derive(Default)]
pub(crate) struct Capabilities {
    /// Nanoseconds since the Unix epoch, and since the fixed moment too.
    pub(super) now: u64,
    pub(super) lines: Vec<(Level, String)>,
    pub(super) store: Store,
    pub(super) limiter: Limiter,
    /// The state of the random numbers, which are the same in every run.
    pub(super) random: u64,
    clusters: HashMap<String, Handler>,
    sent: Vec<OutgoingRequest>,
    metrics: HashMap<Series, f64>,
}

impl MockHost {
    /// A host at the Unix epoch, without clusters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Configure a plugin from JSON, as the gateway does from TOML.
    ///
    /// # Errors
    /// What the operator would see.
    pub fn configure<P: Plugin>(&self, config: serde_json::Value) -> Result<TestPlugin<P>> {
        let plugin = self.run(|| config::decode(&config.to_string()).and_then(P::configure))?;
        Ok(TestPlugin::new(plugin, self.clone()))
    }

    /// Call something that uses capabilities.
    pub fn run<R>(&self, call: impl FnOnce() -> R) -> R {
        sys::with_host(self, call)
    }

    /// Set both clocks: since the Unix epoch, and since the fixed moment.
    pub fn set_time(&self, since_epoch: Duration) {
        self.0.borrow_mut().now = nanos(since_epoch);
    }

    /// Let time pass.
    pub fn advance(&self, by: Duration) {
        let mut capabilities = self.0.borrow_mut();
        capabilities.now = capabilities.now.saturating_add(nanos(by));
    }

    /// Say what a cluster answers. A cluster without an answer isn't granted.
    pub fn on_cluster(
        &self,
        cluster: &str,
        answer: impl FnMut(&OutgoingRequest) -> Result<IncomingResponse, ClientError> + 'static,
    ) {
        self.0.borrow_mut().clusters.insert(cluster.into(), Rc::new(RefCell::new(answer)));
    }

    /// The requests that were sent to clusters so far.
    pub fn sent(&self) -> Vec<OutgoingRequest> {
        self.0.borrow().sent.clone()
    }

    /// The lines that were logged so far.
    pub fn log(&self) -> Vec<(Level, String)> {
        self.0.borrow().lines.clone()
    }

    /// What a plugin recorded under that name and those labels: a counter's or gauge's value, a histogram's sum.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.0.borrow().metrics.get(&series(name, labels)).copied()
    }

    pub(super) fn measure(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        change: impl FnOnce(f64) -> f64,
    ) -> Result<(), String> {
        for name in std::iter::once(name).chain(labels.iter().map(|(name, _)| *name)) {
            let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(legal) {
                return Err("a name has lower-case letters, digits and `_`, and begins with a letter".into());
            }
        }
        let mut capabilities = self.0.borrow_mut();
        let value = capabilities.metrics.entry(series(name, labels)).or_default();
        *value = change(*value);
        Ok(())
    }

    pub(super) fn send(&self, request: &OutgoingRequest) -> Result<IncomingResponse, ClientError> {
        let handler = self.0.borrow().clusters.get(&request.cluster).cloned().ok_or(ClientError::NotGranted)?;
        let invalid = |error: crate::EditError| ClientError::Invalid(error.to_string());
        edit::check_method(&request.method).map_err(invalid)?;
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        edit::normalize(path).map_err(invalid)?;
        edit::check_query(query).map_err(invalid)?;
        edit::check_fields(&request.headers).map_err(invalid)?;
        self.0.borrow_mut().sent.push(request.clone());
        (handler.borrow_mut())(request)
    }
}

fn series(name: &str, labels: &[(&str, &str)]) -> Series {
    let mut labels: Vec<_> = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    labels.sort_unstable();
    (name.to_owned(), labels)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
