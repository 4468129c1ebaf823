//! What the parts of one gateway share: what serves, and how things are. Read by the admin API and by
//! whoever runs the gateway; changed by the control thread alone.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::access::AccessOutput;
use super::sockets::Sockets;
use super::worker::Command;
use crate::reload::Request;
use crate::snapshot::Snapshot;
use crate::snapshot::status::{PluginStatus, State, Status};
use crate::telemetry::metrics::{ComponentSample, EndpointSample, Metrics, Reload};

/// Shared by all threads of a gateway but the data threads.
pub struct Shared {
    pub metrics: Arc<Metrics>,
    pub sockets: Arc<Sockets>,
    pub access: Arc<AccessOutput>,
    pub status: watch::Receiver<Arc<Status>>,
    pub requests: mpsc::UnboundedSender<Request>,
    pub workers: Vec<mpsc::UnboundedSender<Command>>,
    /// Whether another process serves from now on, at the addresses of this one.
    handed_over: watch::Sender<bool>,
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    version: AtomicU64,
    draining: AtomicBool,
}

impl Shared {
    pub fn new(
        metrics: Arc<Metrics>,
        sockets: Arc<Sockets>,
        access: Arc<AccessOutput>,
        status: watch::Receiver<Arc<Status>>,
        requests: mpsc::UnboundedSender<Request>,
        workers: Vec<mpsc::UnboundedSender<Command>>,
    ) -> Self {
        let (snapshot, version, draining) = Default::default();
        let (handed_over, _) = watch::channel(false);
        Self { metrics, sockets, access, status, requests, workers, handed_over, snapshot, version, draining }
    }

    /// What serves; none before the first publication and after the end.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Have all data threads serve by `snapshot`, and wait until they do.
    pub async fn publish(&self, snapshot: Arc<Snapshot>) {
        let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
        let is_known = self.snapshot().is_some_and(|serving| Arc::ptr_eq(serving.config(), snapshot.config()));
        // With other endpoints alone it needs nothing new; what there is may be for a configuration that is being built.
        let (shares, access) = if is_known {
            (self.sockets.none(), self.access.serving())
        } else {
            (self.sockets.take(snapshot.config()), self.access.take(snapshot.config()))
        };
        self.metrics.guard().set(&snapshot.config().overload);
        let mut waiting = Vec::with_capacity(self.workers.len());
        for (worker, sockets) in self.workers.iter().zip(shares) {
            let (done, taken) = oneshot::channel();
            let access = access.clone();
            let command = Command::Publish { version, snapshot: snapshot.clone(), sockets, access, done };
            // A thread that is gone is reported by its end.
            let _ = worker.send(command);
            waiting.push(taken);
        }
        let before = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).replace(snapshot);
        for taken in waiting {
            let _ = taken.await;
        }
        // Here and not on a data thread, if they have let go of it.
        drop(before);
    }

    /// Whether it serves and means to go on.
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Acquire) && self.version.load(Ordering::Acquire) > 0
    }

    /// Say that the end is near.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Say that another process serves from now on.
    pub fn hand_over(&self) {
        self.handed_over.send_replace(true);
    }

    /// Wait until another process serves.
    pub async fn handed_over(&self) {
        // It lives as long as its sender, which is in `self`.
        let _ = self.handed_over.subscribe().wait_for(|handed| *handed).await;
    }

    /// Tell all data threads something.
    pub fn tell(&self, mut command: impl FnMut() -> Command) {
        for worker in &self.workers {
            // One that is gone needs to be told nothing.
            let _ = worker.send(command());
        }
    }

    /// Let go of what serves.
    pub fn forget(&self) {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Where the listener of that name can be reached.
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        let snapshot = self.snapshot()?;
        let listener = snapshot.config().listeners.iter().find(|listener| *listener.name == *name)?;
        self.sockets.address(listener)
    }

    /// Reload now; returns when it is done. None if the gateway has stopped.
    pub async fn reload(&self) -> Option<Reload> {
        let (request, done) = oneshot::channel();
        self.requests.send(request).ok()?;
        done.await.ok()
    }

    /// The plugins that serve, and by which component.
    pub fn components(&self) -> Vec<ComponentSample> {
        let status = self.status.borrow().clone();
        let used = status.plugins.iter().filter(|plugin| !matches!(plugin.state, State::Unused | State::Refused));
        let sample = |plugin: &PluginStatus| ComponentSample {
            plugin: plugin.name.clone(),
            digest: plugin.digest.clone().unwrap_or_default(),
            state: plugin.state.name(),
        };
        used.map(sample).collect()
    }

    /// The endpoints of all clusters as they are now.
    pub fn endpoints(&self) -> Vec<EndpointSample> {
        let Some(snapshot) = self.snapshot() else { return Vec::new() };
        let of_cluster = |cluster: &Arc<crate::upstream::Cluster>| {
            let sample = |member: &crate::upstream::Member| EndpointSample {
                cluster: cluster.name().clone(),
                address: member.endpoint.text().to_owned(),
                healthy: member.endpoint.is_healthy(),
                drained: member.endpoint.is_drained(),
                in_flight: member.endpoint.in_flight(),
                weight: member.weight,
                latency_us: member.endpoint.latency_us(),
                requests: member.endpoint.requests(),
                failed: member.endpoint.failed_requests(),
                state: member.endpoint.state(),
            };
            cluster.members().iter().map(sample).collect::<Vec<_>>()
        };
        snapshot.clusters().iter().flat_map(of_cluster).collect()
    }
}
