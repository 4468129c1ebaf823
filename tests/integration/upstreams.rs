//! Servers behind the gateway that want more than a plain connection.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;

use crate::harness::client::{Client2, whole};
use crate::harness::frames::frames;
use crate::harness::site::{Files, Site, cluster};
use crate::harness::soon;
use crate::harness::upstream::{Upstream, answer, read_head};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &*self.0).unwrap();
        (leaf, key)
    }

    /// What the gateway shows, as `gateway.pem` and `gateway.key`.
    fn write_gateway(&self, files: &Files) {
        let (leaf, key) = self.sign("gateway");
        files.write("gateway.key", &key.serialize_pem());
        files.write("gateway.pem", &leaf.pem());
    }

    /// A server with a certificate for `shop.test` that answers whom this authority vouches for.
    async fn server(&self) -> Upstream {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let judge =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let (leaf, key) = self.sign("shop.test");
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(judge)
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Upstream::raw(move |_, stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(|_| async { Ok::<_, Infallible>(answer(200, "secret")) });
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await
    }
}

async fn site(files: Files, upstream: &Upstream, tls: &str) -> Site {
    let cluster = cluster("up", &[upstream.address]);
    files.start(&format!("[[route]]\nname = \"up\"\ncluster = \"up\"\n{cluster}\ntls = {tls}\n")).await
}

async fn last_error(site: &Site) -> Value {
    site.admin("GET", "/api/v1/clusters").await.json()["clusters"][0]["endpoints"][0]["last_error"]["error"].clone()
}

#[tokio::test]
async fn who_cannot_be_verified_is_told_to_the_operator_alone() {
    let (files, authority) = (Files::new(), Authority::new("good"));
    files.write("ca.pem", &authority.0.pem());
    authority.write_gateway(&files);
    let upstream = authority.server().await;
    let tls = "{ ca = \"ca.pem\", certificate = \"gateway.pem\", key = \"gateway.key\", server_name = \"other.test\" }";
    let site = site(files, &upstream, tls).await;
    let refused = site.get("/").await;
    refused.assert_problem(502);
    for word in ["certificate", "TLS", "other.test", "127.0.0.1"] {
        assert!(!refused.text().contains(word), "{}", refused.text());
    }
    assert_eq!(last_error(&site).await, "its certificate is for another name");
    let series = "sluice_upstream_requests_total{cluster=\"up\",outcome=\"tls\"}";
    assert_eq!(site.metric(series).await, 1.0);
}

