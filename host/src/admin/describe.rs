//! What serves, as JSON. Never shows a plugin's configuration, which may hold secrets.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::Source;
use crate::config::model::{
    Balance, Cluster, Destination, Dns, HostPattern, Isolation, Match, OnError, Probe, Protocol, Route, State,
    ValuePattern,
};
use crate::snapshot::Snapshot;
use crate::snapshot::status::{CertificateStatus, Owner, PluginStatus, Status};
use crate::telemetry::access::{is_secret_field, is_secret_parameter};
use crate::telemetry::metrics::dns::Reading;
use crate::telemetry::metrics::{LinkState, Reload};
use crate::telemetry::refusals::Refusal;
use crate::telemetry::reloads::Record;
use crate::upstream::{Endpoint, Why};

/// The configuration, and what is wrong.
pub fn status<S: Source>(source: &S, snapshot: &Snapshot) -> Value {
    let status = source.status();
    let config = snapshot.config();
    let listeners = config.listeners.iter().map(|listener| {
        let address = source.address(&listener.name).unwrap_or(listener.address);
        let (protocol, clusters) = protocol(&listener.protocol, &config.clusters);
        let is_own =
            |known: &&CertificateStatus| matches!(&known.owner, Owner::Listener(name) if *name == listener.name);
        let certificates = status.certificates.iter().find(is_own).map(certificates);
        json!({
            "name": &*listener.name,
            "address": address.to_string(),
            "protocol": protocol,
            "clusters": clusters,
            "tls": certificates,
        })
    });
    let clusters = status.certificates.iter().filter_map(|known| match &known.owner {
        Owner::Cluster(name) => Some(json!({ "name": &**name, "tls": certificates(known) })),
        Owner::Listener(_) | Owner::Admin => None,
    });
    let admin = status.certificates.iter().find(|known| known.owner == Owner::Admin);
    let problems =
        |status: &Status| -> Vec<String> { status.configuration.problems.iter().map(ToString::to_string).collect() };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": source.is_ready(),
        "listeners": listeners.collect::<Vec<_>>(),
        "admin": { "tls": admin.map(certificates) },
        "clusters": clusters.collect::<Vec<_>>(),
        "configuration": {
            "file": config.path.display().to_string(),
            "state": if status.configuration.problems.is_empty() { "serving" } else { "last-good" },
            "problems": problems(&status),
            "needs_restart": status.configuration.needs_restart,
        },
        "refused_files": status.refused(),
        "state": state(&config.state, source.telemetry().state().link()),
    })
}

/// Where plugins' shared state is, and whether it can be had. A store that no plugin uses isn't connected to.
fn state(configured: &State, link: Option<LinkState>) -> Value {
    let State::Redis(redis) = configured else { return json!({ "backend": "memory" }) };
    json!({
        "backend": "redis",
        "store": redis.address.to_string(),
        "database": redis.database,
        "on_error": redis.on_error.name(),
        "up": link.as_ref().map(|link| link.away.is_none()),
        "reason": link.as_ref().and_then(|link| link.away.as_deref()),
        "since": link.map(|link| link.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()),
    })
}

/// What a listener speaks, and the clusters that its byte streams go to.
fn protocol<'a>(protocol: &Protocol, clusters: &'a [Cluster]) -> (&'static str, Vec<&'a str>) {
    match protocol {
        Protocol::Http => ("http", Vec::new()),
        Protocol::Tcp(streams) => {
            let mut indexes: Vec<usize> =
                streams.cluster.into_iter().chain(streams.sni.iter().map(|(_, index)| *index)).collect();
            indexes.sort_unstable();
            indexes.dedup();
            ("tcp", indexes.iter().filter_map(|index| Some(&*clusters.get(*index)?.name)).collect())
        }
    }
}

fn certificates(status: &CertificateStatus) -> Value {
    let shown = status.shown.iter().map(|shown| {
        json!({
            "file": shown.file.as_ref().map(|file| file.display().to_string()),
            "names": shown.names,
            "not_after": shown.not_after,
        })
    });
    json!({
        "certificates": shown.collect::<Vec<_>>(),
        "state": if status.reason.is_some() { "last-good" } else { "serving" },
        "reason": status.reason,
    })
}

