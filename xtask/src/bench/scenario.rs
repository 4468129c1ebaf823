//! What is asked of whom.

use super::contender::{Contender, Entry, Plugins, Program};

/// One kind of request, and those who have to answer it.
pub struct Scenario {
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    pub target: &'static str,
    /// Fields of each request besides the usual ones.
    pub fields: &'static [&'static str],
    /// Lua for `wrk`, where it has to be told more; `routes` is how many the contender has.
    pub script: &'static str,
    pub contenders: Vec<Contender>,
}

impl Scenario {
    fn new(name: &'static str, what: &'static str, contenders: Vec<Contender>) -> Self {
        Self { name, what, target: SMALL, fields: &[], script: "", contenders }
    }

    fn to(mut self, target: &'static str) -> Self {
        self.target = target;
        self
    }

    fn with(mut self, fields: &'static [&'static str]) -> Self {
        self.fields = fields;
        self
    }

    fn scripted(mut self, script: &'static str) -> Self {
        self.script = script;
        self
    }

    /// Whether plugins have to be built for it.
    pub fn has_plugins(&self) -> bool {
        self.contenders.iter().any(|contender| contender.setup.plugins != Plugins::None)
    }
}

/// The key that `api-key` and `gate` know.
pub const KEY: &str = "a-long-random-word";
const WITH_KEY: &[&str] = &["x-api-key: a-long-random-word"];
/// HTTP/1 alone knows it.
const NEW_CONNECTION: &[&str] = &["connection: close"];

const SMALL: &str = "/small?x=1";

/// All scenarios in the order of the report.
pub fn all() -> Vec<Scenario> {
    let mut all = proxying();
    all.extend(plugins());
    all.extend(scaling());
    all.extend(streams());
    all
}

/// All proxies, set up in the same way.
fn everybody(change: impl Fn(&mut Contender)) -> Vec<Contender> {
    let mut contenders =
        [Program::Nginx, Program::Haproxy, Program::Envoy, Program::Sluice].map(Contender::plain).to_vec();
    contenders.iter_mut().for_each(change);
    contenders
}

fn sluice(change: impl FnOnce(&mut Contender)) -> Contender {
    let mut contender = Contender::plain(Program::Sluice);
    change(&mut contender);
    contender
}

fn with(plugins: Plugins) -> Contender {
    sluice(|contender| contender.setup.plugins = plugins)
}

/// What every proxy does.
fn proxying() -> Vec<Scenario> {
    let plain = || everybody(|_| {});
    let entered_by = |entry| everybody(|contender| contender.setup.entry = entry);
    vec![
        Scenario::new("plain", "a GET, an answer of 130 bytes", plain()),
        Scenario::new("download", "a GET, an answer of 64 KiB", plain()).to("/large"),
        Scenario::new("download-10m", "a GET, an answer of 10 MiB", plain()).to("/huge"),
        Scenario::new("upload", "a POST of 64 KiB, an answer of 130 bytes", plain())
            .scripted("wrk.method = 'POST'\nwrk.body = string.rep('x', 65536)\n"),
        Scenario::new("connections", "the small GET over a connection of its own", plain()).with(NEW_CONNECTION),
        Scenario::new("https", "the small GET over TLS 1.3, on connections that stay", entered_by(Entry::Tls)),
        Scenario::new("https-download", "64 KiB over TLS 1.3", entered_by(Entry::Tls)).to("/large"),
        Scenario::new("handshakes", "the small GET with a full TLS handshake each", entered_by(Entry::Tls))
            .with(NEW_CONNECTION),
        Scenario::new(
            "http2",
            "the small GET over HTTP/2 and TLS: 8 connections of 4 streams",
            entered_by(Entry::Http2),
        ),
        Scenario::new("http2-download", "64 KiB over HTTP/2 and TLS", entered_by(Entry::Http2)).to("/large"),
    ]
}

/// What policy costs.
fn plugins() -> Vec<Scenario> {
    let plain = || sluice(|_| {});
    vec![
        Scenario::new(
            "policy",
            "the small GET through a plugin that checks one field and sets another (`tests/guests/gate`): in pooled \
             instances, and in a fresh one each time",
            vec![plain(), with(Plugins::Gate { fresh: false }), with(Plugins::Gate { fresh: true })],
        )
        .with(WITH_KEY),
        Scenario::new(
            "api-key",
            "the small GET through the plugin `api-key`: in pooled instances, and in a fresh one each time",
            vec![plain(), with(Plugins::ApiKey { fresh: false }), with(Plugins::ApiKey { fresh: true })],
        )
        .with(WITH_KEY),
        Scenario::new(
            "rate-limit",
            "the small GET through `rate-limit`, by client address, never exhausted",
            vec![plain(), with(Plugins::RateLimit)],
        ),
        Scenario::new(
            "aggregate",
            "one answer composed of three small ones, asked for in parallel by `aggregate`: a request here is four",
            vec![plain(), with(Plugins::Aggregate)],
        ),
        Scenario::new(
            "chain",
            "the small GET through 1, 5 and 10 plugins that each set a field of the request (`transform`)",
            vec![plain(), with(Plugins::Transform(1)), with(Plugins::Transform(5)), with(Plugins::Transform(10))],
        ),
    ]
}

/// What more of everything costs.
fn scaling() -> Vec<Scenario> {
    let with_routes = |routes| sluice(|contender| contender.setup.routes = routes);
    let with_endpoints = |program, endpoints| {
        let mut contender = Contender::plain(program);
        contender.setup.endpoints = endpoints;
        contender
    };
    vec![
        Scenario::new(
            "routes",
            "the small GET on one of 10 and one of 10,000 routes, another each time",
            vec![with_routes(10), with_routes(10_000)],
        )
        .scripted(
            "request = function()\n  \
                return wrk.format('GET', '/service-' .. math.random(0, routes - 1) .. '/x')\nend\n",
        ),
        Scenario::new(
            "endpoints",
            "the small GET to one of 1, 10, 100 and 1,000 endpoints by turns",
            [Program::Haproxy, Program::Sluice]
                .into_iter()
                .flat_map(|program| [1, 10, 100, 1_000].map(|endpoints| with_endpoints(program, endpoints)))
                .collect(),
        ),
    ]
}

/// Layer 4.
fn streams() -> Vec<Scenario> {
    let streams = || [Program::Haproxy, Program::Envoy, Program::Sluice].map(Contender::tcp).to_vec();
    vec![
        Scenario::new("tcp", "the small GET over byte streams (layer 4)", streams()),
        Scenario::new("tcp-download", "an answer of 64 KiB over byte streams", streams()).to("/large"),
    ]
}
