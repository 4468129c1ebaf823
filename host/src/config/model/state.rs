//! `[state]`: where plugins' `kv` and `limiter` keep what they know.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Secret;

/// Where shared state is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// In this gateway's memory: each gateway counts for itself.
    #[default]
    Memory,
    /// In Redis: all gateways with the same settings count together.
    Redis(Arc<Redis>),
}

/// How to reach Redis, and what to do without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    pub address: RedisAddress,
    /// Whose certificates count; none without TLS.
    pub tls: Option<Authorities>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// Which of the server's databases.
    pub database: u32,
    /// What all keys begin with.
    pub prefix: Arc<str>,
    /// For one operation. Default 100 ms.
    pub timeout: Duration,
    pub on_error: OnAway,
}

/// Where a Redis server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    /// A name or an address, without brackets.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

impl std::fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Who may vouch for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorities {
    /// Those that the system trusts.
    System,
    /// Those whose certificates these are, in PEM.
    These(Arc<str>),
}

/// What happens to calls while the store is away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnAway {
    /// They fail; what a plugin's failure does is its own `on_error`.
    Closed,
    /// Limits admit everything; values can't be had, as with `Closed`.
    Open,
    /// This gateway counts, and keeps values, for itself.
    #[default]
    Local,
}

impl OnAway {
    /// As it is written in the configuration.
    pub const ALL: [(&'static str, Self); 3] = [("local", Self::Local), ("closed", Self::Closed), ("open", Self::Open)];

    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }
}