#[tokio::test]
async fn what_the_gateway_shows_to_upstreams_changes_with_its_files() {
    let (files, authority) = (Files::new(), Authority::new("good"));
    files.write("ca.pem", &authority.0.pem());
    Authority::new("other").write_gateway(&files);
    let upstream = authority.server().await;
    let tls = "{ ca = \"ca.pem\", certificate = \"gateway.pem\", key = \"gateway.key\", server_name = \"shop.test\" }";
    let site = site(files, &upstream, tls).await;
    site.get("/").await.assert_problem(502);
    assert_eq!(last_error(&site).await, "it wants a certificate that the gateway hasn't shown");

    // Without asking for a reload: the change is seen.
    authority.write_gateway(&site.files);
    soon(async {
        while site.get("/").await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(site.get("/").await.text(), "secret");
    let metrics = site.admin("GET", "/metrics").await.text();
    assert!(metrics.contains("sluice_certificate_expiry_seconds{cluster=\"up\","), "{metrics}");

    site.files.write("gateway.pem", "no certificate");
    site.status(|status| status.certificates.iter().any(|known| known.reason.is_some())).await;
    assert_eq!(site.get("/").await.status, 200);
    let clusters = site.admin("GET", "/api/v1/status").await.json()["clusters"].clone();
    assert_eq!((clusters[0]["name"].as_str(), clusters[0]["tls"]["state"].as_str()), (Some("up"), Some("last-good")));
    let reloads = site.admin("GET", "/api/v1/reloads").await.text();
    assert!(reloads.contains("cluster up: new certificates"), "{reloads}");
    assert!(reloads.contains("gateway.pem holds no certificate in PEM"), "{reloads}");
}

#[tokio::test]
async fn a_check_names_the_line_of_what_is_wrong() {
    let files = Files::new();
    files.write("ca.pem", "nothing");
    let text = "[[route]]\nname = \"up\"\ncluster = \"up\"\n[[cluster]]\nname = \"up\"\nendpoints = [\"127.0.0.1:1\"]\n\
                tls = { ca = \"ca.pem\", server_name = \"a\" }\n";
    let path = files.configure(text);
    let line = std::fs::read_to_string(&path).unwrap().lines().position(|line| line.starts_with("tls")).unwrap() + 1;
    let error = sluice::reload::Builder::check(&path).err().unwrap().to_string();
    let place = format!("{}:{line}: cluster \"up\": tls: ", path.display());
    assert!(error.contains(&place) && error.contains("ca.pem holds no certificate in PEM"), "{error}");
}

fn trailer(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
}

/// Speaks HTTP/2 with prior knowledge, and sends back what comes as it comes. At the end it says in trailers how it went, how
/// many pieces there were, and what was in the request's own.
async fn echo() -> Upstream {
    Upstream::raw(|_, stream| async move {
        let service = service_fn(|request: Request<Incoming>| async move {
            assert_eq!(request.uri().authority().unwrap(), "shop.test");
            assert_eq!(told(request.headers(), ["te"]), ["trailers"]);
            let (sender, body) = frames();
            tokio::spawn(async move {
                let mut request = request.into_body();
                let (mut pieces, mut told) = (0, HeaderMap::new());
                while let Some(Ok(frame)) = request.frame().await {
                    match frame.into_data() {
                        Ok(data) => {
                            pieces += 1;
                            // The gateway may have gone.
                            let _ = sender.send(Frame::data(data));
                        }
                        Err(frame) => told = frame.into_trailers().unwrap_or_default(),
                    }
                }
                told.extend(trailer("grpc-status", "0"));
                told.extend(trailer("x-pieces", &pieces.to_string()));
                let _ = sender.send(Frame::trailers(told));
            });
            let mut answer = Response::new(body);
            answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            Ok::<_, Infallible>(answer)
        });
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    })
    .await
}

/// The values of these fields.
fn told<'a, const N: usize>(fields: &'a HeaderMap, names: [&str; N]) -> [&'a str; N] {
    names.map(|name| fields.get(name).map_or("", |value| value.to_str().unwrap()))
}

fn call(method: &str) -> http::request::Builder {
    Request::post(format!("http://shop.test/shop.Orders/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

#[tokio::test]
async fn calls_of_grpc_pass_from_end_to_end() {
    let upstream = echo().await;
    let cluster = cluster("up", &[upstream.address]);
    let text = format!("[[route]]\nname = \"up\"\ncluster = \"up\"\n{cluster}\nprotocol = \"http2\"\n");
    let site = Files::new().start(&text).await;
    let mut client = Client2::connect(site.address()).await;

    let message = Bytes::from_static(b"\0\0\0\0\x02hi");
    let unary = client.send(call("Get").body(Full::new(message.clone())).unwrap()).await;
    let (parts, body, trailers) = whole(unary).await;
    assert_eq!(parts.status, 200);
    assert_eq!(told(&parts.headers, ["content-type"]), ["application/grpc"]);
    assert_eq!(body, message);
    assert_eq!(told(&trailers, ["grpc-status", "x-pieces"]), ["0", "1"]);

    let (sender, body) = frames();
    let mut chat = client.send(call("Chat").body(body).unwrap()).await.into_body();
    for text in ["one", "two", "three"] {
        sender.send(Frame::data(Bytes::from_static(text.as_bytes()))).unwrap();
        let frame = soon(chat.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text, "each is answered before the next is sent");
    }
    sender.send(Frame::trailers(trailer("x-sum", "3"))).unwrap();
    let end = soon(chat.frame()).await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(told(&end, ["grpc-status", "x-pieces", "x-sum"]), ["0", "3", "3"]);
    assert_eq!(upstream.connections(), 1, "both over one connection");
}

#[tokio::test]
async fn calls_of_grpc_are_told_of_errors_in_their_way_and_end_in_time() {
    // It says nothing, ever.
    let silent = Upstream::raw(async |_, mut stream| {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let text = format!(
        "[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nconfig = {{ keys = {{ \"k\" = \"alice\" }} }}\n\
         [[route]]\nname = \"guarded\"\nmatch = {{ path = \"/shop.Orders/Guarded\" }}\nplugins = [\"keys\"]\ncluster = \"gone\"\n\
         [[route]]\nname = \"gone\"\nmatch = {{ path = \"/shop.Orders/Gone\" }}\ncluster = \"gone\"\n\
         [[route]]\nname = \"slow\"\nmatch = {{ path = \"/shop.Orders/Slow\" }}\ncluster = \"slow\"\n{}{}",
        cluster("gone", &[Upstream::nobody().await]),
        cluster("slow", &[silent.address]),
    );
    let site = Files::with_plugins(&["api-key"]).start(&text).await;
    let mut client = Client2::connect(site.address()).await;
    let mut status = async |request: http::request::Builder| {
        let (parts, body, _) = whole(client.send(request.body(Full::new(Bytes::new())).unwrap()).await).await;
        assert_eq!((parts.status.as_u16(), body.len()), (200, 0));
        let [kind, status, message] = told(&parts.headers, ["content-type", "grpc-status", "grpc-message"]);
        assert_eq!(kind, "application/grpc");
        assert!(!message.is_empty());
        status.to_owned()
    };
    assert_eq!(status(call("Guarded")).await, "16", "unauthenticated, as the plugin says");
    assert_eq!(status(call("Nowhere")).await, "12", "unimplemented");
    assert_eq!(status(call("Gone")).await, "14", "unavailable");
    assert_eq!(status(call("Slow").header("grpc-timeout", "20m")).await, "4", "the deadline is exceeded");
    let many = (0..101).fold(call("Nowhere"), |call, number| call.header(format!("x-{number}"), "1"));
    assert_eq!(status(many).await, "8", "resource exhausted, before any route is looked for");
    // Others are told as ever.
    site.get("/shop.Orders/Nowhere").await.assert_problem(404);
}
