//! Every key of the configuration, on one page. `later` are those of the contract that this version
//! refuses by name.

use crate::config::entry::Keys;

/// The top level.
pub const TOP: Keys = Keys {
    known: &[
        "include",
        "admin",
        "access_log",
        "server",
        "identity",
        "plugins",
        "listener",
        "plugin",
        "route",
        "cluster",
    ],
    later: &["state", "acme", "tracing"],
};

/// `[admin]`
pub const ADMIN: Keys = Keys { known: &["address", "hosts", "token"], later: &["tls"] };

/// `[access_log]`
pub const ACCESS_LOG: Keys = Keys { known: &["output", "format", "fields", "when", "redact"], later: &[] };

/// `access_log.output`
pub const ACCESS_OUTPUT: Keys = Keys { known: &["file", "rotate", "keep", "syslog", "facility"], later: &[] };

/// `[server]`
pub const SERVER: Keys = Keys { known: &["threads", "drain", "trusted_proxies", "name", "zone"], later: &[] };

/// `[identity]`
pub const IDENTITY: Keys = Keys { known: &["subject", "issuer", "claims"], later: &[] };

/// `[plugins]`
pub const PLUGINS: Keys = Keys { known: &["directory", "cache"], later: &[] };

/// `[[listener]]`
pub const LISTENER: Keys = Keys {
    known: &["name", "address", "protocol", "cluster", "sni", "idle_timeout", "proxy_protocol", "tls"],
    later: &[],
};

/// `tls` of a listener
pub const TLS: Keys = Keys {
    known: &["certificate", "key", "certificates", "client_ca", "client_auth", "min_version"],
    later: &["acme", "ciphers"],
};

/// `tls.certificates`
pub const CERTIFICATE: Keys = Keys { known: &["certificate", "key"], later: &[] };

/// `[[plugin]]`
pub const PLUGIN: Keys =
    Keys { known: &["name", "component", "config", "grants", "limits", "isolation", "on_error"], later: &[] };

/// `limits` of a plugin
pub const LIMITS: Keys = Keys {
    known: &[
        "memory",
        "time",
        "deadline",
        "configure",
        "instances",
        "body",
        "response",
        "calls",
        "log",
        "kv",
        "series",
    ],
    later: &["tables"],
};

/// `[[route]]`
pub const ROUTE: Keys = Keys {
    known: &[
        "name",
        "listeners",
        "match",
        "plugins",
        "cluster",
        "clusters",
        "redirect",
        "respond",
        "anonymous",
        "fall_through",
    ],
    later: &["retries", "timeouts"],
};

/// `match` of a route
pub const MATCH: Keys = Keys { known: &["host", "path", "methods", "headers", "query"], later: &[] };

/// `clusters` of a route, each
pub const WEIGHTED: Keys = Keys { known: &["name", "weight"], later: &[] };

/// `redirect` of a route
pub const REDIRECT: Keys = Keys { known: &["status", "scheme", "host", "path"], later: &[] };

/// `respond` of a route
pub const RESPOND: Keys = Keys { known: &["status", "headers", "body"], later: &[] };

/// `[[cluster]]`
pub const CLUSTER: Keys = Keys {
    known: &[
        "name",
        "balance",
        "sticky",
        "panic_threshold",
        "prefer_zone",
        "slow_start",
        "endpoints",
        "discovery",
        "health_check",
        "host",
        "timeouts",
        "retries",
        "outlier_detection",
        "limits",
        "proxy_protocol",
    ],
    later: &["protocol", "tls"],
};

/// `balance` of a cluster, as a table
pub const BALANCE: Keys = Keys { known: &["policy", "hash", "plugin"], later: &[] };

/// `balance.hash`, each as a table
pub const HASH: Keys = Keys { known: &["header", "cookie", "query"], later: &[] };

/// `sticky` of a cluster
pub const STICKY: Keys = Keys { known: &["cookie", "max_age", "secure"], later: &[] };

/// `endpoints` of a cluster, each as a table
pub const ENDPOINT: Keys = Keys { known: &["address", "weight", "priority", "zone"], later: &[] };

/// `health_check` of a cluster
pub const HEALTH_CHECK: Keys = Keys {
    known: &[
        "protocol",
        "path",
        "expect",
        "body",
        "service",
        "interval",
        "timeout",
        "unhealthy_after",
        "healthy_after",
    ],
    later: &[],
};

/// `timeouts` of a cluster
pub const TIMEOUTS: Keys = Keys { known: &["connect", "first_byte", "idle", "attempt", "request"], later: &[] };

/// `discovery` of a cluster
pub const DISCOVERY: Keys = Keys { known: &["file"], later: &["dns"] };

/// `retries` of a cluster
pub const RETRIES: Keys =
    Keys { known: &["attempts", "on", "methods", "budget", "backoff", "max_backoff", "body"], later: &[] };

/// `outlier_detection` of a cluster
pub const OUTLIER_DETECTION: Keys = Keys {
    known: &["consecutive", "success_rate", "interval", "ejection", "max_ejection", "max_ejected"],
    later: &["latency"],
};

/// `limits` of a cluster
pub const CLUSTER_LIMITS: Keys = Keys { known: &["requests", "connections", "retries", "pending", "wait"], later: &[] };

/// All of them, to check that each is documented.
#[cfg(test)]
pub(in crate::config) const ALL: [&Keys; 26] = [
    &TOP,
    &ADMIN,
    &ACCESS_LOG,
    &ACCESS_OUTPUT,
    &SERVER,
    &IDENTITY,
    &PLUGINS,
    &LISTENER,
    &PLUGIN,
    &LIMITS,
    &ROUTE,
    &MATCH,
    &WEIGHTED,
    &REDIRECT,
    &RESPOND,
    &CLUSTER,
    &BALANCE,
    &HASH,
    &STICKY,
    &ENDPOINT,
    &HEALTH_CHECK,
    &TIMEOUTS,
    &DISCOVERY,
    &RETRIES,
    &OUTLIER_DETECTION,
    &CLUSTER_LIMITS,
];
