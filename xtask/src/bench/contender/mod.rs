//! The proxies, set to do the same work: forwarding fields, `Via`, a request id both ways, keep-alive connections
//! upstream, no access log; or byte streams as they are.

mod envoy;
mod haproxy;
mod nginx;
mod sluice;

use std::path::Path;

use anyhow::{Context, Result};

use super::Bench;
use super::process::{Process, free_port};
use crate::command::output;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Nginx,
    Haproxy,
    Envoy,
    Sluice,
}

/// What it is told to do, besides where to listen and whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    pub layer: Layer,
    pub entry: Entry,
    /// The balancing policy in the program's own word; its default if empty.
    pub policy: &'static str,
    /// Whether endpoints that fail five times in a row are left alone for two seconds.
    pub ejection: bool,
    pub routes: u32,
    /// How many addresses the backend is known by.
    pub endpoints: u32,
    pub plugins: Plugins,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    Http,
    Tcp,
}

/// How clients come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// HTTP/1.1 or byte streams, unencrypted.
    Clear,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    Http2,
}

/// The chain of each route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugins {
    None,
    Gate {
        fresh: bool,
    },
    ApiKey {
        fresh: bool,
    },
    RateLimit,
    Aggregate,
    /// So many.
    Transform(u32),
}

/// A proxy and how it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contender {
    pub program: Program,
    pub setup: Setup,
}

/// What a configuration is written from.
struct Site<'a> {
    setup: &'a Setup,
    port: u16,
    /// For TLS.
    certificate: Option<&'a Certificate>,
    /// Addresses and ports.
    endpoints: &'a [String],
}

/// Where requests end: an nginx that serves nothing else.
pub struct Backend {
    pub addresses: Vec<String>,
    _process: Process,
}

/// A running proxy.
pub struct Proxy {
    contender: Contender,
    port: u16,
    process: Process,
}

impl Backend {
    /// Start it, to be reached by so many addresses.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start(bench: &Bench, addresses: u32) -> Result<Self> {
        let port = free_port()?;
        let folder = bench.directory.join("served");
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        for (name, size) in [("large", 64 << 10), ("huge", 10 << 20)] {
            write(&folder.join(name), &"0123456789abcdef".repeat(size / 16))?;
        }
        let mut all = vec![format!("127.0.0.1:{port}")];
        all.extend((1..addresses).map(|number| format!("127.0.{}.{}:{port}", 1 + number / 250, 1 + number % 250)));
        let file = bench.directory.join("backend.conf");
        write(&file, &nginx::backend(&bench.directory, &folder, &all))?;
        let mut command = bench.tools.bound(bench.cores.1, &bench.tools.nginx);
        let process = Process::start(command.arg("-c").arg(&file), port, &bench.directory.join("backend.log"))?;
        Ok(Self { addresses: all, _process: process })
    }
}

/// What proxies show to clients over TLS. `both.pem` has the certificate and the key.
struct Certificate {
    certificate: String,
    key: String,
    both: String,
}

impl Certificate {
    /// The one of this run, made if it isn't there.
    fn of(bench: &Bench) -> Result<Self> {
        let path = |name: &str| bench.directory.join(name);
        let [certificate, key, both] = ["certificate.pem", "key.pem", "both.pem"].map(path);
        if !both.exists() {
            let mut openssl = std::process::Command::new("openssl");
            openssl.args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "365",
            ]);
            openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
            output(openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate)).context("no certificate for TLS")?;
            write(&both, &(std::fs::read_to_string(&certificate)? + &std::fs::read_to_string(&key)?))?;
        }
        let text = |path: std::path::PathBuf| path.display().to_string();
        Ok(Self { certificate: text(certificate), key: text(key), both: text(both) })
    }
}

impl Contender {
    /// An HTTP proxy with one route and the defaults of its program.
    pub fn plain(program: Program) -> Self {
        let setup = Setup {
            layer: Layer::Http,
            entry: Entry::Clear,
            policy: "",
            ejection: false,
            routes: 1,
            endpoints: 1,
            plugins: Plugins::None,
        };
        Self { program, setup }
    }

