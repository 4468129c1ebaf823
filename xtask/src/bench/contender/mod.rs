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
    /// The balancing policy in the program's own word; its default if empty.
    pub policy: &'static str,
    /// Whether endpoints that fail five times in a row are left alone for two seconds.
    pub ejection: bool,
    pub routes: u32,
    pub plugins: Plugins,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    Http,
    Tcp,
}

/// The chain of each route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugins {
    None,
    ApiKey {
        fresh: bool,
    },
    /// So many.
    Transform(u32),
}

/// A proxy and how it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contender {
    pub program: Program,
    pub setup: Setup,
}

/// Where requests end: an nginx that serves nothing else.
pub struct Backend {
    pub port: u16,
    _process: Process,
}

/// A running proxy.
pub struct Proxy {
    contender: Contender,
    port: u16,
    process: Process,
}

impl Backend {
    /// Start it.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start(bench: &Bench) -> Result<Self> {
        let port = free_port()?;
        let folder = bench.directory.join("served");
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        write(&folder.join("large"), &"0123456789abcdef".repeat(4096))?;
        let file = bench.directory.join("backend.conf");
        write(&file, &nginx::backend(&bench.directory, &folder, port))?;
        let mut command = bench.tools.bound(bench.cores.1, &bench.tools.nginx);
        let process = Process::start(command.arg("-c").arg(&file), port, &bench.directory.join("backend.log"))?;
        Ok(Self { port, _process: process })
    }
}

impl Contender {
    /// An HTTP proxy with one route and the defaults of its program.
    pub fn plain(program: Program) -> Self {
        let setup = Setup { layer: Layer::Http, policy: "", ejection: false, routes: 1, plugins: Plugins::None };
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
            (Plugins::ApiKey { fresh: false }, _) => ", pooled".to_owned(),
            (Plugins::ApiKey { fresh: true }, _) => ", fresh".to_owned(),
            (Plugins::Transform(1), _) => ", 1 plugin".to_owned(),
            (Plugins::Transform(count), _) => format!(", {count} plugins"),
            (Plugins::None, Setup { routes: 1, .. }) => String::new(),
            (Plugins::None, Setup { routes, .. }) => format!(", {routes} routes"),
        };
        format!("{program}{setup}")
    }
}

impl Proxy {
    /// Start a proxy before endpoints at these ports.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start(bench: &Bench, endpoints: &[u16], contender: Contender) -> Result<Self> {
        let port = free_port()?;
        let name = contender.name().replace(|c: char| !c.is_ascii_alphanumeric(), "").to_lowercase();
        let file = bench.directory.join(format!("{name}.conf"));
        let setup = &contender.setup;
        let (text, program, arguments) = match contender.program {
            Program::Nginx => (nginx::proxy(&bench.directory, setup, port, endpoints), &bench.tools.nginx, &["-c"][..]),
            Program::Haproxy => (haproxy::configuration(setup, port, endpoints), &bench.tools.haproxy, &["-f"][..]),
            Program::Envoy => (
                envoy::configuration(setup, port, endpoints),
                bench.tools.envoy()?,
                &["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "--config-path"][..],
            ),
            Program::Sluice => {
                (sluice::configuration(setup, port, free_port()?, endpoints), &bench.sluice, &["run", "--config"][..])
            }
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
