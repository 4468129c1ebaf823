//! Certificates made for the purpose; a handshake without sockets.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection};

use super::*;
use crate::config::model::{CertificateFiles, Versions};

/// The files of a certificate for these names.
fn pair(contents: &mut Contents, stem: &str, names: &[&str]) -> CertificateFiles {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let files = CertificateFiles { certificate: format!("{stem}.pem").into(), key: format!("{stem}.key").into() };
    contents.insert(files.certificate.clone(), Ok(made.cert.pem().into_bytes()));
    contents.insert(files.key.clone(), Ok(made.signing_key.serialize_pem().into_bytes()));
    files
}

fn wanted(files: Vec<CertificateFiles>) -> Wanted {
    Wanted {
        certificates: Certificates::Files(files),
        client: None,
        versions: Versions::default(),
        is_http: true,
        place: "sluice.toml:1".into(),
    }
}

fn build(wanted: &Wanted, contents: &Contents) -> Result<Tls, TlsError> {
    Tls::build(wanted, contents, &Arc::default(), None)
}

/// Shake hands as a client that trusts these files; tells what the client saw.
fn shake(tls: &Tls, client: &Arc<ClientConfig>, name: &str) -> (ClientConnection, ServerConnection) {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(tls.config())).unwrap();
    for _ in 0..6 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut &bytes[..]).unwrap();
        server.process_new_packets().unwrap();
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut &bytes[..]).unwrap();
        client.process_new_packets().unwrap();
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    (client, server)
}

fn client(contents: &Contents) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for bytes in contents.values().flatten() {
        CertificateDer::pem_slice_iter(bytes).flatten().for_each(|root| roots.add(root).unwrap());
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let mut contents = Contents::new();
    let files = [
        pair(&mut contents, "a", &["a.example.com"]),
        pair(&mut contents, "wild", &["*.example.com", "example.com"]),
        pair(&mut contents, "other", &["Other.Example.ORG"]),
    ];
    let tls = build(&wanted(files.into()), &contents).unwrap();
    assert_eq!(tls.shown[1].names, ["*.example.com", "example.com"]);
    let client = client(&contents);
    let shown = |name: &str| {
        let (client, _) = shake(&tls, &client, name);
        let leaf = &client.peer_certificates().unwrap()[0];
        let of = |files: &str| CertificateDer::from_pem_slice(contents[Path::new(files)].as_ref().unwrap()).unwrap();
        ["a.pem", "wild.pem", "other.pem"].into_iter().find(|files| of(files) == *leaf).unwrap()
    };
    for (name, file) in [
        ("a.example.com", "a.pem"),
        ("b.example.com", "wild.pem"),
        ("example.com", "wild.pem"),
        ("other.example.org", "other.pem"),
    ] {
        assert_eq!(shown(name), file, "{name}");
    }
}

#[test]
fn names_that_nobody_has_get_the_first() {
    let mut contents = Contents::new();
    let files = [pair(&mut contents, "a", &["a.example.com"]), pair(&mut contents, "w", &["*.example.com"])];
    let made = files.iter().map(|files| {
        let content = |path: &Path| contents[path].as_ref().unwrap();
        let provider = aws_lc_rs::default_provider();
        Certificate::read(files, content(&files.certificate), content(&files.key), &provider).unwrap()
    });
    let resolver = Resolver::new(made.collect(), None);
    let first = resolver.named(Some("a.example.com"))[0].clone();
    let is_first = |name: Option<&str>| Arc::ptr_eq(&resolver.named(name)[0], &first);
    assert!(
        is_first(None)
            && is_first(Some("x.y.example.com"))
            && is_first(Some("com"))
            && is_first(Some("A.example.com."))
    );
    assert!(!is_first(Some("B.Example.Com")));
}

#[test]
fn what_is_wrong_with_files_is_said_without_showing_them() {
    let mut contents = Contents::new();
    let a = pair(&mut contents, "a", &["a"]);
    let b = pair(&mut contents, "b", &["b"]);
    contents.insert("empty".into(), Ok(Vec::new()));
    contents.insert("gone".into(), Err("No such file or directory (os error 2)".into()));
    contents.insert("broken".into(), Ok(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()));
    let of = |certificate: &Path, key: &Path| {
        let files = CertificateFiles { certificate: certificate.into(), key: key.into() };
        build(&wanted(vec![files]), &contents).unwrap_err().to_string()
    };
    assert_eq!(of(&a.certificate, &b.key), "the key in b.key doesn't belong to the certificate in a.pem");
    assert_eq!(of(Path::new("empty"), &a.key), "empty holds no certificate in PEM");
    assert_eq!(of(&a.certificate, Path::new("empty")), "empty holds no private key in PEM that isn't encrypted");
    assert_eq!(of(&a.certificate, &b.certificate), "b.pem holds no private key in PEM that isn't encrypted");
    assert_eq!(of(Path::new("gone"), &a.key), "gone can't be read: No such file or directory (os error 2)");
    assert_eq!(of(Path::new("broken"), &a.key), "broken holds a certificate that can't be read");
}

