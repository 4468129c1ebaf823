//! A client over one HTTP/1.1 connection, kept alive and opened again as needed. Follows no redirects, and, unless
//! asked to, never sends a request twice that may have been received.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;

use crate::PATIENCE;

/// One whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// From before the request to the end of the body.
    pub took: Duration,
}

impl Answer {
    /// The first value of a field; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Errors
    /// The body isn't JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.text()))
    }
}

/// A connection to one address.
pub struct Client {
    address: SocketAddr,
    from: Option<IpAddr>,
    repeats: bool,
    repeated: u64,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Connects with the first request.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, from: None, repeats: false, repeated: 0, sender: None }
    }

    /// One that calls from that address.
    pub fn from(source: IpAddr, address: SocketAddr) -> Self {
        Self { from: Some(source), ..Self::new(address) }
    }

    /// Send an idempotent request once more if its connection breaks before the answer, as every browser does
    /// (RFC 9110, section 9.2.2).
    #[must_use]
    pub fn repeating(self) -> Self {
        Self { repeats: true, ..self }
    }

    /// How many it has sent once more since it was last asked.
    pub fn take_repeated(&mut self) -> u64 {
        std::mem::take(&mut self.repeated)
    }

    /// # Errors
    /// See [`Self::send`].
    pub async fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        self.send(Method::GET, path, fields).await
    }

    /// # Errors
    /// See [`Self::send`].
    pub async fn post(&mut self, path: &str) -> Result<Answer> {
        self.send(Method::POST, path, &[]).await
    }

    /// Send a request without body, and read the whole answer.
    ///
    /// # Errors
    /// There is none: no connection, or one that broke, or nothing came within [`PATIENCE`].
    pub async fn send(&mut self, method: Method, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let mut request = Request::builder().method(&method).uri(path).header(header::HOST, self.address.to_string());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default())?;
        let repeats = self.repeats && method.is_idempotent();
        let mut answer = tokio::time::timeout(PATIENCE, self.exchange(request.clone())).await;
        if repeats && matches!(answer, Ok(Err(_))) {
            self.sender = None;
            self.repeated += 1;
            answer = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        }
        if !matches!(answer, Ok(Ok(_))) {
            self.sender = None;
        }
        answer.context("no answer in time").flatten().with_context(|| format!("{method} {path} at {}", self.address))
    }

    async fn exchange(&mut self, mut request: Request<Full<Bytes>>) -> Result<Answer> {
        let start = Instant::now();
        let response = loop {
            let reused = self.sender.is_some();
            let mut sender = match self.sender.take() {
                Some(sender) => sender,
                None => connect(self.from, self.address).await?,
            };
            if sender.ready().await.is_err() && reused {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.sender = Some(sender);
                    break response;
                }
                Err(mut error) => match error.take_message() {
                    // The server had closed the idle connection; nothing was sent.
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body, took: start.elapsed() })
    }
}

async fn connect(from: Option<IpAddr>, address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(address).await.with_context(|| format!("can't connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors reach whoever waits for an answer.
    tokio::spawn(connection);
    Ok(sender)
}
