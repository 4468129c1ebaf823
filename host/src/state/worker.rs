//! The thread that speaks to Redis: one connection for all operations, which are sent as they come and don't wait
//! for each other (pipelining).
//!
//! The circuit breaker: after [`TRIP`] failures in a row, or when the connection ends, the store counts as away.
//! Nothing is sent then, until a new connection has shown that it works; those are tried with growing pauses.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use redis::{RedisError, Value};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::LocalSet;

use super::Away;
use super::command::Command;
use super::dial::{Link, dial};
use crate::config::model::Redis;
use crate::telemetry::metrics::StateReporter;

/// Failures in a row after which the store counts as away.
const TRIP: u32 = 5;
/// For a connection to show that it works.
const CONNECT: Duration = Duration::from_secs(2);
/// Between two attempts: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// One operation, and who waits for its answer.
pub(super) struct Job {
    pub command: Command,
    pub reply: oneshot::Sender<Result<Value, Away>>,
    pub begun: Instant,
    pub until: Instant,
}

/// What the thread is started with.
pub(super) struct Started {
    pub settings: Arc<Redis>,
    pub jobs: mpsc::UnboundedReceiver<Job>,
    pub up: Arc<AtomicBool>,
    pub reporter: StateReporter,
    /// Told when the first attempt to connect has ended.
    pub first_look: Option<SyncSender<()>>,
}

impl Started {
    /// The thread ends when nobody can send jobs any more.
    pub fn spawn(self) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            LocalSet::new().block_on(&runtime, self.run());
            // A name that is being looked up isn't waited for.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("sluice-state".into()).spawn(run).map(drop)
    }

    async fn run(self) {
        let Self { settings, mut jobs, up, reporter, first_look } = self;
        let worker = Rc::new(Worker {
            settings,
            up,
            reporter,
            link: RefCell::default(),
            failures: Cell::new(0),
            tripped: Notify::new(),
        });
        let supervisor = tokio::task::spawn_local(worker.clone().keep_connected(first_look));
        while let Some(job) = jobs.recv().await {
            let link = worker.link.borrow().as_ref().map(Link::another);
            match link {
                Some(link) => drop(tokio::task::spawn_local(worker.clone().carry_out(job, link))),
                // Who asked may have gone.
                None => drop(job.reply.send(Err(Away))),
            }
        }
        supervisor.abort();
    }
}

struct Worker {
    settings: Arc<Redis>,
    up: Arc<AtomicBool>,
    reporter: StateReporter,
    /// None while the store is away.
    link: RefCell<Option<Link>>,
    /// In a row.
    failures: Cell<u32>,
    tripped: Notify,
}

impl Worker {
    async fn carry_out(self: Rc<Self>, job: Job, mut link: Link) {
        let Job { command, reply, begun, until } = job;
        let answer = tokio::time::timeout_at(until.into(), link.send(&command.call)).await;
        let (outcome, answer) = match answer {
            Ok(Ok(answer)) => ("ok", Ok(answer)),
            Ok(Err(error)) => {
                tracing::debug!(operation = command.name, %error, "an operation on the shared store failed");
                if blames_the_key(&error) { ("failed", Err(None)) } else { ("failed", Err(Some(error.to_string()))) }
            }
            Err(_) => ("timeout", Err(Some(format!("operations took longer than {:?}", self.settings.timeout)))),
        };
        self.reporter.metrics().operation(command.name, outcome, begun.elapsed());
        match &answer {
            Ok(_) => self.failures.set(0),
            Err(None) => {}
            Err(Some(reason)) => self.failed(reason),
        }
        // Who asked may have gone.
        let _ = reply.send(answer.map_err(|_| Away));
    }

    fn failed(&self, reason: &str) {
        self.failures.set(self.failures.get().saturating_add(1));
        if self.failures.get() >= TRIP && self.link.take().is_some() {
            self.is_away(reason);
            self.tripped.notify_waiters();
        }
    }

    /// Connect, and again whenever the connection has ended.
    async fn keep_connected(self: Rc<Self>, mut first_look: Option<SyncSender<()>>) {
        let mut pause = PAUSES.0;
        loop {
            match tokio::time::timeout(CONNECT, dial(&self.settings)).await {
                Ok(Ok((link, driver))) => {
                    pause = PAUSES.0;
                    self.failures.set(0);
                    self.link.replace(Some(link));
                    self.is_up();
                    first_look.take();
                    tokio::select! {
                        () = driver => {}
                        () = self.tripped.notified() => {}
                    }
                    if self.link.take().is_some() {
                        self.is_away("the connection ended");
                    }
                }
                Ok(Err(error)) => self.is_away(&error.to_string()),
                Err(_) => self.is_away(&format!("no answer within {CONNECT:?}")),
            }
            first_look.take();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn is_up(&self) {
        self.up.store(true, Ordering::Release);
        self.reporter.is_up();
        tracing::info!(store = self.reporter.address(), "the shared store of plugins' state answers");
    }

    /// Said once for each time that it goes.
    fn is_away(&self, reason: &str) {
        let was_up = self.up.swap(false, Ordering::AcqRel);
        if self.reporter.is_away(reason) || was_up {
            let (store, on_error) = (self.reporter.address(), self.settings.on_error.name());
            tracing::warn!(store, reason, on_error, "the shared store of plugins' state is away");
        }
    }
}

/// Whether the server is well, and only this key holds something else.
fn blames_the_key(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}
