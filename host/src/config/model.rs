//! The resolved configuration: what the rest of the gateway works with. Every name in it is known
//! to exist, every default is filled in, every path is absolute. Nothing here reads files.

mod access;
mod address;
mod cluster;
mod discovery;
mod grants;
mod http;
mod limits;
mod place;
mod state;
mod tls;
mod tracing;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue, Method, StatusCode};

pub use access::{AccessFormat, AccessLog, AccessOutput, AccessWhen, SyslogTarget};
pub use address::Address;
pub use cluster::{
    Balance, Cluster, ClusterLimits, ClusterProtocol, Endpoint, HashKey, HealthCheck, Hedge, Keepalive,
    OutlierDetection, Probe, Retries, Statuses, Sticky, Timeouts,
};
pub use discovery::{Dns, Family, Wanted};
pub use grants::{Capability, Grants};
pub use http::{EncodedSlashes, Http, Underscores};
pub use limits::{ConnectionLimits, MemoryLimit, Overload};
pub use place::Place;
pub use state::{Authorities, OnAway, Redis, RedisAddress, State};
pub use tls::{
    Acme, AcmeCertificate, AcmeChallenge, CertificateFiles, Certificates, ClientCertificates, ClusterTls, Tls, Versions,
};

pub use tracing::{OtlpProtocol, SampleRate, Tracing};

/// One whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main file, absolute.
    pub path: PathBuf,
    /// Every file that was read for it: the main file, includes, `{ file = "…" }` values. Watched.
    pub files: Vec<PathBuf>,
    /// Directories in which a new file could match an `include` pattern. Watched.
    pub include_directories: Vec<PathBuf>,
    pub admin: Option<Admin>,
    pub access_log: Option<Arc<AccessLog>>,
    pub server: Server,
    pub overload: Overload,
    pub http: Http,
    pub identity: IdentityFields,
    pub plugins: PluginDirectory,
    pub state: State,
    pub tracing: Option<Arc<Tracing>>,
    /// There if a listener's certificates come by it.
    pub acme: Option<Acme>,
    pub listeners: Vec<Listener>,
    pub plugin: Vec<Plugin>,
    pub routes: Vec<Route>,
    pub clusters: Vec<Cluster>,
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub address: SocketAddr,
    /// Names that `Host` may carry besides the address itself.
    pub hosts: Vec<String>,
    /// Bearer token. Where `address` isn't loopback, there is one, or clients' certificates are asked for.
    pub token: Option<Secret>,
    /// None for plain HTTP. Whom its authorities vouch for may do what the token allows.
    pub tls: Option<Tls>,
    pub probes: Option<Probes>,
    /// Where the address is written, such as `sluice.toml:12`.
    pub place: Place,
}

impl Admin {
    /// Whether there is something by which somebody can show that he may change things.
    pub fn is_guarded(&self) -> bool {
        self.token.is_some() || self.tls.as_ref().is_some_and(|tls| tls.client.is_some())
    }
}

/// `admin.probes`: an address for those who ask for health alone, which asks for nothing in return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probes {
    pub address: SocketAddr,
    /// Whether `/metrics` is there too.
    pub metrics: bool,
    /// Where the address is written.
    pub place: Place,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Data threads; at least 1.
    pub threads: usize,
    /// How long in-flight exchanges may take to finish at shutdown.
    pub drain: Duration,
    /// How long it serves on at shutdown, when it says already that it isn't ready.
    pub shutdown_delay: Duration,
    /// Where the process's number is told.
    pub pid_file: Option<PathBuf>,
    /// Addresses whose forwarding fields are believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// The pseudonym in `Via` and `CDN-Loop`; unique for a fleet of gateways.
    pub name: Arc<str>,
    /// Where this gateway is, for clusters that prefer what is near.
    pub zone: Option<Arc<str>>,
}

/// `[identity]`: request fields that carry the identity upstream. Removed from every request on
/// entry; plugins can't write them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityFields {
    pub subject: Option<HeaderName>,
    pub issuer: Option<HeaderName>,
    /// The claims as JSON.
    pub claims: Option<HeaderName>,
}

/// `[plugins]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginDirectory {
    /// The drop-in directory.
    pub directory: PathBuf,
    /// Compiled code and last good versions; the gateway's own, mode 0700.
    pub cache: PathBuf,
}

/// `[[listener]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub name: Arc<str>,
    pub address: SocketAddr,
    pub protocol: Protocol,
    /// Networks whose connections begin with a PROXY protocol header.
    pub proxy_protocol: Vec<ipnet::IpNet>,
    /// Where the address is written, such as `sluice.toml:12`.
    pub place: Place,
    /// None if connections aren't encrypted.
    pub tls: Option<Tls>,
    pub limits: ConnectionLimits,
}

impl Config {
    /// The certificates that are obtained by ACME, each once.
    pub fn acme_certificates(&self) -> Vec<&AcmeCertificate> {
        let mut found: Vec<&AcmeCertificate> = Vec::new();
        for tls in self.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
            if let Certificates::Acme(certificate) = &tls.certificates
                && !found.contains(&certificate)
            {
                found.push(certificate);
            }
        }
        found
    }
}

/// What a listener speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2.
    Http,
    /// Bytes, passed on as they are.
    Tcp(Streams),
}