pub fn outcome(outcome: Reload, status: &Status) -> Value {
    json!({ "outcome": outcome_name(outcome), "refused_files": status.refused() })
}

fn outcome_name(outcome: Reload) -> &'static str {
    match outcome {
        Reload::Published => "published",
        Reload::Refused => "refused",
        Reload::Unchanged => "unchanged",
    }
}

pub fn reloads(records: &[Record]) -> Value {
    let described = records.iter().map(|record| {
        json!({
            "number": record.number,
            "at": record.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            "took_ms": u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX),
            "outcome": outcome_name(record.outcome),
            "asked": record.asked,
            "changes": record.changes,
            "problems": record.problems,
        })
    });
    json!({ "reloads": described.collect::<Vec<_>>() })
}

pub fn plugins(status: &Status) -> Value {
    json!({ "plugins": status.plugins.iter().map(plugin).collect::<Vec<_>>() })
}

fn plugin(plugin: &PluginStatus) -> Value {
    json!({
        "name": &*plugin.name,
        "file": plugin.file.display().to_string(),
        "state": plugin.state.name(),
        "reason": plugin.reason,
        "digest": plugin.digest,
        "size": plugin.size,
        "hooks": plugin.hooks,
        "grants": plugin.grants,
        "isolation": match plugin.isolation {
            Isolation::Pooled => "pooled",
            Isolation::Request => "request",
        },
        "on_error": match plugin.on_error {
            OnError::Closed => "closed",
            OnError::Open => "open",
        },
    })
}

pub fn routes<S: Source>(source: &S, snapshot: &Snapshot) -> Value {
    let config = snapshot.config();
    let describe = |route: &Route| {
        let listeners = route.listeners.iter().filter_map(|index| config.listeners.get(*index)).map(|listener| {
            let address = source.address(&listener.name).unwrap_or(listener.address);
            json!({ "name": &*listener.name, "address": address.to_string() })
        });
        json!({
            "name": &*route.name,
            "place": &*route.place,
            "listeners": listeners.collect::<Vec<_>>(),
            "match": matcher(&route.matcher),
            "plugins": route.plugins.iter().map(|name| &**name).collect::<Vec<_>>(),
            "destination": destination(&route.destination, &config.clusters),
            "anonymous": route.anonymous,
            "fall_through": route.fall_through,
        })
    };
    json!({ "routes": config.routes.iter().map(describe).collect::<Vec<_>>() })
}

fn matcher(matcher: &Match) -> Value {
    let mut description = Map::new();
    if matcher.host != HostPattern::Any {
        description.insert("host".into(), matcher.host.to_string().into());
    }
    description.insert("path".into(), matcher.path.to_string().into());
    if !matcher.methods.is_empty() {
        let methods: Vec<&str> = matcher.methods.iter().map(http::Method::as_str).collect();
        description.insert("methods".into(), json!(methods));
    }
    let pattern = |pattern: &ValuePattern| match pattern {
        ValuePattern::Present => Value::Bool(true),
        ValuePattern::Exact(value) => value.clone().into(),
    };
    // A route may want a certain secret; that it wants one is enough to know.
    let shown = |secret: bool, value: &ValuePattern| match value {
        ValuePattern::Exact(_) if secret => Value::from("[redacted]"),
        other => pattern(other),
    };
    let headers = matcher.headers.iter().map(|(name, value)| (name.to_string(), shown(is_secret_field(name), value)));
    let query = matcher.query.iter().map(|(name, value)| (name.clone(), shown(is_secret_parameter(name), value)));
    let (headers, query): (Map<String, Value>, Map<String, Value>) = (headers.collect(), query.collect());
    for (key, conditions) in [("headers", headers), ("query", query)] {
        if !conditions.is_empty() {
            description.insert(key.into(), conditions.into());
        }
    }
    description.into()
}

