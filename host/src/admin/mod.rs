//! The gateway's own side: health, metrics, what serves, and the dashboard, over HTTP/1.1 on an address of its
//! own, encrypted if wanted. Health can be had at a second address too, for orchestrators.
//!
//! It answers only to names that are its own, since a web page can make a browser ask any name that it has
//! resolve to this machine (DNS rebinding); and it changes nothing for a page of another origin. What it can
//! change is little: reload now, take an endpoint out, log more; and only for those who show a token, or a client
//! certificate.

mod access;
mod actions;
mod answer;
mod api;
mod dashboard;
mod describe;
mod events;
mod numbers;
mod visitor;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::snapshot::Snapshot;
use crate::snapshot::status::Status;
use crate::telemetry::log::LogControl;
use crate::telemetry::metrics::{Format, Metrics, Reload};
use visitor::{Arrived, Visitor};

/// Connections at a time; more wait.
const MOST_CONNECTIONS: usize = 256;
/// For the head of a request, and between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// For all answers on one connection, streams of events left out; scrapers give up much sooner.
const LONGEST_CONNECTION: Duration = Duration::from_secs(600);

/// Where the answers come from.
pub trait Source: Send + Sync + 'static {
    fn is_ready(&self) -> bool;
    fn snapshot(&self) -> Option<Arc<Snapshot>>;
    fn status(&self) -> Arc<Status>;
    /// Where a listener can be reached.
    fn address(&self, listener: &str) -> Option<SocketAddr>;
    /// As text, with the endpoints as they are now.
    fn metrics(&self, format: Format) -> String;
    /// The same as numbers; the last refusals and reloads.
    fn telemetry(&self) -> &Arc<Metrics>;
    /// By which to change what is logged, if that is the gateway's business.
    fn log(&self) -> Option<&LogControl>;
    /// Reload now. None if the gateway has stopped.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Option<Reload>> + '_>>;
}

/// What is behind a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Everything.
    Main,
    /// Health, and metrics if the configuration says so; never encrypted.
    Probes,
}

/// Serve for ever; drop the future to stop. Has to run in a `LocalSet`.
pub async fn serve<S: Source>(listener: TcpListener, door: Door, source: Arc<S>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let viewers = events::Viewers::default();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the admin API can't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (source, viewers) = (source.clone(), viewers.clone());
        tokio::task::spawn_local(async move {
            // Small events are to be seen at once.
            let _ = stream.set_nodelay(true);
            let tls = match door {
                Door::Main => source.snapshot().and_then(|snapshot| snapshot.certificates().admin.clone()),
                Door::Probes => None,
            };
            let arrived = tokio::time::timeout(HEAD_TIMEOUT, visitor::arrive(stream, peer, tls)).await;
            if let Ok(Some(arrived)) = arrived {
                connection(arrived, door, source, viewers).await;
            }
            drop(place);
        });
    }
}

/// Serve one connection. Whatever goes wrong is between this client and its connection.
async fn connection<S: Source>(arrived: Arrived, door: Door, source: Arc<S>, viewers: events::Viewers) {
    let Arrived { transport, visitor } = arrived;
    let (visitor, streams) = (Rc::new(visitor), Rc::new(Cell::new(false)));
    let service = {
        let streams = streams.clone();
        service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let (source, viewers, streams) = (source.clone(), viewers.clone(), streams.clone());
            let visitor: Rc<Visitor> = visitor.clone();
            async move {
                let mut answer = match door {
                    Door::Main => api::answer(&source, &visitor, request, &viewers, &streams).await,
                    Door::Probes => api::probe(&*source, &visitor, &request),
                };
                if !source.is_ready() {
                    // Another process may be asked next.
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(transport), service);
    tokio::pin!(served);
    let result = tokio::select! {
        result = &mut served => result,
        () = tokio::time::sleep(LONGEST_CONNECTION) => {
            if !streams.get() {
                return;
            }
            // It ends by itself when its reader goes or falls behind.
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection to the admin API failed");
    }
}
