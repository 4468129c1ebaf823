//! Who gets at the admin API: by TLS, client certificates, the token, and the address for probes. And what nobody gets.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sluice::gateway::{Gateway, Options};
use sluice::process::Inherited;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::client::{Answer, Client};
use crate::harness::site::{Files, TOKEN, replace};
use crate::harness::soon;
use crate::tls::Authority;

const REST: &str = "[plugins]\ncache = \"cache\"\n[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
                    [[route]]\nname = \"all\"\nrespond = { status = 200 }\n";

/// A gateway with this in `[admin]` besides the address.
async fn start(files: &Files, admin: &str) -> Gateway {
    let path = files.write("sluice.toml", &configuration(admin));
    soon(Gateway::start(Options::new(path))).await.unwrap_or_else(|error| panic!("{error}"))
}

fn configuration(admin: &str) -> String {
    format!("[admin]\naddress = \"127.0.0.1:0\"\n{admin}\n{REST}")
}

async fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = soon(TcpStream::connect(address)).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    soon(TlsConnector::from(config.clone()).connect(name, stream)).await
}

/// One request on an open connection; its status, and all of the answer as text.
async fn ask(stream: &mut TlsStream<TcpStream>, line: &str, fields: &str) -> std::io::Result<(u16, String)> {
    let host = stream.get_ref().0.peer_addr()?;
    stream.write_all(format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").as_bytes()).await?;
    let mut text = String::new();
    while !is_whole(&text) {
        let mut piece = [0; 4096];
        let count = soon(stream.read(&mut piece)).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    Ok((text[9..12].parse().unwrap(), text))
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}

/// A connection for one request.
async fn once(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    line: &str,
    fields: &str,
) -> std::io::Result<(u16, String)> {
    ask(&mut connect(address, config).await?, line, fields).await
}

fn bearer() -> String {
    format!("Authorization: Bearer {TOKEN}\r\n")
}

const TLS: &str =
    "tls = { certificate = \"admin.pem\", key = \"admin.key\", client_ca = \"ca.pem\", client_auth = \"optional\" }\n";

/// Files with a certificate for the admin API, and the authority that vouches for its clients too.
fn guarded() -> (Files, Authority) {
    let (files, authority) = (Files::new(), Authority::new());
    authority.write(&files, "admin", "127.0.0.1");
    files.write("ca.pem", &authority.pem());
    (files, authority)
}

#[tokio::test]
async fn a_client_certificate_does_what_a_token_does() {
    let (files, authority) = guarded();
    let gateway = start(&files, &format!("{TLS}token = \"{TOKEN}\"")).await;
    let address = gateway.admin_address().unwrap();
    let (nobody, alice) = (authority.client(None, &[]), authority.client(Some(authority.sign("alice")), &[]));
    for (client, line, fields, status) in [
        (&nobody, "GET /healthz", "", 200),
        (&nobody, "GET /api/v1/status", "", 401),
        (&nobody, "POST /api/v1/reload", "", 401),
        (&nobody, "POST /api/v1/reload", &*bearer(), 200),
        (&alice, "GET /api/v1/status", "", 200),
        (&alice, "GET /metrics", "", 200),
        (&alice, "POST /api/v1/reload", "", 200),
        // A browser shows it for whatever page asks.
        (&alice, "POST /api/v1/reload", "Origin: https://evil.example\r\n", 403),
        (&alice, "POST /api/v1/reload", "Sec-Fetch-Site: cross-site\r\n", 403),
        (&alice, "POST /api/v1/reload", &format!("Origin: https://{address}\r\nSec-Fetch-Site: same-origin\r\n"), 200),
    ] {
        let (got, text) = once(address, client, line, fields).await.unwrap();
        assert_eq!(got, status, "{line} {fields}: {text}");
    }
    let (_, status) = once(address, &alice, "GET /api/v1/status", "").await.unwrap();
    assert!(status.contains("\"admin\": {") && status.contains("admin.pem") && !status.contains(TOKEN), "{status}");
    let (_, metrics) = once(address, &alice, "GET /metrics", "").await.unwrap();
    assert!(metrics.contains("sluice_certificate_expiry_seconds{owner=\"admin\""), "{metrics}");
    // One that somebody else vouches for is none.
    let mallory = authority.client(Some(Authority::new().sign("alice")), &[]);
    assert!(once(address, &mallory, "GET /healthz", "").await.is_err());
}

#[tokio::test]
async fn who_does_not_encrypt_is_told_to() {
    let (files, _) = guarded();
    let gateway = start(&files, TLS).await;
    let mut client = Client::connect(gateway.admin_address().unwrap()).await;
    let answer = client.ask("GET", "/healthz", &[], b"").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("https://"), "{}", answer.text());
}

#[tokio::test]
async fn who_shows_no_certificate_where_there_is_no_token_learns_nothing() {
    let (files, authority) = guarded();
    let gateway = start(&files, TLS).await;
    let address = gateway.admin_address().unwrap();
    let nobody = authority.client(None, &[]);
    let (status, text) = once(address, &nobody, "GET /api/v1/status", "").await.unwrap();
    assert!(status == 403 && text.contains("admin.tls.client_ca"), "{text}");
    assert_eq!(once(address, &nobody, "GET /readyz", "").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_certificate_counts_as_long_as_its_authority_does() {
    let (files, authority) = guarded();
    let gateway = start(&files, &format!("{TLS}token = \"{TOKEN}\"")).await;
    let address = gateway.admin_address().unwrap();
    let alice = authority.client(Some(authority.sign("alice")), &[]);
    let mut open = connect(address, &alice).await.unwrap();
    assert_eq!(ask(&mut open, "GET /api/v1/status", "").await.unwrap().0, 200);
    // Another certificate of its own changes nothing for who is there.
    authority.write(&files, "admin", "127.0.0.1");
    gateway.reload().await;
    assert_eq!(ask(&mut open, "GET /api/v1/status", "").await.unwrap().0, 200);
    files.write("ca.pem", &Authority::new().pem());
    gateway.reload().await;
    assert_eq!(ask(&mut open, "GET /api/v1/status", "").await.unwrap().0, 401);
    // Nor is it answered in another way than is asked for now.
    let path = files.path("sluice.toml");
    replace(&path, configuration(&format!("token = \"{TOKEN}\"")).as_bytes());
    gateway.reload().await;
    assert_eq!(ask(&mut open, "GET /api/v1/status", &bearer()).await.unwrap().0, 421);
    let plain = Client::connect(address).await.ask("GET", "/healthz", &[("host", &address.to_string())], b"").await;
    assert_eq!(plain.status, 200);
}

#[tokio::test]
async fn a_start_without_good_certificates_says_what_is_wrong() {
    let files = Files::new();
    let path = files.write("sluice.toml", &configuration(TLS));
    let error = soon(Gateway::start(Options::new(path))).await.unwrap_err().to_string();
    assert!(error.contains("sluice.toml:3: admin.tls: ") && error.contains("admin.pem"), "{error}");
}

#[tokio::test]
async fn probes_have_an_address_of_their_own() {
    let files = Files::new();
    let gateway = start(&files, &format!("token = \"{TOKEN}\"\nprobes = {{ address = \"127.0.0.1:0\" }}")).await;
    let address = gateway.probes_address().unwrap();
    assert_ne!(Some(address), gateway.admin_address());
    let probe = async |method: &str, path: &str, host: &str| -> Answer {
        Client::connect(address).await.ask(method, path, &[("host", host)], b"").await
    };
    let own = address.to_string();
    for (method, path, host, status) in [
        ("GET", "/healthz", "pod.cluster.local", 200),
        ("HEAD", "/readyz", "pod.cluster.local", 200),
        ("POST", "/readyz", &own, 405),
        ("GET", "/metrics", &own, 404),
        ("GET", "/", &own, 404),
        ("GET", "/api/v1/status", &own, 404),
        ("POST", "/api/v1/reload", &own, 404),
    ] {
        assert_eq!(probe(method, path, host).await.status, status, "{method} {path}");
    }
    let changed = format!("token = \"{TOKEN}\"\nprobes = {{ address = \"127.0.0.1:0\", metrics = true }}");
    replace(&files.path("sluice.toml"), configuration(&changed).as_bytes());
    gateway.reload().await;
    assert_eq!(probe("GET", "/metrics", &own).await.status, 200);
    // A web page can make a browser ask any name.
    assert_eq!(probe("GET", "/metrics", "evil.example").await.status, 421);
}

#[tokio::test]
async fn a_successor_answers_at_both_addresses() {
    let files = Files::new();
    let first = start(&files, &format!("token = \"{TOKEN}\"\nprobes = {{ address = \"127.0.0.1:0\" }}")).await;
    let handed = Inherited::from_predecessor(first.hand_on().unwrap());
    let options = Options::new(files.path("sluice.toml")).with_inherited(handed);
    let second = soon(Gateway::start(options)).await.unwrap();
    let addresses = |gateway: &Gateway| [gateway.admin_address().unwrap(), gateway.probes_address().unwrap()];
    assert_eq!(addresses(&first), addresses(&second));
    soon(first.leave_to(&[])).await;
    for address in addresses(&second) {
        let answer = Client::connect(address).await.ask("GET", "/readyz", &[("host", &address.to_string())], b"").await;
        assert_eq!(answer.status, 200);
    }
}

/// Everything that can be read, and the page.
const PATHS: [&str; 14] = [
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/status",
    "/api/v1/routes",
    "/api/v1/plugins",
    "/api/v1/clusters",
    "/api/v1/refusals",
    "/api/v1/reloads",
    "/api/v1/log",
    "/api/v1/nothing",
    "/dashboard/main.js",
    "/dashboard/style.css",
];

#[tokio::test]
async fn no_answer_shows_a_secret_or_lets_another_page_have_it() {
    let files = Files::with_plugins(&["api-key"]);
    let config = "[tracing]\nendpoint = \"http://127.0.0.1:9\"\nprotocol = \"http\"\nheaders = { \"x-key\" = \"s3cret-1\" }\n\
         [[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nconfig = { keys = { \"s3cret-2\" = \"alice\" } }\n\
         [[route]]\nname = \"r\"\nplugins = [\"keys\"]\nrespond = { status = 200 }\n\
         match = { path = \"/r\", headers = { authorization = \"s3cret-3\" }, query = { token = \"s3cret-4\" } }\n";
    let site = files.start(config).await;
    // Refused, with secrets in everything that could be noted of it.
    let fields = [("authorization", "s3cret-3"), ("x-api-key", "s3cret-5"), ("cookie", "a=s3cret-6")];
    assert_eq!(site.ask("GET", "/r?token=s3cret-4&b=1", &fields, b"").await.status, 401);
    let address = site.gateway.admin_address().unwrap();
    let (host, token) = (address.to_string(), format!("Bearer {TOKEN}"));
    for accept in ["*/*", "text/html"] {
        for path in PATHS {
            let fields = [("host", &*host), ("authorization", &*token), ("accept", accept)];
            let answer = Client::connect(address).await.ask("GET", path, &fields, b"").await;
            let text = format!("{:?}{}", answer.fields, answer.text());
            assert!(!text.contains("s3cret") && !text.contains(TOKEN), "{path}: {text}");
            let policy = answer.field("content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
            assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
            assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.field("cross-origin-resource-policy"), Some("same-origin"), "{path}");
            for open in ["access-control-allow-origin", "set-cookie"] {
                assert_eq!(answer.field(open), None, "{path}");
            }
        }
    }
    let refusals = site.admin("GET", "/api/v1/refusals").await.text();
    assert!(refusals.contains("\"path\": \"/r\""), "{refusals}");
    // No page of another origin may ask for a change, not even whether it might.
    let asked = [("host", &*host), ("origin", "https://evil.example"), ("access-control-request-method", "PUT")];
    let answer = Client::connect(address).await.ask("OPTIONS", "/api/v1/endpoints", &asked, b"").await;
    assert!(answer.status >= 400 && answer.field("access-control-allow-methods").is_none());
}

#[tokio::test]
async fn nothing_changes_without_something_to_show() {
    let files = Files::new();
    let gateway = start(&files, "").await;
    let address = gateway.admin_address().unwrap();
    let host = address.to_string();
    for (method, path) in [("POST", "/api/v1/reload"), ("PUT", "/api/v1/log"), ("PUT", "/api/v1/endpoints")] {
        let answer = Client::connect(address).await.ask(method, path, &[("host", &*host)], b"").await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains("admin.token") && answer.text().contains("client_ca"), "{}", answer.text());
    }
    let answer = Client::connect(address).await.ask("GET", "/api/v1/status", &[("host", &*host)], b"").await;
    assert_eq!(answer.status, 200);
}
