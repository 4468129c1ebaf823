//! The bank: six services and a gateway as processes, started from a copy of the example's configuration.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use stage::{Client, Copy, Plan, Process};

const CONFIGURATION: &str = include_str!("../sluice.toml");

/// Each service: kind, name, and address in the example's configuration.
const SERVICES: [(&str, &str, &str); 6] = [
    ("accounts", "accounts", "127.0.0.1:9101"),
    ("transactions", "transactions", "127.0.0.1:9102"),
    ("rates", "rates", "127.0.0.1:9103"),
    ("shop", "shop-1", "127.0.0.1:9111"),
    ("shop", "shop-2", "127.0.0.1:9112"),
    ("shop", "shop-3", "127.0.0.1:9113"),
];
const PUBLIC: &str = "127.0.0.1:8080";
const ADMIN: &str = "127.0.0.1:9901";

/// Where the gateway and the services listen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// Where the system likes.
    Free,
    /// Where the example's configuration says, as far as nobody else is there.
    OfTheExample,
}

pub struct Bank {
    // Dropped in this order: the gateway first.
    pub gateway: Process,
    services: Vec<Service>,
    pub public: SocketAddr,
    pub admin: SocketAddr,
    copy: Copy,
}

pub struct Service {
    pub address: SocketAddr,
    process: Process,
}

impl Bank {
    /// Start everything, and wait until it is ready.
    pub async fn open(ports: Ports) -> Result<Self> {
        let copy = Copy::new("sluice-demo")?;
        copy.components(&root().join("target/bank/plugins"), "target/bank/plugins")?;
        let mut services = Vec::new();
        let mut addresses = Vec::new();
        for (kind, name, usual) in SERVICES {
            let service = Service::start(kind, name, ports.choose(usual)?).await?;
            addresses.push((usual, service.address));
            services.push(service);
        }
        addresses.push((PUBLIC, ports.choose(PUBLIC)?));
        addresses.push((ADMIN, ports.choose(ADMIN)?));
        let configuration = copy.configuration("examples/bank/sluice.toml", CONFIGURATION, &addresses)?;
        let mut run = Command::new(program("sluice")?);
        let gateway = Process::start("sluice", run.args(["run", "--config"]).arg(configuration))?;
        let after = |text: &'static str| move |line: &str| line.split_once(text)?.1.parse().ok();
        let public = gateway.line(0, "where it listens", after("listener public: http://")).await?;
        let admin = gateway.line(0, "where its admin API is", after("admin API: http://")).await?;
        gateway.line(0, "that it is ready", |line| line.contains("ready, with").then_some(())).await?;
        Ok(Self { gateway, services, public, admin, copy })
    }

    /// A new connection to the gateway.
    pub fn client(&self) -> Client {
        Client::new(self.public)
    }

    pub fn service(&self, name: &str) -> Result<&Service> {
        self.services.iter().find(|service| service.process.name() == name).with_context(|| format!("no {name}"))
    }

    /// What the admin API says at a path, under a key.
    pub async fn admin(&self, path: &str, key: &str) -> Result<serde_json::Value> {
        let mut answer = Client::new(self.admin).get(path, &[]).await?.json()?;
        answer.get_mut(key).map(serde_json::Value::take).with_context(|| format!("{path} has no {key}"))
    }

    /// The plan of a steady load on the shop.
    pub fn shoppers(&self) -> Plan {
        Plan {
            address: self.public,
            path: "/shop/hats".to_owned(),
            fields: Vec::new(),
            connections: 8,
            pace: std::time::Duration::from_millis(20),
            repeat: false,
        }
    }

    pub fn configuration(&self) -> PathBuf {
        self.copy.path("examples/bank/sluice.toml")
    }

    pub fn plugin(&self, file: &str) -> PathBuf {
        self.copy.path("target/bank/plugins").join(file)
    }
}

impl Service {
    async fn start(kind: &str, name: &str, address: SocketAddr) -> Result<Self> {
        let mut command = Command::new(program("bank-services")?);
        let process = Process::start(name, command.args([kind, &address.to_string(), name]))?;
        let find = |line: &str| line.split_once("listens on ")?.1.parse().ok();
        Ok(Self { address: process.line(0, "where it listens", find).await?, process })
    }

    /// Ask it to change its ways: `/_fail`, `/_leave` or `/_mend`.
    pub async fn ask(&self, path: &str) -> Result<()> {
        Client::new(self.address).post(path).await?;
        Ok(())
    }

    /// How many requests have reached it.
    pub async fn served(&self) -> Result<u64> {
        Ok(Client::new(self.address).get("/_seen", &[]).await?.field("x-served").parse()?)
    }

    /// The head of the last request as it reached this service.
    pub async fn seen(&self) -> Result<String> {
        Ok(Client::new(self.address).get("/_seen", &[]).await?.text())
    }
}

impl Ports {
    fn choose(self, usual: &str) -> Result<SocketAddr> {
        let address: SocketAddr = usual.parse()?;
        let free = self == Self::OfTheExample && TcpListener::bind(address).is_ok();
        Ok(if free { address } else { SocketAddr::from(([127, 0, 0, 1], 0)) })
    }
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A program that was built beside this one.
fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.exists(), "{} isn't built; run `cargo xtask demo`", path.display());
    Ok(path)
}
