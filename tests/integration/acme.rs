//! Certificates obtained from a real ACME server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sluice::snapshot::status::CertificateStatus;
use tokio::net::TcpStream;

use crate::harness::pebble::{Pebble, free_port};
use crate::harness::site::{Files, Site};
use crate::harness::soon;

const RESPOND: &str =
    "[[route]]\nname = \"all\"\nlisteners = [\"public\", \"secure\"]\nrespond = { status = 200, body = \"well\" }\n";

/// Wait for the first certificate.
async fn obtained(site: &Site) {
    let settled = |owner: &CertificateStatus| !owner.shown.is_empty() || owner.reason.is_some();
    site.status(|status| status.certificates.iter().all(settled)).await;
    let owners = site.gateway.status().borrow().certificates.clone();
    assert!(owners.iter().all(|owner| owner.reason.is_none()), "{owners:?}");
}

/// The certificates that a client is shown who trusts these authorities.
async fn shown(site: &Site, name: &str, roots: RootCertStore) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let config = builder.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(site.gateway.address("secure").unwrap()).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = soon(tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream)).await?;
    Ok(stream.get_ref().1.peer_certificates().unwrap().iter().map(|one| one.clone().into_owned()).collect())
}

/// `[acme]`, and listeners at these ports: one with TLS, one without.
fn configuration(pebble: &Pebble, challenge: &str, http: u16, tls: u16) -> String {
    format!(
        "[acme]\ndirectory = \"{}\"\nca = \"{}\"\nstorage = \"acme\"\ncontact = [\"mailto:ops@example.com\"]\n\
         challenge = \"{challenge}\"\n\
         [[listener]]\nname = \"plain\"\naddress = \"127.0.0.1:{http}\"\n\
         [[listener]]\nname = \"secure\"\naddress = \"127.0.0.1:{tls}\"\n\
         tls = {{ acme = [\"www.example.test\", \"api.example.test\"] }}\n{RESPOND}",
        pebble.url(),
        pebble.ca().display()
    )
}

/// The files below a folder, with their modes.
fn kept(folder: &Path) -> Vec<(String, u32)> {
    let authority = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let files = std::fs::read_dir(authority).unwrap().map(|file| {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        (file.file_name().into_string().unwrap(), mode)
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

async fn obtains(test: &str, challenge: &str) {
    let (http, tls) = (free_port(), free_port());
    let Some(pebble) = Pebble::start(test, http, tls) else { return };
    let site = Files::new().start(&configuration(&pebble, challenge, http, tls)).await;
    // It serves before there is a certificate, and shows it as soon as there is one.
    obtained(&site).await;
    let names = site.gateway.status().borrow().certificates[0].shown[0].names.clone();
    assert!(names.contains(&"www.example.test".to_owned()) && names.contains(&"api.example.test".to_owned()));
    let roots = pebble.roots().await;
    let chain = shown(&site, "api.example.test", roots.clone()).await.unwrap();
    assert!(chain.len() > 1, "the authority's own certificates come with it");
    let files = kept(&site.files.path("acme"));
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.iter().all(|(_, mode)| *mode == 0o600), "{files:?}");
    // By the first of its names.
    let expiry = format!("sluice_certificate_expiry_seconds{{listener=\"secure\",name=\"{}\"}}", names[0]);
    soon(async {
        while site.metric(&expiry).await < 1e9 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // A new process shows what the old one has obtained, before it asks anybody.
    let Site { files, gateway } = site;
    gateway.shutdown().await;
    drop(pebble);
    let text = std::fs::read_to_string(files.path("sluice.toml")).unwrap();
    let again = sluice::gateway::Gateway::start(sluice::gateway::Options::new(files.write("sluice.toml", &text)));
    let site = Site { files, gateway: soon(again).await.unwrap() };
    assert_eq!(shown(&site, "www.example.test", roots).await.unwrap(), chain);
}

#[tokio::test]
async fn a_certificate_is_obtained_by_a_handshake() {
    obtains("a_certificate_is_obtained_by_a_handshake", "tls-alpn-01").await;
}

#[tokio::test]
async fn a_certificate_is_obtained_by_an_answer() {
    obtains("a_certificate_is_obtained_by_an_answer", "http-01").await;
}

#[tokio::test]
async fn a_certificate_near_its_end_is_renewed_and_the_account_is_kept() {
    let (http, tls) = (free_port(), free_port());
    let test = "a_certificate_near_its_end_is_renewed_and_the_account_is_kept";
    let Some(pebble) = Pebble::start(test, http, tls) else { return };
    let text = configuration(&pebble, "tls-alpn-01", http, tls);
    let site = Files::new().start(&text).await;
    obtained(&site).await;
    let (file, good) = {
        let status = site.gateway.status();
        let status = status.borrow();
        let shown = &status.certificates[0].shown[0];
        (shown.file.clone().unwrap(), shown.not_after)
    };
    let account = file.with_file_name("account.json");
    let before = std::fs::read(&account).unwrap();
    let Site { files, gateway } = site;
    gateway.shutdown().await;

    let names = ["www.example.test", "api.example.test"].map(str::to_owned);
    let mut old = rcgen::CertificateParams::new(names).unwrap();
    old.not_before = rcgen::date_time_ymd(2020, 1, 1);
    old.not_after = rcgen::date_time_ymd(2020, 4, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&file, format!("{}{}", key.serialize_pem(), old.self_signed(&key).unwrap().pem())).unwrap();
    let site = files.start(&text).await;
    site.status(|status| status.certificates[0].shown.iter().any(|shown| shown.not_after >= good)).await;
    assert_eq!(std::fs::read(&account).unwrap(), before);
}

#[tokio::test]
async fn an_authority_that_is_away_holds_nothing_else_up_and_is_named() {
    let (port, away) = (free_port(), free_port());
    let text = format!(
        "[acme]\ndirectory = \"https://localhost:{away}/dir\"\nca = \"ca.pem\"\n\
         [[listener]]\nname = \"secure\"\naddress = \"127.0.0.1:{port}\"\ntls = {{ acme = [\"www.example.test\"] }}\n{RESPOND}"
    );
    let files = Files::new();
    let made = rcgen::generate_simple_self_signed(["ca".to_owned()]).unwrap();
    files.write("ca.pem", &made.cert.pem());
    let site = files.start(&text).await;
    assert_eq!(site.get("/").await.status, 200);
    site.status(|status| status.certificates.iter().any(|owner| owner.reason.is_some())).await;
    let listeners = site.admin("GET", "/api/v1/status").await.json()["listeners"].clone();
    let reason = listeners[1]["tls"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&format!("localhost:{away} can't be reached")), "{reason}");
    assert!(shown(&site, "www.example.test", RootCertStore::empty()).await.is_err());
}
