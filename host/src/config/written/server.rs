//! The tables that there is one of: `[admin]`, `[server]`, `[identity]`, `[plugins]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use toml::de::DeValue;

use super::keys;
use super::tls::{Certificates, Tls};
use crate::config::entry::Entry;
use crate::config::files::Surroundings;
use crate::config::model::Secret;
use crate::config::problem::{At, Fault};
use crate::config::{network, secrets, values};

/// `[admin]`
pub(in crate::config) struct Admin {
    pub address: Option<At<SocketAddr>>,
    pub hosts: Vec<String>,
    pub token: Option<Secret>,
    pub tls: Option<Tls>,
    pub probes: Option<Probes>,
    /// Whether a token is written, or something that vouches for clients' certificates, be it valid or not.
    pub is_guarded: bool,
}

/// `admin.probes`
pub(in crate::config) struct Probes {
    pub address: Option<At<SocketAddr>>,
    pub metrics: bool,
}

impl Admin {
    pub(super) fn read(top: &Entry<'_>, surroundings: &Surroundings<'_>) -> Option<Self> {
        let entry = top.table("admin", "[admin]")?.allow(&keys::ADMIN);
        let hosts = entry.list("hosts", "hosts = [\"gateway.example.com\"]", |node| {
            network::authority(node).map(str::to_ascii_lowercase)
        });
        let token = entry.read("token", |node| {
            let text = secrets::text(node, surroundings)?;
            // What a field value can carry as one word.
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                let message = "expected a token of visible ASCII characters without blanks";
                return Err(Fault::new(message, "use a long random word"));
            }
            Ok(Secret::new(text))
        });
        let tls_has =
            |key| matches!(entry.node("tls")?.value, DeValue::Table(tls) if tls.contains_key(key)).then_some(());
        let is_guarded = entry.has("token") || tls_has("client_ca").is_some();
        let tls = Tls::read(&entry);
        if let Some(Tls { certificates: Certificates::Acme(_), place, .. }) = &tls {
            let message = "certificates by ACME are for listeners";
            entry.report(place, "tls: acme", Fault::new(message, "write certificate = \"FILE\" and key = \"FILE\""));
        }
        Some(Self {
            address: entry.require("address", "\"127.0.0.1:9901\"", network::listen_address),
            hosts: hosts.map(|hosts| hosts.value.into_iter().map(|host| host.value).collect()).unwrap_or_default(),
            token: token.map(|token| token.value),
            tls,
            probes: Probes::read(&entry),
            is_guarded,
        })
    }
}

impl Probes {
    fn read(admin: &Entry<'_>) -> Option<Self> {
        let entry = admin.table("probes", "probes = { address = \"0.0.0.0:9902\" }")?.allow(&keys::PROBES);
        Some(Self {
            address: entry.require("address", "\"0.0.0.0:9902\"", network::listen_address),
            metrics: entry.read("metrics", values::boolean).is_some_and(|metrics| metrics.value),
        })
    }
}

/// `[server]`
#[derive(Default)]
pub(in crate::config) struct Server {
    pub threads: Option<usize>,
    pub drain: Option<Duration>,
    pub shutdown_delay: Option<Duration>,
    pub pid_file: Option<PathBuf>,
    pub trusted_proxies: Vec<IpNet>,
    pub name: Option<Arc<str>>,
    pub zone: Option<Arc<str>>,
}

impl Server {
    pub(super) fn read(top: &Entry<'_>) -> Self {
        let Some(entry) = top.table("server", "[server]") else { return Self::default() };
        let entry = entry.allow(&keys::SERVER);
        let threads = entry.read("threads", values::count(0, 1024));
        let networks = entry.list("trusted_proxies", "trusted_proxies = [\"10.0.0.0/8\"]", network::network);
        let time = |key, most| entry.read(key, values::duration(Duration::ZERO, most)).map(|time| time.value);
        Self {
            threads: threads.and_then(|threads| usize::try_from(threads.value).ok()),
            drain: time("drain", Duration::from_secs(24 * 3600)),
            shutdown_delay: time("shutdown_delay", Duration::from_secs(3600)),
            pid_file: entry.read("pid_file", values::path).map(|path| path.value),
            trusted_proxies: networks
                .map(|networks| networks.value.into_iter().map(|network| network.value).collect())
                .unwrap_or_default(),
            name: entry.read("name", network::token).map(|name| name.value),
            zone: entry.read("zone", values::name).map(|zone| zone.value),
        }
    }
}

/// `[identity]`
#[derive(Default)]
pub(in crate::config) struct Identity {
    pub subject: Option<At<HeaderName>>,
    pub issuer: Option<At<HeaderName>>,
    pub claims: Option<At<HeaderName>>,
}

impl Identity {
    pub(super) fn read(top: &Entry<'_>) -> Self {
        let Some(entry) = top.table("identity", "[identity]") else { return Self::default() };
        let entry = entry.allow(&keys::IDENTITY);
        let field = |key| {
            entry.read(key, |node| {
                let name = network::header_name(values::string(node)?)?;
                network::not_reserved(&name, "can't carry an identity")?;
                Ok(name)
            })
        };
        Self { subject: field("subject"), issuer: field("issuer"), claims: field("claims") }
    }
}

/// `[plugins]`
#[derive(Default)]
pub(in crate::config) struct Plugins {
    pub directory: Option<PathBuf>,
    pub cache: Option<PathBuf>,
}

impl Plugins {
    pub(super) fn read(top: &Entry<'_>) -> Self {
        let Some(entry) = top.table("plugins", "[plugins]") else { return Self::default() };
        let entry = entry.allow(&keys::PLUGINS);
        Self {
            directory: entry.read("directory", values::path).map(|path| path.value),
            cache: entry.read("cache", values::path).map(|path| path.value),
        }
    }
}
