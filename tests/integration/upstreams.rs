//! Servers behind the gateway that want more than a plain connection.

use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;

use crate::harness::site::{Files, Site, cluster};
use crate::harness::soon;
use crate::harness::upstream::{Upstream, answer};

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
                let service = service_fn(|_| async { Ok::<_, std::convert::Infallible>(answer(200, "secret")) });
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