fn destination(destination: &Destination, clusters: &[Cluster]) -> Value {
    match destination {
        Destination::Clusters(choices) => {
            let choices = choices
                .iter()
                .filter_map(|(index, weight)| Some(json!({ "name": &*clusters.get(*index)?.name, "weight": weight })));
            json!({ "clusters": choices.collect::<Vec<_>>() })
        }
        Destination::Redirect(redirect) => json!({ "redirect": {
            "status": redirect.status.as_u16(),
            "scheme": redirect.scheme,
            "host": redirect.host,
            "path": redirect.path,
        } }),
        Destination::Respond(respond) => json!({ "respond": { "status": respond.status.as_u16() } }),
        Destination::Chain => json!({ "plugin": true }),
    }
}

pub fn refusals(refusals: &[Refusal]) -> Value {
    let described = refusals.iter().map(|refusal| {
        json!({
            "number": refusal.number,
            "at": refusal.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            "request_id": &*refusal.request_id,
            "route": refusal.route.as_deref(),
            "method": refusal.method.as_str(),
            "path": refusal.path,
            "status": refusal.status,
            "plugin": refusal.plugin.as_deref(),
            "reason": refusal.reason,
        })
    });
    json!({ "refusals": described.collect::<Vec<_>>() })
}

/// Why an endpoint isn't asked, or not as much as it could be.
pub fn reason(endpoint: &Endpoint) -> Option<&'static str> {
    match endpoint.state() {
        "unhealthy" => Some("health-check"),
        "ejected" => endpoint.ejected().map(Why::name),
        "warming" => Some("slow-start"),
        "drained" => Some("operator"),
        _ => None,
    }
}

/// What is looked up in DNS, and how that goes.
fn discovery(dns: &Dns, reading: &Reading) -> Value {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    json!({
        "dns": dns.wanted.to_string(),
        "state": reading.state(),
        "answered": reading.answered.map(seconds),
        "last_error": reading.failed.map(|(error, at)| json!({ "error": error, "at": seconds(at) })),
    })
}

pub fn clusters(snapshot: &Snapshot) -> Value {
    let described = snapshot.clusters().iter().zip(&snapshot.config().clusters).map(|(cluster, config)| {
        let endpoints = cluster.members().iter().map(|member| {
            let endpoint = &member.endpoint;
            json!({
                "address": endpoint.text(),
                "weight": member.weight,
                "priority": member.priority,
                "zone": member.zone.as_deref(),
                "healthy": endpoint.is_healthy(),
                "state": endpoint.state(),
                "reason": reason(endpoint),
                "in_flight": endpoint.in_flight(),
                "latency_us": endpoint.latency_us(),
                "failures": endpoint.failures(),
                "requests": endpoint.requests(),
                "failed_requests": endpoint.failed_requests(),
                "last_error": endpoint.last_error().map(|(error, at)| json!({ "error": error, "at": at })),
            })
        });
        json!({
            "name": &*config.name,
            "balance": match &config.balance {
                Balance::Plugin(name) => json!({ "plugin": &**name }),
                built_in => Value::from(built_in.name()),
            },
            "health_check": config.health_check.as_ref().map(|check| {
                let (protocol, path) = match &check.probe {
                    Probe::Http { path, .. } => ("http", Some(path)),
                    Probe::Tcp => ("tcp", None),
                    Probe::Grpc { .. } => ("grpc", None),
                };
                let interval = u64::try_from(check.interval.as_millis()).unwrap_or(u64::MAX);
                json!({ "protocol": protocol, "path": path, "interval_ms": interval })
            }),
            "discovery": config.discovery.as_ref().map(|dns| discovery(dns, &cluster.metrics().dns().read())),
            "endpoints": endpoints.collect::<Vec<_>>(),
        })
    });
    json!({ "clusters": described.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_a_route_wants_is_not_shown() {
        let word = || ValuePattern::Exact("hidden".into());
        let wants = Match {
            headers: vec![(http::header::AUTHORIZATION, word()), (http::header::ACCEPT, word())],
            query: vec![("token".into(), word()), ("v".into(), word()), ("key".into(), ValuePattern::Present)],
            ..Match::default()
        };
        let shown = matcher(&wants);
        assert_eq!(shown["headers"], json!({ "authorization": "[redacted]", "accept": "hidden" }));
        assert_eq!(shown["query"], json!({ "token": "[redacted]", "v": "hidden", "key": true }));
    }
}
