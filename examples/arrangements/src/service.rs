//! A service that says who it is and what reached it: `arrangement-service NAME ADDRESS`. On SIGTERM it accepts no more,
//! finishes what it has begun, and ends. It keeps no data.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

/// How long it thinks, so that there is always something on its way.
const WORK: Duration = Duration::from_millis(5);

fn main() -> anyhow::Result<()> {
    const USAGE: &str = "usage: arrangement-service NAME ADDRESS";
    let mut arguments = std::env::args().skip(1);
    let name: Rc<str> = arguments.next().context(USAGE)?.into();
    let address: SocketAddr = arguments.next().context(USAGE)?.parse().context("ADDRESS is like 127.0.0.1:9101")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(name, address))
}

async fn serve(name: Rc<str>, address: SocketAddr) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?;
    println!("{name} listens on {}", listener.local_addr()?);
    let (leave, leaving) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                connections.spawn_local(converse(accepted?.0, Rc::clone(&name), leaving.clone()));
            }
            _ = terminate.recv() => break,
        }
    }
    drop(listener);
    leave.send_replace(true);
    while connections.join_next().await.is_some() {}
    println!("{name} has finished");
    Ok(())
}

async fn converse(stream: TcpStream, name: Rc<str>, mut leaving: watch::Receiver<bool>) {
    let handler = service_fn(move |request| answer(request, Rc::clone(&name)));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), handler);
    tokio::pin!(connection);
    tokio::select! {
        // A client that goes away in the middle is its own affair.
        _ = &mut connection => return,
        _ = leaving.wait_for(|leaving| *leaving) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(request: Request<Incoming>, name: Rc<str>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/healthz" {
        tokio::time::sleep(WORK).await;
    }
    let field = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = json!({
        "service": &*name,
        "path": request.uri().path(),
        "client": field("x-forwarded-for"),
        "request_id": field("x-request-id"),
        "traceparent": field("traceparent"),
    });
    let mut answer = Response::new(Full::new(Bytes::from(said.to_string())));
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(answer)
}