    /// The same for byte streams.
    pub fn tcp(program: Program) -> Self {
        let mut contender = Self::plain(program);
        contender.setup.layer = Layer::Tcp;
        contender
    }

    /// The same with another policy.
    pub fn balanced(program: Program, policy: &'static str) -> Self {
        let mut contender = Self::plain(program);
        contender.setup.policy = policy;
        contender
    }

    /// The same, by turns, that leaves alone who fails.
    pub fn ejecting(program: Program) -> Self {
        let mut contender = Self::plain(program);
        contender.setup.ejection = true;
        contender
    }

    /// For people.
    pub fn name(&self) -> String {
        let program = match self.program {
            Program::Nginx => "nginx",
            Program::Haproxy => "HAProxy",
            Program::Envoy => "Envoy",
            Program::Sluice => "Sluice",
        };
        let setup = match (self.setup.plugins, self.setup) {
            (_, Setup { policy, .. }) if !policy.is_empty() => format!(", {policy}"),
            (Plugins::Gate { fresh: false } | Plugins::ApiKey { fresh: false }, _) => ", pooled".to_owned(),
            (Plugins::Gate { fresh: true } | Plugins::ApiKey { fresh: true }, _) => ", fresh".to_owned(),
            (Plugins::RateLimit, _) => ", limited".to_owned(),
            (Plugins::Aggregate, _) => ", aggregating".to_owned(),
            (Plugins::Transform(1), _) => ", 1 plugin".to_owned(),
            (Plugins::Transform(count), _) => format!(", {count} plugins"),
            (Plugins::None, Setup { endpoints, .. }) if endpoints > 1 => format!(", {endpoints} endpoints"),
            (Plugins::None, Setup { routes: 1, .. }) => String::new(),
            (Plugins::None, Setup { routes, .. }) => format!(", {routes} routes"),
        };
        format!("{program}{setup}")
    }
}

impl Proxy {
    /// Start a proxy before endpoints at these addresses.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start(bench: &Bench, endpoints: &[String], contender: Contender) -> Result<Self> {
        let port = free_port()?;
        let name = contender.name().replace(|c: char| !c.is_ascii_alphanumeric(), "").to_lowercase();
        let file = bench.directory.join(format!("{name}.conf"));
        let setup = &contender.setup;
        let certificate = match setup.entry {
            Entry::Clear => None,
            Entry::Tls | Entry::Http2 => Some(Certificate::of(bench)?),
        };
        let endpoints = endpoints.get(..setup.endpoints.max(1) as usize).unwrap_or(endpoints);
        let site = Site { setup, port, certificate: certificate.as_ref(), endpoints };
        let (text, program, arguments) = match contender.program {
            Program::Nginx => (nginx::proxy(&bench.directory, &site), &bench.tools.nginx, &["-c"][..]),
            Program::Haproxy => (haproxy::configuration(&site), &bench.tools.haproxy, &["-f"][..]),
            Program::Envoy => (
                envoy::configuration(&site),
                bench.tools.envoy()?,
                &["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "--config-path"][..],
            ),
            Program::Sluice => (sluice::configuration(&site, free_port()?), &bench.sluice, &["run", "--config"][..]),
        };
        write(&file, &text)?;
        let mut command = bench.tools.bound(bench.cores.0, program);
        command.args(arguments).arg(&file);
        let process = Process::start(&mut command, port, &bench.directory.join(format!("{name}.log")))?;
        Ok(Self { contender, port, process })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    pub fn entry(&self) -> Entry {
        self.contender.setup.entry
    }

    /// How many routes it has.
    pub fn routes(&self) -> u32 {
        self.contender.setup.routes
    }

    /// For people.
    pub fn name(&self) -> String {
        self.contender.name()
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("can't write {}", file.display()))
}
