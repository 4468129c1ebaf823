//! A whole gateway: the only place that knows every part. Builds it, runs it, drains it.
//!
//! # Threads
//! Data threads accept and serve, each for itself ([`worker`]). One control thread reloads, checks health
//! and answers the admin API ([`control`]). Compiling and building happen on threads that give way to all
//! others. Nothing is global: gateways in one process share only the process.

mod access;
mod client;
mod control;
mod explain;
mod outside;
mod overview;
mod policy;
mod pulse;
mod shared;
mod sockets;
mod view;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Problem;
use crate::plugin::wasm::HostError;
use crate::process::{Handed, Inherited, descriptor_limit};
use crate::reload::{self, Builder, Prepare as _};
use crate::server::{Bound, Gates};
use crate::snapshot::Snapshot;
use crate::snapshot::status::Status;
use crate::telemetry::log::LogControl;
use crate::telemetry::metrics::{Metrics, Reload};
use crate::telemetry::witness::Witness;
use access::AccessOutput;
use control::Control;
pub use explain::{ExplainError, Explanation, Question, explain_request};
use outside::Outside;
pub use pulse::Pulse;
use shared::Shared;
use sockets::{Key, Sockets};
use worker::{Command, Ending, Seed};

/// How long a data thread may take to end after its drain.
const LAST_GRACE: Duration = Duration::from_secs(5);
/// How long idle connections stay open after sockets were handed over: most clients that come again at all come within
/// that time, and are asked to go with the answer.
const LONGEST_IDLE: Duration = Duration::from_secs(5);

/// How long the last traces may take to be sent.
const LAST_TRACES: Duration = Duration::from_secs(2);

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file. It is watched, with all that it refers to.
    pub config: PathBuf,
    /// By which the admin API changes what is logged.
    pub log: Option<LogControl>,
    /// Who is told of each request, with what its plugins did.
    pub witness: Option<Witness>,
    /// Sockets that somebody opened before, to be used instead of new ones.
    pub inherited: Inherited,
}

impl Options {
    pub fn new(config: impl Into<PathBuf>) -> Self {
        Self { config: config.into(), log: None, witness: None, inherited: Inherited::default() }
    }

    #[must_use]
    pub fn with_log(self, log: LogControl) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Listen with these sockets where they fit.
    #[must_use]
    pub fn with_inherited(self, inherited: Inherited) -> Self {
        Self { inherited, ..self }
    }

    /// Tell `witness` of each request. Costs more than a plugin does; for those who write one.
    #[must_use]
    pub fn with_witness(self, witness: Witness) -> Self {
        Self { witness: Some(witness), ..self }
    }
}

/// Why a gateway doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong, or an address can't be bound.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("can't start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl From<reload::StartError> for StartError {
    fn from(error: reload::StartError) -> Self {
        match error {
            reload::StartError::Problems(problems) => Self::Problems(problems),
            reload::StartError::Host(error) => Self::Host(error),
        }
    }
}

/// A gateway that runs. Dropping it stops it at once; [`Gateway::shutdown`] lets it finish what it does.
pub struct Gateway {
    shared: Arc<Shared>,
    admin: Option<SocketAddr>,
    probes: Option<SocketAddr>,
    workers: Vec<std::thread::JoinHandle<()>>,
    pulse: Pulse,
    control: Option<std::thread::JoinHandle<()>>,
    /// Dropped to end the control thread.
    stop: Option<oneshot::Sender<()>>,
}