#[test]
fn sessions_outlive_certificates_but_not_those_who_vouch_for_clients() {
    let mut contents = Contents::new();
    let a = pair(&mut contents, "a", &["a"]);
    let wanted_a = wanted(vec![a]);
    let first = build(&wanted_a, &contents).unwrap();
    let client = client(&contents);
    let kind = |tls: &Tls| shake(tls, &client, "a").1.handshake_kind();
    assert_eq!(kind(&first), Some(HandshakeKind::Full));
    assert_eq!(kind(&first), Some(HandshakeKind::Resumed));
    let second = Tls::build(&wanted_a, &contents, &Arc::default(), Some(&first)).unwrap();
    assert_eq!(kind(&second), Some(HandshakeKind::Resumed));
    let ca = pair(&mut contents, "ca", &["ca"]).certificate;
    let judged = Wanted { client: Some(ClientCertificates { authorities: ca, required: false }), ..wanted_a.clone() };
    let third = Tls::build(&judged, &contents, &Arc::default(), Some(&second)).unwrap();
    assert_eq!(kind(&third), Some(HandshakeKind::Full));
}

#[test]
fn a_made_up_certificate_is_for_its_names() {
    let names = vec!["localhost".into(), "127.0.0.1".into()];
    let own = Wanted { certificates: Certificates::SelfSigned(names), ..wanted(Vec::new()) };
    let tls = build(&own, &Contents::new()).unwrap();
    assert_eq!(tls.shown[0].names, ["localhost"]);
    assert_eq!(tls.shown[0].file, None);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let (past, future) = (now - tls.shown[0].not_before, tls.shown[0].not_after - now);
    assert!((86_400..90_000).contains(&past), "{past}");
    assert!((396 * 86_400..=397 * 86_400).contains(&future), "{future}");
}

#[test]
fn a_verified_client_is_named() {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "an authority");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["alice.example.com".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "alice");
    params.subject_alt_names.push(SanType::URI("spiffe://example.com/alice".try_into().unwrap()));
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();

    let mut contents = Contents::new();
    let mut wanted = wanted(vec![pair(&mut contents, "a", &["a"])]);
    let plain = client(&contents);
    contents.insert("ca.pem".into(), Ok(issuer.pem().into_bytes()));
    wanted.client = Some(ClientCertificates { authorities: "ca.pem".into(), required: true });
    let tls = build(&wanted, &contents).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut with = ClientConfig::clone(&plain);
    let shown = rustls::sign::CertifiedKey::from_der(vec![leaf.der().clone()], key, &provider).unwrap();
    with.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown));
    let facts = Facts::of(&shake(&tls, &Arc::new(with), "a").1);
    assert_eq!((facts.version, facts.server_name.as_deref()), ("TLSv1.3", Some("a")));
    let client = facts.client.clone().unwrap();
    assert!(client.subject.contains("CN=alice"), "{client:?}");
    assert!(client.issuer.contains("an authority"), "{client:?}");
    assert_eq!(client.names, ["DNS:alice.example.com", "URI:spiffe://example.com/alice"]);
    assert_eq!(client.fingerprint.len(), 64);
    assert_eq!(facts.attributes()[0].0, "client-certificate-subject");
}

#[test]
fn an_authority_is_shown_its_challenge_and_clients_what_was_obtained() {
    let file = std::path::PathBuf::from("a.pem");
    let files = CertificateFiles { certificate: file.clone(), key: file.clone() };
    let mut wanted = wanted(Vec::new());
    wanted.certificates = Certificates::Acme(AcmeCertificate { names: vec!["a.example.com".into()], files });
    let challenges = Arc::new(Challenges::default());
    let build = |contents: &Contents| Tls::build(&wanted, contents, &challenges, None).unwrap();
    let mut contents = Contents::from([(file.clone(), Err("No such file".to_owned()))]);
    let shown = |tls: &Tls, client: &Arc<ClientConfig>| -> Option<Vec<u8>> {
        let name = ServerName::try_from("a.example.com").unwrap();
        let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(tls.config())).unwrap();
        let (mut hello, mut answer) = (Vec::new(), Vec::new());
        client.write_tls(&mut hello).unwrap();
        server.read_tls(&mut &hello[..]).unwrap();
        server.process_new_packets().ok()?;
        server.write_tls(&mut answer).unwrap();
        client.read_tls(&mut &answer[..]).unwrap();
        client.process_new_packets().ok();
        client.peer_certificates().map(|chain| chain[0].to_vec())
    };

    let nothing = build(&contents);
    assert!(nothing.shown.is_empty());
    let client = client(&contents);
    assert_eq!(shown(&nothing, &client), None);

    // As an authority asks: it trusts whatever it is shown, and looks into it.
    let trusting = rustls::ClientConfig::builder_with_provider(crate::tls::provider());
    let trusting = trusting.with_safe_default_protocol_versions().unwrap();
    let mut authority = trusting.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    authority.alpn_protocols = vec![ACME_TLS.to_vec()];
    let authority = Arc::new(authority);
    assert_eq!(shown(&nothing, &authority), None);
    let open = challenges.certify("a.example.com", &[9; 32]).unwrap();
    let mut server = ServerConnection::new(Arc::clone(nothing.config())).unwrap();
    let mut asking = ClientConnection::new(authority, ServerName::try_from("a.example.com").unwrap()).unwrap();
    let mut hello = Vec::new();
    asking.write_tls(&mut hello).unwrap();
    server.read_tls(&mut &hello[..]).unwrap();
    server.process_new_packets().unwrap();
    assert_eq!(server.alpn_protocol(), Some(ACME_TLS));
    drop(open);

    let made = rcgen::generate_simple_self_signed(["a.example.com".to_owned()]).unwrap();
    let text = format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem());
    contents.insert(file.clone(), Ok(text.into_bytes()));
    let obtained = build(&contents);
    assert_eq!(obtained.shown[0].names, ["a.example.com"]);
    contents.insert(file, Ok(b"damaged".to_vec()));
    assert!(build(&contents).shown.is_empty());
}
