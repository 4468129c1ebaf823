//! A collector of traces, by OTLP over gRPC or HTTP.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::soon;

/// A collector, with what it got: the fields of each request, and its spans.
pub struct Collector {
    pub port: u16,
    received: mpsc::UnboundedReceiver<(HeaderMap, ExportTraceServiceRequest)>,
    pub spans: Vec<Span>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Speaks {
    Grpc,
    Http,
}

impl Collector {
    pub async fn start(speaks: Speaks, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, tls) = (sender.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, speaks, sender).await,
                        Some(tls) => {
                            let stream = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await.unwrap();
                            serve(stream, speaks, sender).await;
                        }
                    }
                });
            }
        });
        Self { port, received, spans: Vec::new() }
    }

    /// Wait for a span; the others that come meanwhile are kept.
    pub async fn span(&mut self, fits: impl Fn(&Span) -> bool) -> Span {
        loop {
            if let Some(found) = self.spans.iter().find(|span| fits(span)) {
                return found.clone();
            }
            self.more().await;
        }
    }

    /// Wait for another export; its fields and `service.name`.
    pub async fn more(&mut self) -> (HeaderMap, String) {
        let (headers, request) = soon(self.received.recv()).await.unwrap();
        let mut service = String::new();
        for group in request.resource_spans {
            let attributes = group.resource.unwrap().attributes;
            let named = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
            service = text(named.value.unwrap().value.unwrap());
            self.spans.extend(group.scope_spans.into_iter().flat_map(|group| group.spans));
        }
        (headers, service)
    }
}

async fn serve<S>(stream: S, speaks: Speaks, sender: mpsc::UnboundedSender<(HeaderMap, ExportTraceServiceRequest)>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let answer = ExportTraceServiceResponse::default().encode_to_vec();
            let (body, frames, kind) = match speaks {
                Speaks::Http => {
                    assert_eq!(parts.uri.path(), "/v1/traces");
                    (body, vec![Frame::data(Bytes::from(answer))], "application/x-protobuf")
                }
                Speaks::Grpc => {
                    assert_eq!(parts.uri.path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
                    // A flag and a length come before each message.
                    let mut framed = BytesMut::from(&[0, 0, 0, 0, u8::try_from(answer.len()).unwrap()][..]);
                    framed.extend_from_slice(&answer);
                    let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
                    let frames = vec![Frame::data(framed.freeze()), Frame::trailers(status)];
                    (body.slice(5..), frames, "application/grpc")
                }
            };
            let _ = sender.send((parts.headers, ExportTraceServiceRequest::decode(body).unwrap()));
            let answer = Response::builder().header("content-type", kind).body(Frames(frames.into_iter()));
            Ok::<_, Infallible>(answer.unwrap())
        }
    });
    let stream = TokioIo::new(stream);
    // Whatever ends it, the test sees by what it gets.
    let _ = match speaks {
        Speaks::Http => http1::Builder::new().serve_connection(stream, service).await,
        Speaks::Grpc => http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await,
    };
}

/// Frames that are there at once.
struct Frames(std::vec::IntoIter<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

fn text(value: Value) -> String {
    match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// The value of an attribute as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(text(found.value.clone()?.value?))
}
