//! The services of a mobile bank and its shop, small enough to read in a minute. Each process is one
//! of them: `bank-services accounts 127.0.0.1:9101`.
//!
//! They answer JSON over HTTP/1.1, say at start where they listen, show the last request as it reached them
//! (`GET /_seen`), and can be asked to misbehave (`POST /_fail`, `/_leave`, `/_mend`), so that the gateway's
//! answer to that can be watched. They keep no data.

mod content;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

const USAGE: &str = "usage: bank-services accounts|transactions|rates|shop ADDRESS [NAME]";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let kind = Kind::parse(&arguments.next().context(USAGE)?)?;
    let address: SocketAddr = arguments.next().context(USAGE)?.parse().context("ADDRESS is like 127.0.0.1:9101")?;
    let name = arguments.next().unwrap_or_else(|| format!("{kind:?}").to_lowercase());
    let service =
        Rc::new(Service { kind, name, mood: Cell::new(Mood::Well), seen: RefCell::default(), served: Cell::new(0) });
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

#[derive(Debug, Clone, Copy)]
enum Kind {
    Accounts,
    Transactions,
    Rates,
    Shop,
}

impl Kind {
    fn parse(word: &str) -> anyhow::Result<Self> {
        Ok(match word {
            "accounts" => Self::Accounts,
            "transactions" => Self::Transactions,
            "rates" => Self::Rates,
            "shop" => Self::Shop,
            _ => bail!("no service {word:?}; {USAGE}"),
        })
    }

    /// How long it thinks: the transactions are the slow ones.
    fn pace(self) -> Duration {
        Duration::from_millis(match self {
            Self::Accounts | Self::Rates => 60,
            Self::Transactions => 180,
            Self::Shop => 0,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// About to be taken away: serves what still comes, but isn't healthy.
    Leaving,
    /// Answers everything with 500.
    Failing,
}

struct Service {
    kind: Kind,
    name: String,
    mood: Cell<Mood>,
    /// The head of the last request.
    seen: RefCell<String>,
    served: Cell<u64>,
}

impl Service {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::POST, "/_fail") => return self.change(Mood::Failing),
            (&Method::POST, "/_leave") => return self.change(Mood::Leaving),
            (&Method::POST, "/_mend") => return self.change(Mood::Well),
            (&Method::GET, "/_seen") => return self.show(),
            (_, "/healthz") => return self.health(),
            _ => {}
        }
        self.seen.replace(head(request));
        self.served.update(|served| served + 1);
        if self.mood.get() == Mood::Failing {
            return reply(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": "out of order" }));
        }
        tokio::time::sleep(self.kind.pace()).await;
        let customer = path.rsplit('/').next().unwrap_or_default();
        match self.kind {
            Kind::Accounts => reply(StatusCode::OK, &content::accounts(customer)),
            Kind::Transactions => reply(StatusCode::OK, &content::transactions(customer)),
            Kind::Rates => reply(StatusCode::OK, &content::rates()),
            Kind::Shop => {
                let mut response = reply(StatusCode::OK, &content::shop(&self.name, path));
                response.headers_mut().insert("x-powered-by", HeaderValue::from_static("shop/3.1.4"));
                response
            }
        }
    }

    fn show(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.seen.borrow().clone().into()));
        response.headers_mut().insert("x-served", self.served.get().into());
        response
    }

    fn change(&self, mood: Mood) -> Response<Full<Bytes>> {
        self.mood.set(mood);
        self.health()
    }

    fn health(&self) -> Response<Full<Bytes>> {
        match self.mood.get() {
            Mood::Well => reply(StatusCode::OK, &json!({ "status": "well" })),
            Mood::Leaving => reply(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "leaving" })),
            Mood::Failing => reply(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "status": "failing" })),
        }
    }
}

/// A request's head as it stood on the wire, but for the letters' case.
fn head(request: &Request<Incoming>) -> String {
    let mut text = format!("{} {} {:?}\n", request.method(), request.uri(), request.version());
    for (name, value) in request.headers() {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
