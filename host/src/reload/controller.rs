//! Takes up one change after the other: waits for it, has the next snapshot built on a thread of its own,
//! and publishes it. Nothing here serves, and nothing that serves waits for it.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};

use super::build::{Builder, Built, Interim, Prepare, with_endpoints};
use super::discovery::Discovery;
use super::watch::{Watch, Watched};
use crate::snapshot::Snapshot;
use crate::snapshot::status::Status;
use crate::telemetry::metrics::{Metrics, Reload};
use crate::telemetry::reloads::Record;

/// A wish to reload now; answered when it is done.
pub type Request = oneshot::Sender<Reload>;

/// Runs on the control thread.
pub struct Controller<P> {
    /// None while a snapshot is being built.
    pub builder: Option<Builder>,
    pub prepare: Arc<dyn Prepare>,
    pub discovery: Discovery,
    pub publish: P,
    pub requests: mpsc::UnboundedReceiver<Request>,
    pub status: watch::Sender<Arc<Status>>,
    pub metrics: Arc<Metrics>,
}

impl<P, F> Controller<P>
where
    P: FnMut(Arc<Snapshot>) -> F,
    F: Future<Output = ()>,
{
    /// Reload whenever one of `watched` changes, until nobody can ask for a reload any more.
    pub async fn run(mut self, watched: Watched) {
        let mut watch = Watch::new(watched);
        // What is watched for the first time may have changed after it was read, so it is looked at once
        // more; that isn't a reload that anybody asked for.
        let mut first_look = true;
        loop {
            let (unsettled, request) = tokio::select! {
                unsettled = watch.changed() => (unsettled, None),
                request = self.requests.recv() => match request {
                    Some(request) => {
                        watch.take();
                        (BTreeSet::new(), Some(request))
                    }
                    None => return,
                },
                () = self.discovery.changed() => {
                    self.discover().await;
                    continue;
                }
            };
            let began = Instant::now();
            let Some(mut built) = self.rebuild(unsettled).await else { return };
            self.count(&built, first_look && request.is_none());
            let (changes, problems) = (std::mem::take(&mut built.changes), std::mem::take(&mut built.problems));
            first_look = watch.set(built.watched);
            if let Some(snapshot) = built.snapshot {
                // A new cluster begins with its endpoints.
                self.discovery.follow(snapshot.config());
                self.discovery.first_answers().await;
                let with_endpoints = self.builder.as_mut().and_then(|own| own.discover(self.discovery.found()));
                (self.publish)(with_endpoints.unwrap_or(snapshot)).await;
            }
            self.status.send_replace(Arc::new(built.status));
            if built.outcome != Reload::Unchanged || built.newly_refused || request.is_some() {
                self.metrics.reload_records().add(Record {
                    number: 0,
                    at: SystemTime::now(),
                    took: began.elapsed(),
                    outcome: built.outcome,
                    asked: request.is_some(),
                    changes,
                    problems,
                });
            }
            if let Some(request) = request {
                // Whoever asked may have gone.
                let _ = request.send(built.outcome);
            }
        }
    }

    /// Serve the endpoints that were found.
    async fn discover(&mut self) {
        let snapshot = self.builder.as_mut().and_then(|builder| builder.discover(self.discovery.found()));
        if let Some(snapshot) = snapshot {
            (self.publish)(snapshot).await;
        }
    }

    /// Wait for a build, and serve endpoints that are found meanwhile: compiling may take long, and who has gone has gone.
    async fn serve_meanwhile<T>(
        &mut self,
        mut building: oneshot::Receiver<T>,
        mut serving: Option<Arc<Snapshot>>,
        interim: &Interim,
    ) -> Option<T> {
        loop {
            tokio::select! {
                built = &mut building => return built.ok(),
                () = self.discovery.changed() => {}
            }
            let Some(before) = &serving else { continue };
            if let Some(next) = with_endpoints(before, self.discovery.found(), &self.metrics) {
                *interim.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&next));
                serving = Some(Arc::clone(&next));
                (self.publish)(next).await;
            }
        }
    }

    fn count(&self, built: &Built, first_look: bool) {
        if built.outcome != Reload::Unchanged || !first_look {
            self.metrics.reloaded(built.outcome);
        }
        if built.newly_refused && built.outcome != Reload::Refused {
            self.metrics.reloaded(Reload::Refused);
        }
    }

    /// None if there will never be a snapshot again.
    async fn rebuild(&mut self, unsettled: BTreeSet<std::path::PathBuf>) -> Option<Built> {
        let mut builder = self.builder.take()?;
        let (serving, interim) = (builder.serving().cloned(), builder.interim());
        let prepare = self.prepare.clone();
        let (sender, receiver) = oneshot::channel();
        let work = move || {
            // Requests go first. If the system doesn't allow it, building is merely less polite.
            let _ = rustix::process::nice(5);
            let built = catch_unwind(AssertUnwindSafe(|| builder.rebuild(&*prepare, &unsettled)));
            let _ = sender.send((builder, built));
        };
        if let Err(error) = std::thread::Builder::new().name("sluice-reload".into()).spawn(work) {
            tracing::error!(%error, "can't start a thread; there will be no more reloads");
            return None;
        }
        let (mut builder, built) = self.serve_meanwhile(receiver, serving, &interim).await?;
        builder.catch_up();
        let built = built.unwrap_or_else(|_| {
            tracing::error!("the reload failed in an unforeseen way; please report this");
            None
        });
        let built = built.unwrap_or_else(|| builder.nothing());
        self.builder = Some(builder);
        Some(built)
    }
}

#[cfg(test)]
mod tests;
