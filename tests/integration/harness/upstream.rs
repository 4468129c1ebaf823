//! Servers behind the gateway: one that tells what it saw, ones of functions, and ones that misbehave in bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Targets of requests that came through, once their bodies were read.
pub type Seen = Arc<Mutex<Vec<String>>>;

/// A server. It ends with the test's runtime.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Each connection is handed to a function, with its number from 1.
    pub async fn raw<F, Fut>(serve: F) -> Self
    where
        F: Fn(usize, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::raw_at(([127, 0, 0, 1], 0).into(), serve).await
    }

    /// The same at an address where there was one before.
    pub async fn raw_at<F, Fut>(address: SocketAddr, serve: F) -> Self
    where
        F: Fn(usize, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(serve(number, stream));
            }
        });
        Self { address, connections }
    }

    /// Each request is handed to a function.
    pub async fn serving<F, Fut>(serve: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<BoxBody<Bytes, Infallible>>> + Send + 'static,
    {
        Self::raw(move |_, stream| {
            let serve = serve.clone();
            let service = service_fn(move |request| {
                let answer = serve(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            async move {
                // A client that breaks off is part of many tests.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await
    }

    /// Tells of each request, and answers it `late` when it is released.
    pub async fn holding() -> (Self, UnboundedReceiver<()>, Arc<Notify>) {
        let (arrived, arrivals) = unbounded_channel();
        let release = Arc::new(Notify::new());
        let waiting = release.clone();
        let upstream = Self::serving(move |_| {
            let (arrived, waiting) = (arrived.clone(), waiting.clone());
            async move {
                // A test that has seen enough doesn't listen any more.
                let _ = arrived.send(());
                waiting.notified().await;
                answer(200, "late")
            }
        })
        .await;
        (upstream, arrivals, release)
    }

    /// Answers `ok`, and notes each request whose body came whole: one that breaks off doesn't count.
    pub async fn noting() -> (Self, Seen) {
        let seen = Seen::default();
        let noted = seen.clone();
        let upstream = Self::serving(move |request| {
            let noted = noted.clone();
            async move {
                let (parts, body) = request.into_parts();
                if body.collect().await.is_ok() {
                    noted.lock().unwrap().push(parts.uri.to_string());
                }
                answer(200, "ok")
            }
        })
        .await;
        (upstream, seen)
    }

    /// Answers each request with that text.
    pub async fn fixed(text: &'static str) -> Self {
        Self::serving(move |_| async move { answer(200, text) }).await
    }

    /// Answers each request with JSON of what it saw.
    pub async fn mirror() -> Self {
        Self::serving(|request: Request<Incoming>| async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(|body| (body.trailers().cloned(), body.to_bytes()));
            let (trailers, body) = body.unwrap_or_default();
            let seen = json!({
                "method": parts.method.as_str(),
                "target": parts.uri.to_string(),
                "fields": fields(&parts.headers),
                "body": String::from_utf8_lossy(&body),
                "trailers": fields(&trailers.unwrap_or_default()),
            });
            let mut answer = answer(200, &seen.to_string());
            answer.headers_mut().insert("content-type", "application/json".parse().expect("a value"));
            answer
        })
        .await
    }

    /// Connections that were accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// An address where nobody listens.
    pub async fn nobody() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        listener.local_addr().expect("an address")
    }
}

/// Values by name, in order.
fn fields(headers: &HeaderMap) -> Value {
    let mut all = serde_json::Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        all.insert(name.to_string(), values.collect::<Vec<_>>().into());
    }
    all.into()
}

/// A whole answer.
pub fn answer(status: u16, body: &str) -> Response<BoxBody<Bytes, Infallible>> {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes())).boxed();
    Response::builder().status(status).body(body).expect("an answer")
}

/// The head of the next request in bytes; none at the connection's end.
pub async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Send bytes; the other side may have gone.
pub async fn write(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    let _ = stream.write_all(bytes.as_ref()).await;
}
