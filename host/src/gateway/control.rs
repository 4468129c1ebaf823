//! The control thread: reloads, health checks, the admin API, and freeing what has been replaced. Nothing
//! on it is in a request's way.

use std::cell::RefCell;
use std::net::TcpListener;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

use super::outside::Outside;
use super::overview::Overview;
use super::shared::Shared;
use crate::acme;
use crate::admin;
use crate::reload::{Builder, Built, Controller, Discovery, Request};
use crate::snapshot::Snapshot;
use crate::snapshot::status::Status;
use crate::telemetry::log::LogControl;
use crate::upstream::Checks;

/// What the control thread is made with.
pub struct Control {
    pub shared: Arc<Shared>,
    pub builder: Builder,
    /// The first snapshot.
    pub first: Built,
    pub admin: Option<TcpListener>,
    /// For those who ask for health alone.
    pub probes: Option<TcpListener>,
    pub log: Option<LogControl>,
    pub status: watch::Sender<Arc<Status>>,
    pub requests: mpsc::UnboundedReceiver<Request>,
    pub retired: mpsc::UnboundedReceiver<Arc<Snapshot>>,
    /// Told when the first snapshot serves.
    pub ready: oneshot::Sender<()>,
    /// Ends the thread when its sender is dropped.
    pub stop: oneshot::Receiver<()>,
}

impl Control {
    /// Start the thread.
    ///
    /// # Errors
    /// The system gives no thread or no event queue.
    pub fn spawn(self) -> std::io::Result<std::thread::JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("sluice-control".into()).spawn(move || {
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, self.run());
        })
    }

    async fn run(self) {
        let Self { shared, mut builder, first, admin, probes, log, status, requests, mut retired, ready, mut stop } =
            self;
        tokio::task::spawn_local(async move {
            while let Some(snapshot) = retired.recv().await {
                drop(snapshot);
            }
        });
        let guard = shared.metrics.guard().clone();
        tokio::task::spawn_local(async move { guard.watch().await });
        let mut health = Checks::default();
        let mut acme = acme::Manager::default();
        let obtained = {
            let shared = shared.clone();
            // It changes nothing but what is shown; who asks for a status sees it.
            async move || {
                let _ = shared.reload().await;
            }
        };
        let mut discovery = Discovery::new(shared.metrics.clone());
        if let Some(snapshot) = first.snapshot {
            discovery.follow(snapshot.config());
            discovery.first_answers().await;
            let snapshot = builder.discover(discovery.found()).unwrap_or(snapshot);
            shared.publish(snapshot.clone()).await;
            health.update(snapshot.clusters());
            acme.update(snapshot.config(), &snapshot.certificates().challenges, obtained.clone());
        }
        if admin.is_some() {
            let metrics = shared.metrics.clone();
            tokio::task::spawn_local(async move { metrics.timeline().record(&metrics).await });
        }
        let source = Arc::new(Overview { shared: shared.clone(), log });
        let doors = [(admin, admin::Door::Main), (probes, admin::Door::Probes)];
        for (socket, door) in doors.into_iter().filter_map(|(socket, door)| Some((socket?, door))) {
            answer(socket, door, &source);
        }
        // Whoever started the gateway may have gone.
        let _ = ready.send(());
        let publish = {
            let (shared, health, acme) = (shared.clone(), RefCell::new(health), RefCell::new(acme));
            move |snapshot: Arc<Snapshot>| {
                health.borrow_mut().update(snapshot.clusters());
                acme.borrow_mut().update(snapshot.config(), &snapshot.certificates().challenges, obtained.clone());
                let shared = shared.clone();
                async move { shared.publish(snapshot).await }
            }
        };
        let controller = Controller {
            builder: Some(builder),
            prepare: Arc::new(Outside { sockets: shared.sockets.clone(), access: shared.access.clone() }),
            discovery,
            publish,
            requests,
            status,
            metrics: shared.metrics.clone(),
        };
        // Kept when it isn't driven any more: health checks live in it.
        let mut controlling = std::pin::pin!(controller.run(first.watched));
        tokio::select! {
            () = &mut controlling => {}
            () = shared.handed_over() => {}
            _ = &mut stop => return,
        }
        // There will be no more reloads, but what serves goes on.
        let _ = stop.await;
    }
}

/// Answer the admin API's requests that come in by one socket, until another process does.
fn answer(socket: TcpListener, door: admin::Door, source: &Arc<Overview>) {
    let (source, shared) = (source.clone(), source.shared.clone());
    match tokio::net::TcpListener::from_std(socket) {
        Ok(listener) => drop(tokio::task::spawn_local(async move {
            tokio::select! {
                () = admin::serve(listener, door, source) => {}
                // What it answers already, it answers to the end.
                () = shared.handed_over() => {}
            }
        })),
        Err(error) => tracing::error!(%error, "the admin API can't accept connections"),
    }
}