/// Where the byte streams of a `tcp` listener go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streams {
    /// Index into [`Config::clusters`]; none if only what `sni` names is served.
    pub cluster: Option<usize>,
    /// Clusters by the name that a TLS client asks for.
    pub sni: Vec<(HostPattern, usize)>,
    /// Without a byte in either direction. Default 10 minutes.
    pub idle_timeout: Duration,
}

/// `[[plugin]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    pub name: Arc<str>,
    /// The file's path relative to the drop-in directory.
    pub component: PathBuf,
    /// The configuration as JSON text, secrets filled in.
    pub config: Secret,
    /// Whether the file has a `config` key at all.
    pub has_config: bool,
    pub grants: Grants,
    pub limits: Limits,
    pub isolation: Isolation,
    pub on_error: OnError,
    /// Where its `kv` and `limiter` keep what they know; memory if it is granted neither.
    pub state: State,
    /// Where it is written, for messages: `sluice.toml:12`.
    pub place: Place,
}

/// Bounds of one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory and tables of one instance in bytes. Default 16 MiB.
    pub memory: usize,
    /// Computing time of one hook call; waiting isn't counted. Default 10 ms.
    pub time: Duration,
    /// Wall-clock time of one hook call, waiting included. Default 10 s.
    pub deadline: Duration,
    /// Computing time of `configure`. Default 1 s.
    pub configure: Duration,
    /// Instances over all threads. Default 64.
    pub instances: usize,
    /// Whole bodies for the body hooks, in bytes, decoded. Default 1 MiB.
    pub body: usize,
    /// Answers to `http-client` calls, each, in bytes. Default 1 MiB.
    pub response: usize,
    /// `http-client` calls in one exchange. Default 16.
    pub calls: u32,
    /// Log text of one hook call in bytes. Default 4 KiB.
    pub log: usize,
    /// Everything this plugin keeps in `kv`, in bytes. Default 16 MiB.
    pub kv: usize,
    /// Series of its own `metrics`. Default 1000.
    pub series: usize,
    /// Elements in all tables of one instance. Default 100,000.
    pub tables: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            time: Duration::from_millis(10),
            deadline: Duration::from_secs(10),
            configure: Duration::from_secs(1),
            instances: 64,
            body: 1 << 20,
            response: 1 << 20,
            calls: 16,
            log: 4 << 10,
            kv: 16 << 20,
            series: 1000,
            tables: 100_000,
        }
    }
}

/// How much exchanges share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Instances are used again by later exchanges.
    #[default]
    Pooled,
    /// Each exchange gets a fresh instance, used for all its hooks.
    Request,
}

/// What a plugin's failure does to its exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// It is answered 503.
    #[default]
    Closed,
    /// The chain goes on without this plugin.
    Open,
}

/// `[[route]]`
#[derive(Debug, Clone)]
pub struct Route {
    pub name: Arc<str>,
    /// Indexes into [`Config::listeners`].
    pub listeners: Vec<usize>,
    pub matcher: Match,
    /// Names of plugins, in order. They are configured ones or stems of dropped files.
    pub plugins: Vec<Arc<str>>,
    pub destination: Destination,
    /// Let requests without identity pass authenticators that found no credentials.
    pub anonymous: bool,
    /// With a wrong method, try less specific routes instead of answering 405.
    pub fall_through: bool,
    /// Where it is written, for messages.
    pub place: Place,
}

/// `match = { … }`
#[derive(Debug, Clone, Default)]
pub struct Match {
    pub host: HostPattern,
    pub path: PathPattern,
    /// Empty: any method. `GET` includes `HEAD`.
    pub methods: Vec<Method>,
    pub headers: Vec<(HeaderName, ValuePattern)>,
    pub query: Vec<(String, ValuePattern)>,
}

/// Lower case, without port and trailing dot.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    #[default]
    Any,
    /// `*.example.com` as `example.com`: one or more labels before it.
    Wildcard(String),
    Exact(String),
}

/// A path as segments. `/users/{id}/*` is `[Literal("users"), Capture("id")]` with `prefix`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    pub segments: Vec<Segment>,
    /// Ended in `/*`: this path and all below it.
    pub prefix: bool,
}

impl Default for PathPattern {
    /// `/*`
    fn default() -> Self {
        Self { segments: Vec::new(), prefix: true }
    }
}

/// One part of a path between slashes. An exact path with a trailing slash ends in `Literal("")`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Normalized as request paths are.
    Literal(String),
    Capture(Arc<str>),
}

/// What a header or query value has to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValuePattern {
    Present,
    Exact(String),
}

/// Where a route's requests go.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Indexes into [`Config::clusters`] with weights; weights sum to more than 0.
    Clusters(Vec<(usize, u32)>),
    Redirect(Redirect),
    Respond(Respond),
    /// The chain ends in an aggregate plugin.
    Chain,
}

/// `redirect = { … }`. What isn't set stays as the client asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    pub status: StatusCode,
    pub scheme: Option<String>,
    pub host: Option<String>,
    /// May hold `{name}` of the route's captures, which are encoded again.
    pub path: Option<String>,
}

/// `respond = { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respond {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: bytes::Bytes,
}

/// A text that never shows in logs or messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself. Never log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
