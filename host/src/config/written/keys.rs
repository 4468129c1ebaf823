//! Every key of the configuration, on one page. `later` are those of the contract that this version
//! refuses by name.

use crate::config::entry::Keys;

macro_rules! tables {
    ($($(#[$about:meta])* $name:ident { $($known:literal),* $(,)? } later { $($later:literal),* })*) => {
        $(
            $(#[$about])*
            pub const $name: Keys = Keys { known: &[$($known),*], later: &[$($later),*] };
        )*

        /// All of them, to check that each is documented, and described in the schema.
        #[cfg(test)]
        pub(in crate::config) const ALL: &[(&str, &Keys)] = &[$((stringify!($name), &$name)),*];
    };
}

tables! {
    /// The top level.
    TOP {
        "include", "admin", "access_log", "server", "http", "overload", "identity", "plugins", "state", "acme", "tracing",
        "listener", "plugin", "route", "cluster",
    } later {}

    /// `[admin]`
    ADMIN { "address", "hosts", "token", "tls", "probes" } later {}

    /// `admin.probes`
    PROBES { "address", "metrics" } later {}

    /// `[access_log]`
    ACCESS_LOG { "output", "format", "fields", "when", "redact" } later {}

    /// `access_log.output`
    ACCESS_OUTPUT { "file", "rotate", "keep", "syslog", "facility" } later {}

    /// `[server]`
    SERVER { "threads", "drain", "shutdown_delay", "pid_file", "trusted_proxies", "name", "zone" } later {}

    /// `[overload]`
    OVERLOAD { "memory", "requests", "retry_after" } later {}

    /// `[http]`
    HTTP {
        "encoded_slashes", "underscores", "max_head", "max_target", "max_fields", "max_body",
        "max_streams", "head_timeout", "keep_alive_timeout", "send_timeout",
    } later {}

    /// `[identity]`
    IDENTITY { "subject", "issuer", "claims" } later {}

    /// `[plugins]`
    PLUGINS { "directory", "cache" } later {}

    /// `[state]`
    STATE { "backend", "url", "ca", "username", "password", "database", "prefix", "timeout", "on_error" } later {}

    /// `[acme]`
    ACME { "directory", "contact", "storage", "ca", "challenge" } later { "external_account" }

    /// `[tracing]`
    TRACING { "endpoint", "protocol", "sample", "service", "headers", "ca" } later {}

    /// `[[listener]]`
    LISTENER {
        "name", "address", "protocol", "cluster", "sni", "idle_timeout", "proxy_protocol", "tls", "limits",
    } later {}

    /// `limits` of a listener
    LISTENER_LIMITS { "connections", "connections_per_address", "requests_per_connection" } later {}

    /// `tls` of a listener
    TLS { "certificate", "key", "certificates", "acme", "client_ca", "client_auth", "min_version" } later { "ciphers" }

    /// `tls.certificates`
    CERTIFICATE { "certificate", "key" } later {}

    /// `[[plugin]]`
    PLUGIN { "name", "component", "config", "grants", "limits", "isolation", "on_error" } later {}

    /// `limits` of a plugin
    LIMITS {
        "memory", "time", "deadline", "configure", "instances", "body", "response", "calls", "log", "kv", "series",
        "tables",
    } later {}

    /// `[[route]]`
    ROUTE {
        "name", "listeners", "match", "plugins", "cluster", "clusters", "redirect", "respond", "anonymous",
        "fall_through",
    } later { "retries", "timeouts" }

    /// `match` of a route
    MATCH { "host", "path", "methods", "headers", "query" } later {}

    /// `clusters` of a route, each
    WEIGHTED { "name", "weight" } later {}

    /// `redirect` of a route
    REDIRECT { "status", "scheme", "host", "path" } later {}

    /// `respond` of a route
    RESPOND { "status", "headers", "body" } later {}

    /// `[[cluster]]`
    CLUSTER {
        "name", "balance", "sticky", "panic_threshold", "prefer_zone", "slow_start", "endpoints", "discovery",
        "health_check", "host", "timeouts", "retries", "hedge", "outlier_detection", "limits", "proxy_protocol", "tls",
        "protocol", "max_concurrent_streams", "keepalive",
    } later {}

    /// `keepalive` of a cluster
    KEEPALIVE { "interval", "timeout" } later {}

    /// `tls` of a cluster
    CLUSTER_TLS { "ca", "verify", "certificate", "key", "server_name", "min_version" } later {}

    /// `balance` of a cluster, as a table
    BALANCE { "policy", "hash", "plugin" } later {}

    /// `balance.hash`, each as a table
    HASH { "header", "cookie", "query" } later {}

    /// `sticky` of a cluster
    STICKY { "cookie", "max_age", "secure" } later {}

    /// `endpoints` of a cluster, each as a table
    ENDPOINT { "address", "weight", "priority", "zone" } later {}

    /// `health_check` of a cluster
    HEALTH_CHECK {
        "protocol", "path", "expect", "body", "service", "interval", "timeout", "unhealthy_after", "healthy_after",
    } later {}

    /// `timeouts` of a cluster
    TIMEOUTS { "connect", "first_byte", "idle", "keep_alive", "attempt", "request" } later {}

    /// `discovery` of a cluster
    DISCOVERY { "file", "dns", "srv", "servers", "family", "min_ttl", "max_ttl", "timeout" } later {}

    /// `retries` of a cluster
    RETRIES { "attempts", "on", "methods", "budget", "backoff", "max_backoff", "body" } later {}

    /// `hedge` of a cluster
    HEDGE { "after", "methods" } later {}

    /// `outlier_detection` of a cluster
    OUTLIER_DETECTION { "consecutive", "success_rate", "interval", "ejection", "max_ejection", "max_ejected", "latency" } later {}

    /// `limits` of a cluster
    CLUSTER_LIMITS { "requests", "connections", "retries", "pending", "wait" } later {}
}
