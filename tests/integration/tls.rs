//! Listeners with TLS, spoken to by real clients.

use std::sync::Arc;

use http_body_util::combinators::BoxBody;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::harness::client::whole;
use crate::harness::site::{Files, Site, cluster};
use crate::harness::soon;
use crate::harness::upstream::Upstream;

/// An authority, and what it signs.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate and its key.
    pub fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let issuer: &Issuer<'_, KeyPair> = &self.0;
        (CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, issuer).unwrap(), key)
    }

    /// Write both as `STEM.pem` and `STEM.key`.
    pub fn write(&self, files: &Files, stem: &str, name: &str) {
        let (certificate, key) = self.sign(name);
        files.write(&format!("{stem}.key"), &key.serialize_pem());
        files.write(&format!("{stem}.pem"), &certificate.pem());
    }

    /// A client that trusts it, and shows this certificate if there is one.
    pub fn client(&self, shown: Option<(rcgen::Certificate, KeyPair)>, alpn: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A gateway with a listener `secure` before an upstream that tells what it saw.
async fn site(files: Files, tls: &str, more: &str) -> Site {
    let upstream = Upstream::mirror().await;
    let text = format!(
        "[[listener]]\nname = \"secure\"\naddress = \"127.0.0.1:0\"\ntls = {tls}\n{more}\
         [[route]]\nname = \"up\"\nlisteners = [\"secure\"]\ncluster = \"up\"\n{}",
        cluster("up", &[upstream.address])
    );
    files.start(&text).await
}

const FILES: &str = "{ certificate = \"a.pem\", key = \"a.key\" }";

async fn connect(site: &Site, config: &Arc<ClientConfig>, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let address = site.gateway.address("secure").unwrap();
    let stream = soon(TcpStream::connect(address)).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    soon(tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream)).await
}

type Sender = http1::SendRequest<BoxBody<bytes::Bytes, std::convert::Infallible>>;

