//! What is wrong until it is mended, and how each plugin is doing: for people, by way of the log and the
//! admin API. Plain data.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::model::Isolation;
use crate::config::{Problem, model::OnError};
use crate::tls::Shown;

/// The state of everything that can be changed while the gateway runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    pub configuration: ConfigurationStatus,
    /// Configured plugins in the order of the configuration, then dropped ones by name.
    pub plugins: Vec<PluginStatus>,
    /// Of listeners with TLS, of the admin API, then of clusters, in the order of the configuration.
    pub certificates: Vec<CertificateStatus>,
}

/// Whose certificates they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Listener(Arc<str>),
    Admin,
    Cluster(Arc<str>),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listener(name) => write!(f, "listener {name}"),
            Self::Admin => f.write_str("admin"),
            Self::Cluster(name) => write!(f, "cluster {name}"),
        }
    }
}

/// The certificates of one listener, or those that connections to a cluster's endpoints begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStatus {
    pub owner: Owner,
    /// Those that are shown.
    pub shown: Vec<Shown>,
    /// Why the files aren't what serves, if they aren't.
    pub reason: Option<String>,
}

/// The state of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigurationStatus {
    pub file: PathBuf,
    /// Why what the files say now isn't what serves; empty if it is.
    pub problems: Vec<Problem>,
    /// Changes that the files ask for and that only a restart brings.
    pub needs_restart: Vec<String>,
}

/// How a plugin is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its file serves.
    Serving,
    /// An older version serves, since the file was refused.
    LastGood,
    /// There is no version that works; its calls fail.
    Unavailable,
    /// Nothing names it; the file looks as if it could serve.
    Unused,
    /// Nothing names it, and the file can't serve.
    Refused,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::LastGood => "last-good",
            Self::Unavailable => "unavailable",
            Self::Unused => "unused",
            Self::Refused => "refused",
        }
    }
}

/// One plugin, or one file that nothing names.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginStatus {
    pub name: Arc<str>,
    /// Relative to the drop-in directory.
    pub file: PathBuf,
    pub state: State,
    /// Why the file was refused, if it was.
    pub reason: Option<String>,
    /// SHA-256 in hexadecimal of the version that serves, or of the file if none does.
    pub digest: Option<String>,
    /// Of the same version, in bytes.
    pub size: Option<usize>,
    /// Names of WIT interfaces.
    pub hooks: Vec<&'static str>,
    pub grants: Vec<String>,
    pub isolation: Isolation,
    pub on_error: OnError,
}

impl Status {
    /// Files that are refused now.
    pub fn refused(&self) -> usize {
        let plugins = self.plugins.iter().filter(|plugin| plugin.reason.is_some()).count();
        let certificates = self.certificates.iter().filter(|certificates| certificates.reason.is_some()).count();
        plugins + certificates + usize::from(!self.configuration.problems.is_empty())
    }
}
