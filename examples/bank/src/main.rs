//! The services of a mobile bank and its shop, small enough to read in a minute. Each process is one
//! of them: `bank-services accounts 127.0.0.1:9101`.
//!
//! They answer JSON over HTTP/1.1, say at start where they listen, and can be asked to misbehave
//! (`POST /_fail`, `POST /_mend`), so that the gateway's answer to that can be watched.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

const USAGE: &str = "usage: bank-services accounts|transactions|rates|shop ADDRESS [NAME]";

/// How long the transactions service thinks: it is the slow one.
const SLOW: Duration = Duration::from_millis(120);

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().context(USAGE)?;
    let address: SocketAddr = arguments.next().context(USAGE)?.parse().context("ADDRESS is like 127.0.0.1:9101")?;
    let name = arguments.next().unwrap_or_else(|| kind.clone());
    if !["accounts", "transactions", "rates", "shop"].contains(&kind.as_str()) {
        bail!("no service {kind:?}; {USAGE}");
    }
    let service = Rc::new(Service { kind, name, failing: AtomicBool::new(false), served: AtomicU64::new(0) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(service, address))
}

async fn serve(service: Rc<Service>, address: SocketAddr) -> anyhow::Result<()> {
    let listener =
        tokio::net::TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?;
    println!("{} listens on {}", service.name, listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        let service = Rc::clone(&service);
        tokio::task::spawn_local(async move {
            let handler = service_fn(move |request| {
                let service = Rc::clone(&service);
                async move { Ok::<_, Infallible>(service.answer(&request).await) }
            });
            // A client that goes away in the middle is its own affair.
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), handler).await);
        });
    }
}

struct Service {
    kind: String,
    name: String,
    failing: AtomicBool,
    served: AtomicU64,
}

impl Service {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::POST, "/_fail") => return self.switch(true),
            (&Method::POST, "/_mend") => return self.switch(false),
            _ if self.failing.load(Ordering::Relaxed) => {
                return reply(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": "out of order" }));
            }
            (_, "/healthz") => return reply(StatusCode::OK, &json!({ "status": "ok" })),
            _ => {}
        }
        self.served.fetch_add(1, Ordering::Relaxed);
        let customer = path.rsplit('/').next().unwrap_or_default();
        match self.kind.as_str() {
            "accounts" => reply(StatusCode::OK, &accounts(customer)),
            "transactions" => {
                tokio::time::sleep(SLOW).await;
                reply(StatusCode::OK, &transactions(customer))
            }
            "rates" => reply(StatusCode::OK, &json!({ "base": "EUR", "USD": 1.09, "GBP": 0.85, "CHF": 0.96 })),
            _ => self.shop(request),
        }
    }

    fn switch(&self, failing: bool) -> Response<Full<Bytes>> {
        self.failing.store(failing, Ordering::Relaxed);
        reply(StatusCode::OK, &json!({ "failing": failing }))
    }

    /// Says what reached it, so that a transformed request can be seen.
    fn shop(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let seen = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = json!({
            "instance": self.name,
            "served": self.served.load(Ordering::Relaxed),
            "path": request.uri().path(),
            "channel": seen("x-channel"),
            "customer": seen("x-customer"),
            "products": ["umbrella", "thermos", "compass"],
        });
        reply(StatusCode::OK, &body)
    }
}

fn accounts(customer: &str) -> Value {
    json!({ "customer": customer, "accounts": [
        { "iban": "DE02 1203 0000 0000 2020 51", "balance": "1832.40", "currency": "EUR" },
        { "iban": "DE02 5001 0517 0137 0750 30", "balance": "12000.00", "currency": "EUR" },
    ]})
}

fn transactions(customer: &str) -> Value {
    json!({ "customer": customer, "transactions": [
        { "date": "2026-11-20", "text": "Bakery", "amount": "-4.80" },
        { "date": "2026-11-21", "text": "Salary", "amount": "2900.00" },
    ]})
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
