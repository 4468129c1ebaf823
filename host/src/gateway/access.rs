//! Where the access log is written: opened before a configuration is published, so that a file that can't
//! be written refuses the change; kept over reloads that don't concern it.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::Problem;
use crate::config::model::Config;
use crate::reload::Prepare;
use crate::snapshot::problem;
use crate::telemetry::access::Writer;

/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The output of one gateway.
pub struct AccessOutput {
    dropped: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Opened for a configuration that may be published.
    fresh: Option<Arc<Writer>>,
    serving: Option<Arc<Writer>>,
}

impl AccessOutput {
    /// `dropped` counts lines that are lost.
    pub fn new(dropped: Arc<AtomicU64>) -> Self {
        Self { dropped, state: Mutex::default() }
    }

    /// The output for a configuration that is about to be published.
    pub fn take(&self, config: &Config) -> Option<Arc<Writer>> {
        let mut state = self.lock();
        let fresh = state.fresh.take();
        let wanted = config.access_log.as_ref().map(|log| &log.output);
        let fits = |writer: &Arc<Writer>| Some(writer.output()) == wanted;
        state.serving = state.serving.take().filter(fits).or_else(|| fresh.filter(fits));
        state.serving.clone()
    }

    /// The output of what serves.
    pub fn serving(&self) -> Option<Arc<Writer>> {
        self.lock().serving.clone()
    }

    /// The configuration that something was opened for isn't published.
    pub fn forget_fresh(&self) {
        self.lock().fresh = None;
    }

    /// Begin a new file, since another program has moved the old one away.
    pub fn reopen(&self) {
        let serving = self.lock().serving.clone();
        if let Some(Err(error)) = serving.map(|writer| writer.reopen(LAST_LINES)) {
            tracing::error!(%error, "can't reopen the access log");
        }
    }

    /// Wait until all lines are written.
    pub fn flush(&self) {
        let serving = self.lock().serving.clone();
        if let Some(writer) = serving {
            writer.flush(LAST_LINES);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prepare for AccessOutput {
    fn prepare(&self, config: &Config) -> Result<(), Vec<Problem>> {
        let mut state = self.lock();
        let Some(log) = &config.access_log else { return Ok(()) };
        let fits = |writer: &Option<Arc<Writer>>| writer.as_ref().is_some_and(|writer| *writer.output() == log.output);
        if fits(&state.serving) || fits(&state.fresh) {
            return Ok(());
        }
        let opened = Writer::start(&log.output, self.dropped.clone()).map_err(|error| {
            let file = config.path.display().to_string();
            vec![problem(&file, "access_log.output".to_owned(), format!("can't be opened: {error}"), "")]
        })?;
        state.fresh = Some(opened);
        Ok(())
    }
}
