//! A client of HTTP/1.1 that says exactly what it is told, and one of HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::soon;

/// A connection that is spoken to in bytes.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case, in order.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = soon(TcpStream::connect(address)).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self { stream: BufReader::new(stream) }
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream().write_all(bytes.as_ref())).await.expect("the gateway takes it");
    }

    /// Send a request and read its answer.
    pub async fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send(request(method, target, headers, body)).await;
        self.answer(method).await
    }

    /// The answer to a request with that method.
    pub async fn answer(&mut self, method: &str) -> Answer {
        let mut answer = self.head().await;
        if method == "HEAD" || matches!(answer.status, 204 | 304) {
            return answer;
        }
        if answer.field("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend_from_slice(&chunk);
            }
            answer.trailers = self.fields().await;
        } else if let Some(length) = answer.field("content-length") {
            answer.body = vec![0; length.parse().expect("a length")];
            soon(self.stream.read_exact(&mut answer.body)).await.expect("the whole body");
        } else {
            answer.body = self.rest().await;
        }
        answer
    }

    /// The head of an answer alone.
    pub async fn head(&mut self) -> Answer {
        let line = self.line().await;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        Answer { status, fields: self.fields().await, ..Answer::default() }
    }

    /// One piece of a chunked body; none at its end, where trailers follow.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line().await;
        let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("no chunk: {line:?}"));
        if size == 0 {
            return None;
        }
        let mut chunk = vec![0; size + 2];
        soon(self.stream.read_exact(&mut chunk)).await.expect("a whole chunk");
        chunk.truncate(size);
        Some(chunk)
    }

    /// So many bytes.
    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        soon(self.stream.read_exact(&mut bytes)).await.expect("that much");
        bytes
    }

    /// Everything until the connection ends, well or not.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset ends it too, and leaves what came before.
        let _ = soon(self.stream.read_to_end(&mut rest)).await;
        rest
    }

    /// Fields up to an empty line.
    async fn fields(&mut self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await;
            if line.is_empty() {
                return fields;
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        soon(self.stream.read_until(b'\n', &mut line)).await.expect("a line");
        let line = String::from_utf8_lossy(&line).into_owned();
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("the connection ended in {line:?}")).to_owned()
    }
}

/// A request in bytes. `Host` is `test` unless it is given, `Content-Length` is right unless framing is given.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let has = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !has("host") {
        head += "Host: test\r\n";
    }
    if !body.is_empty() && !has("content-length") && !has("transfer-encoding") {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

impl Answer {
    /// The value of a field that is there once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known == name);
        let (_, value) = values.next()?;
        assert!(values.next().is_none(), "{name} is there more than once: {self:?}");
        Some(value)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Check that it is a problem (RFC 9457) of that status, and tells nothing of what is behind the gateway.
    #[track_caller]
    pub fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        assert_eq!(problem["request_id"].as_str(), self.field("x-request-id"));
        let text = self.text();
        for leak in ["127.0.0.1", "wasm", "plugin", "os error", "hyper", "/plugins", ".toml"] {
            assert!(!text.contains(leak), "it tells of {leak:?}: {text}");
        }
    }
}

/// A connection of HTTP/2 by prior knowledge.
pub struct Client2(pub http2::SendRequest<BoxBody<Bytes, std::convert::Infallible>>);

impl Client2 {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = soon(TcpStream::connect(address)).await.expect("a connection");
        let (sender, connection) =
            soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self(sender)
    }

    /// Send a request; the answer's body is still to come.
    pub async fn send<B>(&mut self, request: Request<B>) -> Response<Incoming>
    where
        B: http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
    {
        soon(self.0.send_request(request.map(|body| body.boxed()))).await.expect("an answer")
    }

    pub async fn get(&mut self, target: &str) -> (http::response::Parts, Bytes, HeaderMap) {
        let uri = format!("http://test{target}");
        let request = Request::get(uri).body(Full::<Bytes>::default()).expect("a request");
        whole(self.send(request).await).await
    }
}

/// A whole answer: head, body, trailers.
pub async fn whole(answer: Response<Incoming>) -> (http::response::Parts, Bytes, HeaderMap) {
    let (parts, body) = answer.into_parts();
    let body = soon(body.collect()).await.expect("the whole body");
    let trailers = body.trailers().cloned().unwrap_or_default();
    (parts, body.to_bytes(), trailers)
}
