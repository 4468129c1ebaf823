//! What only a restart can change, and what of it the files ask for.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::model::Config;

/// As configured at the start.
#[derive(Clone, PartialEq)]
pub(super) struct Fixed {
    threads: usize,
    admin: Option<SocketAddr>,
    probes: Option<SocketAddr>,
    cache: PathBuf,
}

impl Fixed {
    pub fn of(config: &Config) -> Self {
        Self {
            threads: config.server.threads,
            admin: config.admin.as_ref().map(|admin| admin.address),
            probes: config.admin.as_ref().and_then(|admin| Some(admin.probes.as_ref()?.address)),
            cache: config.plugins.cache.clone(),
        }
    }

    /// What a restart would change.
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        [
            ("server.threads", self.threads != wanted.threads),
            ("admin.address", self.admin != wanted.admin),
            ("admin.probes.address", self.probes != wanted.probes),
            ("plugins.cache", self.cache != wanted.cache),
        ]
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(key, _)| key.to_owned())
        .collect()
    }
}
