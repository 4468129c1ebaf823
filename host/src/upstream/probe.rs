//! One health check of one endpoint: a connection, a `GET`, or a call of the gRPC health protocol.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::connect::connect;
use super::endpoint::Endpoint;
use super::pool::Manner;
use super::tls::Tls;
use crate::config::model::{ClusterProtocol, HealthCheck, Probe, Statuses};
use crate::error::{Error, TlsFault};
use crate::io::Transport;
use crate::proxy_protocol::{self, Header, Version};

/// What a check says before and besides its request.
#[derive(Clone)]
pub(super) struct Greeting {
    pub host: Option<HeaderValue>,
    pub proxy_protocol: Option<Version>,
    pub manner: Manner,
}

impl Greeting {
    fn authority(&self) -> &str {
        let host = self.host.as_ref().and_then(|host| host.to_str().ok());
        // The path of a Unix socket is none.
        host.filter(|host| !host.contains('/')).unwrap_or("localhost")
    }
}

/// Whether the endpoint is well. A connection of its own each time: accepting one is part of that. An error says why
/// there is none.
pub(super) async fn probe(endpoint: &Endpoint, check: &HealthCheck, greeting: &Greeting) -> Result<bool, Error> {
    let header = greeting.proxy_protocol.map(|version| proxy_protocol::encode(version, &Header::Local));
    let tls = greeting.manner.tls.as_deref();
    let tls = tls.map(match &check.probe {
        Probe::Tcp => Tls::for_bytes,
        Probe::Grpc { .. } => Tls::for_http2,
        Probe::Http { .. } => Tls::for_requests,
    });
    let stream = connect(endpoint.address(), &header.unwrap_or_default(), tls, check.timeout).await?;
    // Without TLS nobody is asked.
    let agreed = tls.is_none() || stream.speaks_http2();
    let wants_http2 = match (&check.probe, greeting.manner.protocol) {
        (Probe::Grpc { .. }, _) => true,
        (Probe::Http { .. }, ClusterProtocol::Auto) => agreed,
        (Probe::Http { .. }, protocol) => protocol == ClusterProtocol::Http2,
        (Probe::Tcp, _) => return Ok(true),
    };
    if wants_http2 && !agreed {
        return Err(Error::Tls(TlsFault::NoProtocol));
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    Ok(match &check.probe {
        Probe::Tcp => true,
        Probe::Grpc { service } => grpc(stream, scheme, greeting, service).await.unwrap_or(false),
        Probe::Http { path, expect, body } => {
            let wanted = Wanted { expect, body: body.as_deref() };
            let answered = if wants_http2 {
                ask_http2(stream, scheme, path, greeting, &wanted).await
            } else {
                ask(stream, path, greeting, &wanted).await
            };
            answered.unwrap_or(false)
        }
    })
}

/// What a good answer has.
struct Wanted<'a> {
    expect: &'a Statuses,
    body: Option<&'a str>,
}

impl Wanted<'_> {
    async fn is_met_by(&self, answer: Response<Incoming>) -> Option<bool> {
        if !self.expect.has(answer.status()) {
            return Some(false);
        }
        let Some(wanted) = self.body else { return Some(true) };
        let body = Limited::new(answer.into_body(), MAX_BODY).collect().await.ok()?.to_bytes();
        Some(wanted.is_empty() || body.windows(wanted.len()).any(|part| part == wanted.as_bytes()))
    }
}

/// Whether a `GET` is answered as it should be; none if it isn't answered.
async fn ask(stream: Transport, path: &str, greeting: &Greeting, wanted: &Wanted<'_>) -> Option<bool> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path.parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(greeting.authority()).ok()?);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("sluice-health-check"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let judge = async { wanted.is_met_by(sender.send_request(request).await.ok()?).await };
    tokio::pin!(judge, connection);
    tokio::select! {
        judged = &mut judge => judged,
        // With `Connection: close` the answer and the end may come together.
        _ = &mut connection => judge.await,
    }
}

/// The same over HTTP/2.
async fn ask_http2(
    stream: Transport,
    scheme: &str,
    path: &str,
    greeting: &Greeting,
    wanted: &Wanted<'_>,
) -> Option<bool> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = format!("{scheme}://{}{path}", greeting.authority()).parse().ok()?;
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("sluice-health-check"));
    let judge = async { wanted.is_met_by(sender.send_request(request).await.ok()?).await };
    tokio::pin!(judge, connection);
    tokio::select! {
        judged = &mut judge => judged,
        _ = &mut connection => judge.await,
    }
}

/// The longest body that is looked at.
const MAX_BODY: usize = 64 << 10;

/// Whether the server says that it serves, by `grpc.health.v1.Health/Check` over HTTP/2 (gRPC's documentation:
/// Health checking protocol); none if it says nothing.
async fn grpc(stream: Transport, scheme: &str, greeting: &Greeting, service: &str) -> Option<bool> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
    let mut request = Request::new(Full::new(grpc_request(service)?));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("{scheme}://{}/grpc.health.v1.Health/Check", greeting.authority()).parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("sluice-health-check"));
    let judge = async {
        let answer = sender.send_request(request).await.ok()?;
        if answer.status() != StatusCode::OK || !says_ok(answer.headers()).unwrap_or(true) {
            return Some(false);
        }
        let body = Limited::new(answer.into_body(), MAX_BODY).collect().await.ok()?;
        let ok = body.trailers().and_then(says_ok).unwrap_or(false);
        Some(ok && is_serving(&body.to_bytes()))
    };
    tokio::pin!(judge, connection);
    tokio::select! {
        judged = &mut judge => judged,
        _ = &mut connection => judge.await,
    }
}

/// One uncompressed message: `HealthCheckRequest { string service = 1 }`.
fn grpc_request(service: &str) -> Option<Bytes> {
    let mut message = BytesMut::new();
    message.put_u8(0);
    // A name of a configuration has at most 128 bytes; one of 127 has its length in one byte.
    let length = u8::try_from(service.len()).ok().filter(|length| *length < 128)?;
    if length == 0 {
        message.put_u32(0);
        return Some(message.freeze());
    }
    message.put_u32(u32::from(length) + 2);
    message.put_u8(1 << 3 | 2);
    message.put_u8(length);
    message.put_slice(service.as_bytes());
    Some(message.freeze())
}

/// `HealthCheckResponse { ServingStatus status = 1 }` with `SERVING`, which is 1.
fn is_serving(message: &[u8]) -> bool {
    matches!(message, [0, _, _, _, _, 0x08, 1, ..])
}

/// Whether `grpc-status` is 0; none if it isn't there.
fn says_ok(fields: &HeaderMap) -> Option<bool> {
    fields.get("grpc-status").map(|status| status == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_health_protocol() {
        assert_eq!(grpc_request("").unwrap(), [0, 0, 0, 0, 0][..]);
        assert_eq!(grpc_request("ab").unwrap(), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b'][..]);
        assert!(grpc_request(&"x".repeat(128)).is_none());
        assert!(is_serving(&[0, 0, 0, 0, 2, 8, 1]));
        assert!(!is_serving(&[0, 0, 0, 0, 2, 8, 2]) && !is_serving(&[0, 0, 0, 0, 0]) && !is_serving(&[]));
    }
}
