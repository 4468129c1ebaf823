//! The gateway's own API: health, metrics, and what serves, over HTTP/1.1 on an address of its own.
//!
//! It can only look, and ask for a reload. It answers only to names that are its own, since a web page
//! can make a browser ask any name that it has resolve to this machine (DNS rebinding).

mod access;
mod answer;
mod describe;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::snapshot::Snapshot;
use crate::snapshot::status::Status;
use crate::telemetry::metrics::{Format, Reload};
use crate::telemetry::refusals::Refusal;
use answer::{json, problem, text};

/// Connections at a time; more wait.
const MOST_CONNECTIONS: usize = 256;
/// For the head of a request, and between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// For the answer to one request; scrapers give up much sooner.
const LONGEST_CONNECTION: Duration = Duration::from_secs(600);

/// Where the answers come from.
pub trait Source: Send + Sync + 'static {
    fn is_ready(&self) -> bool;
    fn snapshot(&self) -> Option<Arc<Snapshot>>;
    fn status(&self) -> Arc<Status>;
    /// Where a listener can be reached.
    fn address(&self, listener: &str) -> Option<SocketAddr>;
    fn metrics(&self, format: Format) -> String;
    /// The last requests that were refused, the oldest first.
    fn refusals(&self) -> Vec<Refusal>;
    /// Reload now. None if the gateway has stopped.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Option<Reload>> + '_>>;
}

/// Serve for ever; drop the future to stop. Has to run in a `LocalSet`.
pub async fn serve<S: Source>(listener: TcpListener, source: Arc<S>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
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
        let source = source.clone();
        tokio::task::spawn_local(async move {
            // Whatever goes wrong is between this client and its connection.
            let _ = tokio::time::timeout(LONGEST_CONNECTION, connection(stream, source)).await;
            drop(place);
        });
    }
}

async fn connection<S: Source>(stream: TcpStream, source: Arc<S>) {
    let Ok(local) = stream.local_addr() else { return };
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let source = source.clone();
        async move { Ok::<_, Infallible>(answer(&*source, local, request.map(drop)).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the admin API failed");
    }
}

/// Answer one request that came in at the address `local`.
async fn answer<S: Source>(source: &S, local: SocketAddr, request: Request<()>) -> Response<Full<Bytes>> {
    let Some(snapshot) = source.snapshot() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "nothing serves");
    };
    let path = request.uri().path().to_owned();
    if let Some(admin) = &snapshot.config().admin
        && let Err(refused) = access::check(admin, local, &path, request.headers())
    {
        return refused.answer();
    }
    let allowed: &[Method] = if path == "/api/v1/reload" { &[Method::POST] } else { &[Method::GET, Method::HEAD] };
    let mut answer = match path.as_str() {
        "/" | "/healthz" | "/readyz" | "/metrics" | "/api/v1/status" | "/api/v1/routes" | "/api/v1/plugins"
        | "/api/v1/clusters" | "/api/v1/refusals" | "/api/v1/reload"
            if !allowed.contains(request.method()) =>
        {
            answer::method_not_allowed(allowed)
        }
        "/" => text(StatusCode::OK, INDEX),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if source.is_ready() => text(StatusCode::OK, "ready\n"),
        "/readyz" => problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping, or doesn't serve yet"),
        "/metrics" => {
            let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
            let format = Format::accepted(accept.unwrap_or_default());
            answer::whole(StatusCode::OK, format.content_type(), source.metrics(format))
        }
        "/api/v1/status" => json(&describe::status(source, &snapshot)),
        "/api/v1/routes" => json(&describe::routes(source, &snapshot)),
        "/api/v1/plugins" => json(&describe::plugins(&source.status())),
        "/api/v1/clusters" => json(&describe::clusters(&snapshot)),
        "/api/v1/refusals" => json(&describe::refusals(&source.refusals())),
        "/api/v1/reload" => reload(source).await,
        _ => problem(StatusCode::NOT_FOUND, "there is nothing at this path; / lists what there is"),
    };
    if request.method() == Method::HEAD {
        answer = answer.map(|_| Full::default());
    }
    answer
}

async fn reload<S: Source>(source: &S) -> Response<Full<Bytes>> {
    match source.reload().await {
        Some(outcome) => json(&describe::outcome(outcome, &source.status())),
        None => problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping"),
    }
}

const INDEX: &str = "\
GET  /healthz          whether the process lives
GET  /readyz           whether it serves, and means to go on
GET  /metrics          for Prometheus
GET  /api/v1/status    the configuration and what is wrong
GET  /api/v1/routes    routes, in the order of the configuration
GET  /api/v1/plugins   plugins, and files that nothing names
GET  /api/v1/clusters  clusters and their endpoints
GET  /api/v1/refusals  the last requests that were refused, and why
POST /api/v1/reload    look at all files now
";