impl Gateway {
    /// Start a gateway. When this returns, it accepts on all its addresses. Works in any runtime; what takes
    /// long happens on threads of its own.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration; an address in use; no threads. A plugin without a
    /// version that works is no error: [`Gateway::status`] tells of it.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (sender, receiver) = oneshot::channel();
        let build = move || {
            let _ = sender.send(build(&options));
        };
        // Compiling may take seconds.
        std::thread::Builder::new().name("sluice-start".into()).spawn(build).map_err(StartError::Thread)?;
        let stopped = || StartError::Thread(io::Error::other("the thread that builds the gateway failed"));
        let (gateway, ready) = receiver.await.map_err(|_| stopped())??;
        ready.await.map_err(|_| stopped())?;
        Ok(gateway)
    }

    /// Where a listener can be reached, with the port that the system chose if it is configured as 0.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.shared.address(listener)
    }

    /// Where the admin API can be reached, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Where those can ask who want to know of its health alone, if there is an address for them.
    pub fn probes_address(&self) -> Option<SocketAddr> {
        self.probes
    }

    /// What serves now.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.shared.snapshot()
    }

    /// How everything is that can be changed; wait on it for changes.
    pub fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.shared.status.clone()
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    /// Look at all files now. When this returns, all new exchanges are served by what was found.
    pub async fn reload(&self) -> Reload {
        self.shared.reload().await.unwrap_or(Reload::Unchanged)
    }

    /// Begin new log files, since another program has moved the old ones away. Waits for the disk.
    pub fn reopen_logs(&self) {
        self.shared.access.reopen();
    }

    /// Wait until every line of the access log is written that was logged so far. Waits for the disk.
    pub fn flush_logs(&self) {
        self.shared.access.flush();
    }

    /// By which to tell whether it makes progress.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Its listening sockets, those of the admin API too, for a process that shall follow.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn hand_on(&self) -> io::Result<Vec<Handed>> {
        self.shared.sockets.hand_on()
    }

    /// Sockets that it was started with and has no use for. They are closed when what is returned is dropped.
    pub fn unused(&self) -> Vec<Handed> {
        self.shared.sockets.unused()
    }

    /// Say that the end is near, and serve on: it isn't ready any more, and clients are asked to go with their
    /// answers.
    pub fn prepare_shutdown(&self) {
        self.shared.begin_drain();
        self.shared.tell(|| Command::Leave);
    }

    /// Accept no more connections, let the exchanges on their way finish for `server.drain` at most, and
    /// end all threads.
    pub async fn shutdown(self) {
        let limit = self.drain_limit();
        self.end(Ending { limit, ..Ending::default() }).await;
    }

    /// As [`Self::shutdown`], with another process on the sockets, all but those that it has no use for: what waits
    /// in their queues is its own. Idle connections are left open for a while.
    pub async fn leave_to(self, unused: &[(SocketAddr, String)]) {
        let limit = self.drain_limit();
        let unused: Vec<Key> = unused.iter().map(|(address, name)| Key::new(*address, name)).collect();
        let snapshot = self.snapshot();
        let listeners = snapshot.iter().flat_map(|snapshot| &snapshot.config().listeners);
        let handed = listeners.map(Key::of).filter(|key| !unused.contains(key)).collect();
        // Both would answer at the admin API's address, and take up the same changes.
        self.shared.hand_over();
        self.end(Ending { limit, idle: LONGEST_IDLE.min(limit / 2), handed: Arc::new(handed) }).await;
    }

    fn drain_limit(&self) -> Duration {
        self.snapshot().map_or(Duration::ZERO, |snapshot| snapshot.config().server.drain)
    }

    async fn end(mut self, ending: Ending) {
        self.shared.begin_drain();
        self.shared.sockets.let_go();
        let limit = ending.limit;
        self.shared.tell(|| Command::Drain(ending.clone()));
        let workers = std::mem::take(&mut self.workers);
        let control = self.control.take();
        let (shared, stop) = (self.shared.clone(), self.stop.take());
        let (sender, ended) = oneshot::channel();
        let wait = move || {
            workers.into_iter().for_each(|worker| drop(worker.join()));
            shared.access.flush();
            if let Some(traces) = shared.snapshot().as_ref().and_then(|snapshot| snapshot.traces()) {
                traces.flush(LAST_TRACES);
            }
            // The admin API answers until here, so that it can be seen to drain.
            shared.forget();
            drop(stop);
            drop(control.map(std::thread::JoinHandle::join));
            let _ = sender.send(());
        };
        if std::thread::Builder::new().name("sluice-stop".into()).spawn(wait).is_ok() {
            let _ = tokio::time::timeout(limit + LAST_GRACE, ended).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.begin_drain();
        self.shared.sockets.let_go();
        self.shared.tell(|| Command::Drain(Ending::default()));
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("admin", &self.admin).finish_non_exhaustive()
    }
}

/// Build everything and start the threads. Blocks for as long as that takes.
fn build(options: &Options) -> Result<(Gateway, oneshot::Receiver<()>), StartError> {
    let metrics = Metrics::new();
    let (mut sockets, mut admin, mut probes) = (None, None, None);
    let access = Arc::new(AccessOutput::new(metrics.access_log_dropped().clone()));
    let (builder, first) = Builder::start(&options.config, metrics.clone(), |config| {
        let inherited = options.inherited.clone();
        let new = sockets.insert(Arc::new(Sockets::new(config.server.threads, inherited)));
        let outside = Outside { sockets: new.clone(), access: access.clone() };
        let mut problems = outside.prepare(config).err().unwrap_or_default();
        match config.admin.as_ref().map(|admin| new.bind_admin(admin)).transpose() {
            Ok(bound) => admin = bound,
            Err(refused) => problems.push(refused),
        }
        match config.admin.as_ref().and_then(|admin| admin.probes.as_ref()).map(|own| new.bind_probes(own)).transpose()
        {
            Ok(bound) => probes = bound,
            Err(refused) => problems.push(refused),
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    })?;
    // Both are there: there is no first snapshot without a configuration.
    let (Some(snapshot), Some(sockets)) = (first.snapshot.clone(), sockets) else {
        return Err(StartError::Thread(io::Error::other("there is nothing to serve")));
    };
    let config = snapshot.config();
    let admin_address = admin.as_ref().map(|bound: &Bound| bound.address);
    let probes_address = probes.as_ref().map(|bound: &Bound| bound.address);
    let socket = |bound: Option<Bound>| bound.and_then(|bound| bound.sockets.into_iter().next());
    let (admin, probes) = (socket(admin), socket(probes));
    let (retire, retired) = mpsc::unbounded_channel();
    let (mut commands, mut pulses, mut workers) = (Vec::new(), Vec::new(), Vec::new());
    let gates = Arc::new(Gates::new(descriptor_limit()));
    for number in 0..config.server.threads {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (pulse, asked) = mpsc::unbounded_channel();
        let (metrics, witness, gates) = (metrics.clone(), options.witness.clone(), gates.clone());
        let retired = retire.clone();
        let seed = Seed { number, metrics, witness, commands: receiver, pulses: asked, gates, retired };
        workers.push(seed.spawn().map_err(StartError::Thread)?);
        commands.push(sender);
        pulses.push(pulse);
    }
    let (status_sender, status) = watch::channel(Arc::new(first.status.clone()));
    let (request, requests) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel();
    let (ready, is_ready) = oneshot::channel();
    let shared = Arc::new(Shared::new(metrics, sockets, access, status, request, commands));
    let control = Control {
        shared: shared.clone(),
        builder,
        first,
        admin,
        probes,
        log: options.log.clone(),
        status: status_sender,
        requests,
        retired,
        ready,
        stop: stopped,
    };
    let control = Some(control.spawn().map_err(StartError::Thread)?);
    let pulse = Pulse(pulses);
    let (admin, probes) = (admin_address, probes_address);
    Ok((Gateway { shared, admin, probes, workers, pulse, control, stop: Some(stop) }, is_ready))
}

#[cfg(test)]
mod discovery_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;
