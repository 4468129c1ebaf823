//! The gateway's own side: health, metrics, what serves, and the dashboard, over HTTP/1.1 on an address of its
//! own.
//!
//! It answers only to names that are its own, since a web page can make a browser ask any name that it has
//! resolve to this machine (DNS rebinding); and it changes nothing for a page of another origin. What it can
//! change is little: reload now, take an endpoint out, log more; and only for those who have a token.

mod access;
mod actions;
mod answer;
mod api;
mod dashboard;
mod describe;
mod events;
mod numbers;

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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::snapshot::Snapshot;
use crate::snapshot::status::Status;
use crate::telemetry::log::LogControl;
use crate::telemetry::metrics::{Format, Metrics, Reload};

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

/// Serve for ever; drop the future to stop. Has to run in a `LocalSet`.
pub async fn serve<S: Source>(listener: TcpListener, source: Arc<S>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let viewers = events::Viewers::default();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the admin API can't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (source, viewers) = (source.clone(), viewers.clone());
        tokio::task::spawn_local(async move {
            connection(stream, source, viewers).await;
            drop(place);
        });
    }
}

/// Serve one connection. Whatever goes wrong is between this client and its connection.
async fn connection<S: Source>(stream: TcpStream, source: Arc<S>, viewers: events::Viewers) {
    let Ok(local) = stream.local_addr() else { return };
    // Small events are to be seen at once.
    let _ = stream.set_nodelay(true);
    let streams = Rc::new(Cell::new(false));
    let service = {
        let streams = streams.clone();
        service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let (source, viewers, streams) = (source.clone(), viewers.clone(), streams.clone());
            async move {
                let mut answer = api::answer(&source, local, request, &viewers, &streams).await;
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
        .serve_connection(TokioIo::new(stream), service);
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
