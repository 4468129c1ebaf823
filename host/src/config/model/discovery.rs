//! Endpoints that DNS tells.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// `discovery = { dns = "…" }` or `{ srv = "…" }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    pub wanted: Wanted,
    /// Who is asked; if there are none, the system's servers.
    pub servers: Vec<SocketAddr>,
    pub family: Family,
    /// An answer holds at least so long. Default 1 s.
    pub min_ttl: Duration,
    /// And at most so long. Default 5 min.
    pub max_ttl: Duration,
    /// For one answer of one server. Default 2 s.
    pub timeout: Duration,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A host's addresses, each with that port.
    Host { name: Arc<str>, port: u16 },
    /// A service's hosts, with the port, priority and weight that each has.
    Service { name: Arc<str> },
}

/// Which addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Family {
    #[default]
    Both,
    Ipv4,
    Ipv6,
}

impl std::fmt::Display for Wanted {
    /// As it is written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Service { name } => f.write_str(name),
        }
    }
}
