//! Traces, as a collector gets them and as upstreams see their context.

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
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::{Upstream, answer};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();

/// A collector, with what it got: the fields of each request, and its spans.
struct Collector {
    port: u16,
    received: mpsc::UnboundedReceiver<(HeaderMap, ExportTraceServiceRequest)>,
    spans: Vec<Span>,
}

#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Grpc,
    Http,
}

impl Collector {
    async fn start(speaks: Speaks, tls: Option<Arc<ServerConfig>>) -> Self {
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
    async fn span(&mut self, fits: impl Fn(&Span) -> bool) -> Span {
        loop {
            if let Some(found) = self.spans.iter().find(|span| fits(span)) {
                return found.clone();
            }
            self.more().await;
        }
    }

    /// Wait for another export; its fields and `service.name`.
    async fn more(&mut self) -> (HeaderMap, String) {
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

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(text(found.value.clone()?.value?))
}

/// `[tracing]` with this more, and a route with a plugin to an upstream that tells what it saw.
async fn site(collector: &Collector, scheme: &str, more: &str) -> Site {
    let upstream = Upstream::mirror().await;
    let text = format!(
        "[tracing]\nendpoint = \"{scheme}://127.0.0.1:{}\"\nservice = \"edge\"\n\
         headers = {{ \"x-collector-key\" = \"secret\" }}\n{more}\n\
         [[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nconfig = {{ keys = {{ \"k\" = \"alice\" }} }}\n{}{}",
        collector.port,
        cluster("up", &[upstream.address]),
        route("up", "/up/*", &["keys"])
    );
    Files::with_plugins(&["api-key"]).start(&text).await
}

/// The tree of one request, whoever carries it.
async fn tells(mut collector: Collector, site: Site) {
    let fields = [("x-api-key", "k"), ("traceparent", PARENT), ("tracestate", "vendor=1, other=2")];
    let answer = site.ask("GET", "/up/7?token=hidden", &fields, b"").await;
    assert_eq!(answer.status, 200);
    let seen = answer.json();
    let server = collector.span(|span| span.kind == SpanKind::Server as i32 && span.trace_id == TRACE).await;
    assert_eq!(server.name, "GET up");
    assert_eq!(server.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(attribute(&server, "url.path").as_deref(), Some("/up/7"));
    assert_eq!(attribute(&server, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(attribute(&server, "sluice.request_id").as_deref(), answer.field("x-request-id"));
    let query = attribute(&server, "url.query").unwrap();
    assert!(!query.contains("hidden"), "{query}");

    let call = collector.span(|span| span.name == "keys authenticate").await;
    assert_eq!((&call.trace_id, &call.parent_span_id), (&server.trace_id, &server.span_id));
    assert_eq!(attribute(&call, "sluice.plugin.outcome").as_deref(), Some("identified"));
    assert!(call.start_time_unix_nano >= server.start_time_unix_nano);
    assert!(call.end_time_unix_nano <= server.end_time_unix_nano);

    let attempt = collector.span(|span| span.kind == SpanKind::Client as i32).await;
    assert_eq!((&attempt.trace_id, &attempt.parent_span_id), (&server.trace_id, &server.span_id));
    assert_eq!(attribute(&attempt, "sluice.cluster").as_deref(), Some("up"));
    assert!(attempt.start_time_unix_nano >= call.end_time_unix_nano);
    // The upstream's spans belong below the try.
    let hexadecimal: String = attempt.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let wanted = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{hexadecimal}-01");
    assert_eq!(seen["fields"]["traceparent"], serde_json::json!([wanted]));
    assert_eq!(seen["fields"]["tracestate"], serde_json::json!(["vendor=1, other=2"]));
    site.gateway.shutdown().await;
}

#[tokio::test]
async fn a_request_is_told_by_grpc() {
    let mut collector = Collector::start(Speaks::Grpc, None).await;
    let site = site(&collector, "http", "").await;
    site.get("/nothing").await;
    let (headers, service) = collector.more().await;
    assert_eq!((headers["x-collector-key"].to_str().unwrap(), &*service), ("secret", "edge"));
    let refused = collector.span(|span| span.name == "GET").await;
    assert_eq!(attribute(&refused, "http.response.status_code").as_deref(), Some("404"));
    assert!(refused.parent_span_id.iter().all(|byte| *byte == 0), "it has no caller");
    tells(collector, site).await;
}

#[tokio::test]
async fn a_request_is_told_by_http() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let site = site(&collector, "http", "protocol = \"http\"").await;
    site.get("/nothing").await;
    let (headers, service) = collector.more().await;
    assert_eq!((headers["x-collector-key"].to_str().unwrap(), &*service), ("secret", "edge"));
    tells(collector, site).await;
}

#[tokio::test]
async fn collectors_are_reached_over_tls() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    for (speaks, alpn, more) in [(Speaks::Grpc, "h2", ""), (Speaks::Http, "http/1.1", "protocol = \"http\"\n")] {
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let own = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut tls = builder.with_single_cert(vec![signed.der().clone()], own).unwrap();
        tls.alpn_protocols = vec![alpn.into()];
        let collector = Collector::start(speaks, Some(Arc::new(tls))).await;
        let files = tempfile::tempdir().unwrap();
        let ca = files.path().join("ca.pem");
        std::fs::write(&ca, issuer.pem()).unwrap();
        let site = site(&collector, "https", &format!("{more}ca = \"{}\"", ca.display())).await;
        tells(collector, site).await;
    }
}

#[tokio::test]
async fn callers_decide_and_what_they_get_wrong_begins_anew() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let site = site(&collector, "http", "protocol = \"http\"\nsample = 0").await;
    let seen = async |parents: &[&str], state: &str| {
        let mut fields = vec![("x-api-key", "k"), ("tracestate", state)];
        fields.extend(parents.iter().map(|parent| ("traceparent", *parent)));
        let seen = site.ask("GET", "/up/", &fields, b"").await.json()["fields"].clone();
        let parent = seen["traceparent"][0].as_str().unwrap().to_owned();
        assert_eq!(seen["traceparent"].as_array().unwrap().len(), 1, "{seen}");
        (parent, seen["tracestate"].clone())
    };
    let trace = &PARENT[..36];
    // Not told, and nobody behind tells either.
    let (parent, state) = seen(&[&PARENT.replace("-01", "-00")], "a=1").await;
    assert!(parent.starts_with(trace) && parent.ends_with("-00"), "{parent}");
    assert_eq!(state, serde_json::json!(["a=1"]));
    // A state that is no state goes no further, its trace does.
    let (parent, state) = seen(&[&PARENT.replace("-01", "-00")], "A=1").await;
    assert!(parent.starts_with(trace) && state.is_null(), "{parent} {state}");
    for wrong in [&[PARENT, PARENT][..], &["00-x"], &[]] {
        let (parent, state) = seen(wrong, "a=1").await;
        assert!(!parent.starts_with(trace) && parent.ends_with("-00") && state.is_null(), "{parent} {state}");
    }
    // Told, since its caller tells.
    seen(&[PARENT], "").await;
    let server = collector.span(|span| span.kind == SpanKind::Server as i32).await;
    assert_eq!(server.trace_id, TRACE);
    let servers = collector.spans.iter().filter(|span| span.kind == SpanKind::Server as i32);
    assert_eq!(servers.count(), 1);
}

#[tokio::test]
async fn tries_are_spans_of_their_own() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let upstream = Upstream::serving(async |_| answer(503, "busy")).await;
    let text = format!(
        "[tracing]\nendpoint = \"http://127.0.0.1:{}\"\nprotocol = \"http\"\n{}retries = {{ attempts = 1, on = [503] }}\n{}",
        collector.port,
        cluster("up", &[upstream.address]),
        route("up", "/*", &[])
    );
    let site = Files::new().start(&text).await;
    assert_eq!(site.get("/").await.status, 503);
    collector.span(|span| span.kind == SpanKind::Server as i32).await;
    let tries: Vec<&Span> = collector.spans.iter().filter(|span| span.kind == SpanKind::Client as i32).collect();
    let [first, second] = tries[..] else { panic!("{tries:?}") };
    assert_ne!(first.span_id, second.span_id);
    assert_eq!(attribute(second, "http.request.resend_count").as_deref(), Some("1"));
    assert!(second.start_time_unix_nano >= first.end_time_unix_nano);
}

#[tokio::test]
async fn a_collector_that_is_away_costs_traces_and_nothing_else() {
    let away = Upstream::nobody().await;
    let text = format!(
        "[tracing]\nendpoint = \"http://{away}\"\nprotocol = \"http\"\n[[route]]\nname = \"all\"\nrespond = {{ status = 200 }}\n"
    );
    let site = Files::new().start(&text).await;
    for _ in 0..3 {
        assert_eq!(site.get("/").await.status, 200);
    }
    soon(async {
        while site.metric("sluice_traces_total{result=\"failed\"}").await != 3.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(site.gateway.shutdown()).await;
}
