//! The three arrangements as processes, on the ports of their configurations or on free ones. What is done to them,
//! [`trial`] and the program decide.

mod program;
pub mod trial;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use stage::{Client, Copy, Process};

pub use program::{build, program};

/// Where clients call, in every arrangement.
pub const PUBLIC: &str = "127.0.0.1:8080";

/// One arrangement: its directory, the files beside those of its gateways, and who runs.
#[derive(Debug, Clone, Copy)]
pub struct Arrangement {
    /// The directory's name.
    pub name: &'static str,
    /// Files that several of the configurations include.
    pub shared: &'static [&'static str],
    /// Those who serve: the last in the way of a request first.
    pub members: &'static [Member],
    /// Every address in the configurations.
    pub addresses: &'static [&'static str],
}

/// One process.
#[derive(Debug, Clone, Copy)]
pub enum Member {
    /// A service of that name, at that address.
    Service(&'static str, &'static str),
    /// A gateway or a balancer, by its configuration without `.toml`, and the addresses in it.
    Sluice(&'static str),
}

use Member::{Service, Sluice};

pub const BALANCER_FIRST: Arrangement = Arrangement {
    name: "balancer-first",
    shared: &["gateway/routes.toml"],
    members: &[
        Service("orders-1", "127.0.0.1:9101"),
        Service("orders-2", "127.0.0.1:9102"),
        Sluice("gateway-1"),
        Sluice("gateway-2"),
        Sluice("gateway-3"),
        Sluice("balancer"),
    ],
    addresses: &[PUBLIC, "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083", "127.0.0.1:9101", "127.0.0.1:9102"],
};

pub const GATEWAY_FIRST: Arrangement = Arrangement {
    name: "gateway-first",
    shared: &["orders/cluster.toml"],
    members: &[
        Service("orders-1", "127.0.0.1:9101"),
        Service("orders-2", "127.0.0.1:9102"),
        Service("stock-1", "127.0.0.1:9201"),
        Sluice("orders-balancer-1"),
        Sluice("orders-balancer-2"),
        Sluice("stock-balancer"),
        Sluice("gateway"),
    ],
    addresses: &[
        PUBLIC,
        "127.0.0.1:8091",
        "127.0.0.1:8092",
        "127.0.0.1:8093",
        "127.0.0.1:9101",
        "127.0.0.1:9102",
        "127.0.0.1:9201",
    ],
};

pub const BOTH_ENDS: Arrangement = Arrangement {
    name: "both-ends",
    shared: &["gateway/routes.toml", "orders/cluster.toml"],
    members: &[
        Service("orders-1", "127.0.0.1:9101"),
        Service("orders-2", "127.0.0.1:9102"),
        Sluice("orders-balancer-1"),
        Sluice("orders-balancer-2"),
        Sluice("gateway-1"),
        Sluice("gateway-2"),
        Sluice("gateway-3"),
        Sluice("balancer"),
    ],
    addresses: &[
        PUBLIC,
        "127.0.0.1:8081",
        "127.0.0.1:8082",
        "127.0.0.1:8083",
        "127.0.0.1:8091",
        "127.0.0.1:8092",
        "127.0.0.1:9101",
        "127.0.0.1:9102",
    ],
};

pub const ALL: [Arrangement; 3] = [BALANCER_FIRST, GATEWAY_FIRST, BOTH_ENDS];

/// An arrangement that runs. Dropped, all of it is killed.
pub struct Site {
    arrangement: Arrangement,
    copy: Copy,
    /// From what the configurations say to where it is.
    addresses: Vec<(&'static str, SocketAddr)>,
    /// The nearest to the client last; dropped in that order.
    running: Vec<(&'static str, Process)>,
}

impl Site {
    /// Start everything, and wait until it serves. With `free` on free ports, else where the configurations say.
    ///
    /// # Errors
    /// Something doesn't start.
    pub async fn open(arrangement: Arrangement, free: bool) -> Result<Self> {
        let copy = Copy::new(arrangement.name)?;
        let addresses = choose(arrangement.addresses, free)?;
        let configurations = arrangement.members.iter().filter_map(|member| match member {
            Sluice(name) => Some(format!("{name}.toml")),
            Service(..) => None,
        });
        for file in configurations.chain(arrangement.shared.iter().map(|file| (*file).to_owned())) {
            let path = directory().join(arrangement.name).join(&file);
            let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
            let named = addresses.iter().filter(|(old, _)| text.contains(&format!("\"{old}\"")));
            copy.configuration(&file, &text, &named.copied().collect::<Vec<_>>())?;
        }
        let mut site = Self { arrangement, copy, addresses, running: Vec::new() };
        for member in arrangement.members {
            site.start(member.name()).await?;
        }
        Ok(site)
    }

    /// Where it is what the configurations call that.
    ///
    /// # Errors
    /// They don't know that address.
    pub fn address(&self, written: &str) -> Result<SocketAddr> {
        let found = self.addresses.iter().find(|(old, _)| *old == written);
        Ok(found.with_context(|| format!("no configuration has {written}"))?.1)
    }

    /// A new connection to it.
    ///
    /// # Errors
    /// None, since all arrangements are called at one address.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(self.address(PUBLIC)?))
    }

    /// Start a member, again or for the first time, and wait until it is ready.
    ///
    /// # Errors
    /// There is none of that name, or it doesn't start.
    pub async fn start(&mut self, name: &str) -> Result<()> {
        let member = self.arrangement.members.iter().find(|member| member.name() == name);
        let member = member.with_context(|| format!("nobody is called {name}"))?;
        let mut command = match member {
            Service(name, address) => {
                let mut command = Command::new(program("arrangement-service")?);
                command.args([*name, &self.address(address)?.to_string()]);
                command
            }
            Sluice(name) => {
                let mut command = Command::new(program("sluice")?);
                command.args(["run", "--config"]).arg(self.copy.path(format!("{name}.toml")));
                command
            }
        };
        let process = Process::start(member.name(), &mut command)?;
        let ready = |line: &str| (line.contains("listens on") || line.contains("ready, with")).then_some(());
        process.line(0, "that it is ready", ready).await?;
        self.running.push((member.name(), process));
        Ok(())
    }

    /// Take a member that runs out of the site.
    ///
    /// # Errors
    /// It doesn't run.
    pub fn take(&mut self, name: &str) -> Result<Process> {
        let index = self.running.iter().position(|(known, _)| *known == name);
        Ok(self.running.remove(index.with_context(|| format!("{name} doesn't run"))?).1)
    }

    /// End everything in good order, clients' side first.
    ///
    /// # Errors
    /// Something doesn't end.
    pub async fn close(mut self) -> Result<()> {
        while let Some((_, mut process)) = self.running.pop() {
            process.terminate().await?;
        }
        Ok(())
    }
}

impl Member {
    pub fn name(&self) -> &'static str {
        match self {
            Service(name, _) | Sluice(name) => name,
        }
    }
}

/// Where the configurations are.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Free ports are found by binding them all at once, and letting go of them.
fn choose(written: &'static [&'static str], free: bool) -> Result<Vec<(&'static str, SocketAddr)>> {
    let mut held = Vec::new();
    let mut chosen = Vec::new();
    for address in written {
        let wanted: SocketAddr = address.parse()?;
        if !free {
            ensure!(TcpListener::bind(wanted).is_ok(), "{address} is in use");
            chosen.push((*address, wanted));
            continue;
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        chosen.push((*address, listener.local_addr()?));
        held.push(listener);
    }
    Ok(chosen)
}
