//! What is asked of whom.

use super::contender::{Contender, Plugins, Program};

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
    /// Whether plugins have to be built for it.
    pub fn has_plugins(&self) -> bool {
        self.contenders.iter().any(|contender| contender.setup.plugins != Plugins::None)
    }
}

/// The key that `api-key` knows.
pub const KEY: &str = "a-long-random-word";

const SMALL: &str = "/small?x=1";

/// All scenarios in the order of the report.
pub fn all() -> Vec<Scenario> {
    use Program::{Envoy, Haproxy, Nginx, Sluice};
    let plain = || Contender::plain(Sluice);
    let with = |plugins| {
        let mut contender = plain();
        contender.setup.plugins = plugins;
        contender
    };
    let with_routes = |routes| {
        let mut contender = plain();
        contender.setup.routes = routes;
        contender
    };
    let proxies = || [Nginx, Haproxy, Envoy, Sluice].map(Contender::plain).to_vec();
    let streams = || [Haproxy, Envoy, Sluice].map(Contender::tcp).to_vec();
    vec![
        Scenario {
            name: "plain",
            what: "a GET, an answer of 130 bytes",
            target: SMALL,
            fields: &[],
            script: "",
            contenders: proxies(),
        },
        Scenario {
            name: "download",
            what: "a GET, an answer of 64 KiB",
            target: "/large",
            fields: &[],
            script: "",
            contenders: proxies(),
        },
        Scenario {
            name: "upload",
            what: "a POST of 64 KiB, an answer of 130 bytes",
            target: SMALL,
            fields: &[],
            script: "wrk.method = 'POST'\nwrk.body = string.rep('x', 65536)\n",
            contenders: proxies(),
        },
        Scenario {
            name: "api-key",
            what: "the small GET through the plugin `api-key`: in pooled instances, and in a fresh one each time",
            target: SMALL,
            fields: &["x-api-key: a-long-random-word"],
            script: "",
            contenders: vec![plain(), with(Plugins::ApiKey { fresh: false }), with(Plugins::ApiKey { fresh: true })],
        },
        Scenario {
            name: "chain",
            what: "the small GET through 1, 5 and 10 plugins that each set a field of the request (`transform`)",
            target: SMALL,
            fields: &[],
            script: "",
            contenders: vec![
                plain(),
                with(Plugins::Transform(1)),
                with(Plugins::Transform(5)),
                with(Plugins::Transform(10)),
            ],
        },
        Scenario {
            name: "routes",
            what: "the small GET on one of 10 and one of 10,000 routes, another each time",
            target: SMALL,
            fields: &[],
            script: "request = function()\n  \
                return wrk.format('GET', '/service-' .. math.random(0, routes - 1) .. '/x')\nend\n",
            contenders: vec![with_routes(10), with_routes(10_000)],
        },
        Scenario {
            name: "tcp",
            what: "the small GET over byte streams (layer 4)",
            target: SMALL,
            fields: &[],
            script: "",
            contenders: streams(),
        },
        Scenario {
            name: "tcp-download",
            what: "an answer of 64 KiB over byte streams",
            target: "/large",
            fields: &[],
            script: "",
            contenders: streams(),
        },
    ]
}
