//! A real ACME server, Let's Encrypt's Pebble, with a DNS server that says every name is this machine. Both end with the
//! test.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::{BROKEN, soon};

pub struct Pebble {
    directory: tempfile::TempDir,
    port: u16,
    management: u16,
    _children: [Process; 2],
}

/// Killed when it is dropped.
struct Process(Child);

impl Pebble {
    /// One that asks at these ports whether names are theirs. None, said by `test`'s name, where there is none.
    pub fn start(test: &str, http: u16, tls: u16) -> Option<Self> {
        if Command::new("pebble").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            eprintln!("skipped: {test}: there is no pebble; install it: apt-get install pebble");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let [port, management, dns, control] = std::array::from_fn(|_| free_port());
        let file = |name: &str| directory.path().join(name);
        certificate(&file("ca.pem"), &file("pebble.pem"), &file("pebble.key"));
        let local = |port: u16| format!("127.0.0.1:{port}");
        let config = json!({ "pebble": {
            "listenAddress": local(port),
            "managementListenAddress": local(management),
            "certificate": file("pebble.pem"),
            "privateKey": file("pebble.key"),
            "httpPort": http,
            "tlsPort": tls,
        }});
        std::fs::write(file("pebble.json"), config.to_string()).expect("a file");
        let mut names = Command::new("timeout");
        names.args(["600", "pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        names.args(["-dns01", &local(dns), "-management", &local(control)]);
        let names = Process::start(names, control);
        let mut pebble = Command::new("timeout");
        pebble.args(["600", "pebble", "-strict", "-dnsserver", &local(dns), "-config"]).arg(file("pebble.json"));
        // It waits up to 15 seconds otherwise, and refuses good nonces, three in a row now and then.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let pebble = Process::start(pebble, port);
        Some(Self { directory, port, management, _children: [names, pebble] })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// Whose certificates it gives: other ones each time it starts.
    pub async fn roots(&self) -> RootCertStore {
        let mut own = RootCertStore::empty();
        own.add(CertificateDer::from_pem_file(self.ca()).expect("a certificate")).expect("an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = builder.with_safe_default_protocol_versions().expect("versions");
        let config = Arc::new(config.with_root_certificates(own).with_no_client_auth());
        let stream = soon(tokio::net::TcpStream::connect(("127.0.0.1", self.management))).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = soon(TlsConnector::from(config).connect(name, stream)).await.expect("its certificate is good");
        let request = b"GET /roots/0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        soon(stream.write_all(request)).await.expect("it reads");
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.expect("it answers");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&answer).expect("a certificate in PEM")).expect("an authority");
        roots
    }

    /// The file of who vouches for its server.
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }
}

impl Process {
    fn start(mut command: Command, port: u16) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Self(quiet.spawn().expect("it starts"));
        let end = Instant::now() + BROKEN;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let has_ended = process.0.try_wait().expect("it can be asked").is_some();
            assert!(!has_ended && Instant::now() < end, "{command:?} doesn't listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // `timeout` passes it on.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on now, for programs that can't be asked which they chose.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    listener.local_addr().expect("its number").port()
}

/// An authority, and a certificate for `localhost` by it.
fn certificate(ca: &Path, certificate: &Path, key: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let own = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let signed = params.signed_by(&own, &issuer).expect("a certificate");
    for (path, text) in [(ca, issuer.pem()), (certificate, signed.pem()), (key, own.serialize_pem())] {
        std::fs::write(path, text).expect("a file");
    }
}
