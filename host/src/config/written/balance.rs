//! `balance` and `sticky` of a cluster.

use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::keys;
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::model::{self, HashKey, Sticky};
use crate::config::problem::{At, Fault, quote};
use crate::config::{network, suggest, values};

/// `balance` with the plugin not yet looked up.
pub(in crate::config) enum Balance {
    BuiltIn(model::Balance),
    Plugin(At<Arc<str>>),
}

const EXAMPLE: &str = "write \"round-robin\", { policy = \"maglev\", hash = \"client\" } or { plugin = \"NAME\" }";
const HASH_EXAMPLE: &str =
    "write \"client\", \"path\", \"identity\", { header = \"NAME\" }, { cookie = \"NAME\" } or { query = \"NAME\" }";
pub(in crate::config) const POLICIES: [&str; 6] =
    ["round-robin", "random", "least-request", "peak-ewma", "ring-hash", "maglev"];

impl Balance {
    pub(super) fn read(entry: &Entry<'_>) -> Self {
        Self::read_some(entry).unwrap_or(Self::BuiltIn(model::Balance::RoundRobin))
    }

    /// None if it is absent or wrong.
    fn read_some(entry: &Entry<'_>) -> Option<Self> {
        let node = entry.node("balance")?;
        let DeValue::Table(_) = node.value else {
            return entry.read("balance", |node| policy(node, Vec::new())).map(|balance| Self::BuiltIn(balance.value));
        };
        let table = entry.inner(node, "balance", EXAMPLE)?.allow(&keys::BALANCE);
        if table.has("plugin") && (table.has("policy") || table.has("hash")) {
            let fault = Fault::new("a plugin and a built-in policy exclude each other", "remove one of the two");
            table.report(&table.place, "", fault);
        }
        if table.has("policy") || table.is_misspelt("policy") {
            let hash = read_hash(&table);
            let balance = table.read("policy", |node| policy(node, hash.clone()))?;
            let hashes = matches!(balance.value, model::Balance::RingHash(_) | model::Balance::Maglev(_));
            if table.has("hash") && !hashes {
                let message = format!("the policy \"{}\" doesn't hash", balance.value.name());
                table.report(
                    &balance.place,
                    "hash",
                    Fault::new(message, "remove it, or use \"ring-hash\" or \"maglev\""),
                );
            }
            return Some(Self::BuiltIn(balance.value));
        }
        table.require("plugin", "\"NAME\"", values::name).map(Self::Plugin)
    }
}

fn policy(node: Node<'_>, hash: Vec<HashKey>) -> Result<model::Balance, Fault> {
    // Without a key to go by, clients are told apart by their address.
    let hash = if hash.is_empty() { vec![HashKey::Client] } else { hash };
    match values::text(node, "a policy", EXAMPLE)? {
        "round-robin" => Ok(model::Balance::RoundRobin),
        "random" => Ok(model::Balance::Random),
        "least-request" => Ok(model::Balance::LeastRequest),
        "peak-ewma" => Ok(model::Balance::PeakEwma),
        "ring-hash" => Ok(model::Balance::RingHash(hash)),
        "maglev" => Ok(model::Balance::Maglev(hash)),
        "sticky" => {
            Err(Fault::new("unknown policy \"sticky\"", "any policy can be: add sticky = { cookie = \"NAME\" }"))
        }
        other => {
            let near = match other {
                "least-connections" | "leastconn" | "least_conn" | "least-pending" => Some("least-request"),
                "roundrobin" | "rr" => Some("round-robin"),
                "ip_hash" | "source" | "hash" | "uri" => Some("maglev"),
                _ => None,
            };
            let remedy = near.map_or_else(
                || suggest::remedy(other, "valid", &POLICIES),
                |near| format!("did you mean \"{near}\"? (valid: {})", POLICIES.join(", ")),
            );
            Err(Fault::new(format!("unknown policy {}", quote(other)), remedy))
        }
    }
}

/// One key, or several of which the first that a request has counts.
fn read_hash(table: &Entry<'_>) -> Vec<HashKey> {
    let Some(node) = table.node("hash") else { return Vec::new() };
    let nodes: Vec<Node<'_>> = match node.value {
        DeValue::Array(_) => table.items("hash", HASH_EXAMPLE).map(|items| items.value).unwrap_or_default(),
        _ => vec![node],
    };
    if nodes.is_empty() {
        table.report(&table.place, "hash", Fault::new("expected at least one key, found none", HASH_EXAMPLE));
    }
    nodes.into_iter().filter_map(|node| read_hash_key(table, node)).collect()
}

fn read_hash_key(table: &Entry<'_>, node: Node<'_>) -> Option<HashKey> {
    let DeValue::Table(_) = node.value else {
        let key = table.parse(node, "hash", |node| match values::text(node, "what to hash", HASH_EXAMPLE)? {
            "client" => Ok(HashKey::Client),
            "path" => Ok(HashKey::Path),
            "identity" => Ok(HashKey::Identity),
            other => Err(Fault::new(format!("can't hash {}", quote(other)), HASH_EXAMPLE)),
        });
        return key.map(|key| key.value);
    };
    let inner = table.inner(node, "hash", HASH_EXAMPLE)?.allow(&keys::HASH);
    let header = inner.read("header", |node| network::header_name(values::string(node)?));
    let cookie = inner.read("cookie", network::token);
    let query = inner.read("query", values::name);
    match (inner.iter().count(), header, cookie, query) {
        (1, Some(header), _, _) => Some(HashKey::Header(header.value)),
        (1, _, Some(cookie), _) => Some(HashKey::Cookie(cookie.value.to_string())),
        (1, _, _, Some(query)) => Some(HashKey::Query(query.value.to_string())),
        (1, ..) => None,
        _ => {
            inner.report(&inner.place, "", Fault::new("expected one of header, cookie and query", HASH_EXAMPLE));
            None
        }
    }
}

/// `sticky = { cookie = "NAME" }`
pub(super) fn read_sticky(entry: &Entry<'_>) -> Option<Sticky> {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let table = entry.table("sticky", "sticky = { cookie = \"NAME\" }")?.allow(&keys::STICKY);
    Some(Sticky {
        max_age: table.read("max_age", values::duration(Duration::from_secs(1), YEAR)).map(|age| age.value),
        secure: table.read("secure", values::boolean).is_some_and(|secure| secure.value),
        cookie: table.require("cookie", "\"NAME\"", network::token)?.value.to_string(),
    })
}