async fn speak(stream: TlsStream<TcpStream>) -> Sender {
    let (sender, connection) = soon(http1::handshake(TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// One request; what the upstream saw of it.
async fn ask(sender: &mut Sender) -> Value {
    let request = http::Request::get("/x").header("host", "a.example.com").body(BoxBody::default()).unwrap();
    let (parts, body, _) = whole(soon(sender.send_request(request)).await.unwrap()).await;
    assert_eq!(parts.status, 200);
    serde_json::from_slice(&body).unwrap()
}

fn leaf(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Wait until a metric is so: a connection is closed before it is counted.
async fn counted(site: &Site, series: &str, value: f64) {
    soon(async {
        while site.metric(series).await != value {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn both_versions_of_http_over_tls() {
    let (files, authority) = (Files::new(), Authority::new());
    authority.write(&files, "a", "a.example.com");
    let site = site(files, FILES, "").await;
    let stream = connect(&site, &authority.client(None, &[]), "a.example.com").await.unwrap();
    let seen = ask(&mut speak(stream).await).await;
    assert_eq!(seen["fields"]["x-forwarded-proto"], json!(["https"]));

    let stream = connect(&site, &authority.client(None, &["h2", "http/1.1"]), "a.example.com").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://a.example.com/y")
        .body(BoxBody::<bytes::Bytes, std::convert::Infallible>::default())
        .unwrap();
    let (parts, body, _) = whole(soon(sender.send_request(request)).await.unwrap()).await;
    assert_eq!(parts.status, 200);
    let seen: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&seen["target"], &seen["fields"]["host"]), (&json!("/y"), &json!(["a.example.com"])));

    let text = site.admin("GET", "/metrics").await.text();
    assert!(text.contains("sluice_certificate_expiry_seconds{listener=\"secure\",name=\"a.example.com\"}"), "{text}");
    let listeners = site.admin("GET", "/api/v1/status").await.json()["listeners"].clone();
    assert_eq!(listeners[1]["tls"]["certificates"][0]["names"], json!(["a.example.com"]), "{listeners}");
}

#[tokio::test]
async fn certificates_change_under_open_connections_and_broken_ones_do_not() {
    let (files, authority) = (Files::new(), Authority::new());
    authority.write(&files, "a", "a.example.com");
    let site = site(files, FILES, "").await;
    let client = authority.client(None, &[]);
    let old = connect(&site, &client, "a.example.com").await.unwrap();
    let first = leaf(&old);
    let mut old = speak(old).await;
    ask(&mut old).await;

    // Without asking for a reload: the change is seen.
    authority.write(&site.files, "a", "a.example.com");
    let fresh = async || leaf(&connect(&site, &authority.client(None, &[]), "a.example.com").await.unwrap());
    site.status(|status| status.certificates.iter().all(|listener| listener.reason.is_none())).await;
    soon(async {
        while fresh().await == first {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let second = fresh().await;
    ask(&mut old).await;

    site.files.write("a.pem", "no certificate");
    site.status(|status| status.certificates.iter().any(|listener| listener.reason.is_some())).await;
    assert_eq!(fresh().await, second);
    let listeners = site.admin("GET", "/api/v1/status").await.json()["listeners"].clone();
    assert_eq!(listeners[1]["tls"]["state"], "last-good", "{listeners}");
    assert!(listeners[1]["tls"]["reason"].as_str().unwrap().ends_with("a.pem holds no certificate in PEM"));
    let reloads = site.admin("GET", "/api/v1/reloads").await.text();
    assert!(reloads.contains("listener secure: new certificates"), "{reloads}");
    assert!(reloads.contains("a.pem holds no certificate in PEM"), "{reloads}");
    authority.write(&site.files, "a", "a.example.com");
    site.status(|status| status.certificates.iter().all(|listener| listener.reason.is_none())).await;
    ask(&mut old).await;
}

#[tokio::test]
async fn clients_show_certificates_where_they_have_to() {
    let (files, authority, other) = (Files::new(), Authority::new(), Authority::new());
    authority.write(&files, "a", "a.example.com");
    files.write("ca.pem", &authority.0.pem());
    let tls = "{ certificate = \"a.pem\", key = \"a.key\", client_ca = \"ca.pem\" }";
    let site = site(files, tls, "").await;
    let good = authority.client(Some(authority.sign("alice")), &[]);
    ask(&mut speak(connect(&site, &good, "a.example.com").await.unwrap()).await).await;
    for bad in [authority.client(None, &[]), authority.client(Some(other.sign("mallory")), &[])] {
        // With TLS 1.3, the client has done its part before it is refused.
        if let Ok(stream) = connect(&site, &bad, "a.example.com").await {
            let mut sender = speak(stream).await;
            let request = http::Request::get("/").header("host", "a").body(BoxBody::default()).unwrap();
            assert!(soon(sender.send_request(request)).await.is_err());
        }
    }
    let series = "sluice_connections_refused_total{listener=\"secure\",reason=\"client-certificate\"}";
    counted(&site, series, 2.0).await;

    let text = std::fs::read_to_string(site.files.path("sluice.toml")).unwrap();
    let optional = text.replace("client_ca = \"ca.pem\"", "client_ca = \"ca.pem\", client_auth = \"optional\"");
    site.files.write("sluice.toml", &optional);
    site.gateway.reload().await;
    ask(&mut speak(connect(&site, &authority.client(None, &[]), "a.example.com").await.unwrap()).await).await;
}

#[tokio::test]
async fn sessions_are_resumed_on_any_thread() {
    let (files, authority) = (Files::new(), Authority::new());
    authority.write(&files, "a", "a.example.com");
    let site = site(files, FILES, "").await;
    let client = authority.client(None, &[]);
    for round in 0..12 {
        let stream = connect(&site, &client, "a.example.com").await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(if round == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed }), "{round}");
        // Tickets come after the handshake, with the answer.
        ask(&mut speak(stream).await).await;
    }
}

#[tokio::test]
async fn what_is_no_tls_is_closed_and_counted() {
    let site = site(Files::new(), "\"self-signed\"", "").await;
    let mut client = crate::harness::client::Client::connect(site.gateway.address("secure").unwrap()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!client.rest().await.starts_with(b"HTTP"));
    let series = "sluice_connections_refused_total{listener=\"secure\",reason=\"tls\"}";
    counted(&site, series, 1.0).await;
}

#[tokio::test]
async fn the_proxy_protocol_comes_before_tls() {
    use tokio::io::AsyncWriteExt as _;

    let (files, authority) = (Files::new(), Authority::new());
    authority.write(&files, "a", "a.example.com");
    let site = site(files, FILES, "proxy_protocol = [\"127.0.0.0/8\"]\n").await;
    let mut stream = soon(TcpStream::connect(site.gateway.address("secure").unwrap())).await.unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 5 443\r\n").await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(authority.client(None, &[]));
    let stream = soon(connector.connect("a.example.com".try_into().unwrap(), stream)).await.unwrap();
    let seen = ask(&mut speak(stream).await).await;
    assert_eq!(seen["fields"]["x-forwarded-for"], json!(["192.0.2.7"]));
}

#[tokio::test]
async fn a_start_without_good_certificates_says_what_is_wrong() {
    let files = Files::new();
    let path = files.configure(&format!("[[listener]]\nname = \"s\"\naddress = \"127.0.0.1:0\"\ntls = {FILES}\n"));
    let error = sluice::gateway::Gateway::start(sluice::gateway::Options::new(path)).await.unwrap_err().to_string();
    assert!(error.contains("listener \"s\": tls: ") && error.contains("a.pem can't be read: No such file"), "{error}");
}

#[tokio::test]
async fn tls_of_a_byte_stream_ends_at_the_gateway_and_goes_by_the_name_of_its_handshake() {
    // Says who it is, then repeats what it hears.
    let named = |name: &'static str| {
        Upstream::raw(move |_, mut stream| async move {
            stream.write_all(name.as_bytes()).await.unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            stream.write_all(&heard).await.unwrap();
        })
    };
    let (one, other) = (named("one:").await, named("other:").await);
    let (authority, files) = (Authority::new(), Files::new());
    authority.write(&files, "server", "*.example.com");
    files.write("clients.pem", &authority.0.pem());
    let text = format!(
        "[[listener]]\nname = \"secure\"\naddress = \"127.0.0.1:0\"\nprotocol = \"tcp\"\ncluster = \"other\"\n\
         sni = {{ \"one.example.com\" = \"one\" }}\n\
         tls = {{ certificate = \"server.pem\", key = \"server.key\", client_ca = \"clients.pem\" }}\n{}{}",
        cluster("one", &[one.address]),
        cluster("other", &[other.address])
    );
    let site = files.start(&text).await;
    let client = authority.client(Some(authority.sign("alice")), &["h2"]);
    let long: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for (name, says) in [("one.example.com", "one:"), ("two.example.com", "other:")] {
        let mut stream = connect(&site, &client, name).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), None);
        soon(stream.write_all(&long)).await.unwrap();
        // The end of one direction isn't the end of the other.
        stream.shutdown().await.unwrap();
        let mut heard = Vec::new();
        soon(stream.read_to_end(&mut heard)).await.unwrap();
        assert!(heard == [says.as_bytes(), &long].concat(), "{name}: {} bytes", heard.len());
    }
    let nobody = authority.client(None, &[]);
    let refused = async {
        let mut stream = connect(&site, &nobody, "one.example.com").await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    assert!(soon(refused).await.is_err(), "without a certificate");
    let counted = "sluice_connections_refused_total{listener=\"secure\",reason=\"client-certificate\"}";
    soon(async {
        while site.metric(counted).await != 1.0 {
            tokio::task::yield_now().await
        }
    })
    .await;
}
