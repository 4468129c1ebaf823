//! Counts since the start as JSON: small enough to be sent each second. Rates are the reader's to make.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{Source, describe};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::{self, PluginReading, Traffic};
use crate::telemetry::timeline::Point;
use crate::upstream::{Cluster, Member};

/// Milliseconds since the Unix epoch.
fn milliseconds(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Everything that counts.
pub fn numbers<S: Source>(source: &S, snapshot: &Snapshot) -> Value {
    let metrics = source.telemetry();
    let routes: Map<String, Value> = metrics
        .traffic_by_route()
        .into_iter()
        .filter(|(_, traffic)| traffic.count() > 0)
        .map(|(name, seen)| (name.to_string(), traffic(&seen)))
        .collect();
    let plugins: Map<String, Value> =
        metrics.plugin_readings().into_iter().map(|(name, reading)| (name.to_string(), plugin(&reading))).collect();
    let listeners: Map<String, Value> = metrics
        .listener_readings()
        .into_iter()
        .map(|(name, reading)| (name.to_string(), json!({ "accepted": reading.accepted, "open": reading.open })))
        .collect();
    let tries: Map<String, Value> = metrics
        .cluster_readings()
        .into_iter()
        .map(|(name, reading)| {
            let outcome = |(outcome, count, seconds): &(&'static str, u64, f64)| {
                ((*outcome).to_owned(), json!({ "count": count, "seconds": seconds }))
            };
            (name.to_string(), reading.tries.iter().map(outcome).collect::<Map<_, _>>().into())
        })
        .collect();
    json!({
        "at": milliseconds(SystemTime::now()),
        "ready": source.is_ready(),
        "log": source.log().map(crate::telemetry::log::LogControl::current),
        "total": traffic(&metrics.traffic()),
        "routes": routes,
        "plugins": plugins,
        "listeners": listeners,
        "tries": tries,
        "clusters": snapshot.clusters().iter().map(|known| cluster(known)).collect::<Vec<_>>(),
        "snapshots": metrics.live_snapshots(),
    })
}

/// The last minutes, for charts.
pub fn history(points: &[Point]) -> Value {
    let point =
        |point: &Point| json!({ "at": milliseconds(point.at), "classes": point.classes, "buckets": point.buckets });
    json!({ "bounds": metrics::bounds(), "points": points.iter().map(point).collect::<Vec<_>>() })
}

fn traffic(traffic: &Traffic) -> Value {
    json!({ "classes": traffic.classes, "buckets": traffic.buckets, "seconds": traffic.sum_seconds })
}

fn plugin(reading: &PluginReading) -> Value {
    let calls = reading.calls.iter().map(|(hook, outcome, count)| json!([hook, outcome, count]));
    json!({
        "calls": calls.collect::<Vec<_>>(),
        "busy": reading.busy_seconds,
        "waited": reading.waited_seconds,
        "instances": reading.instances,
        "peak_memory": reading.peak_memory,
        "last_failure": reading.last_failure.as_ref().map(|failure| json!({
            "at": milliseconds(failure.at),
            "hook": failure.hook,
            "reason": failure.reason,
        })),
    })
}

fn cluster(cluster: &Cluster) -> Value {
    let endpoint = |member: &Member| {
        let endpoint = &member.endpoint;
        json!({
            "address": endpoint.text(),
            "weight": member.weight,
            "state": endpoint.state(),
            "reason": describe::reason(endpoint),
            "requests": endpoint.requests(),
            "failed": endpoint.failed_requests(),
            "last_error": endpoint.last_error().map(|(name, at)| json!({ "name": name, "at": at })),
            "in_flight": endpoint.in_flight(),
            "latency_us": endpoint.latency_us(),
            "failures": endpoint.failures(),
        })
    };
    json!({ "name": &**cluster.name(), "endpoints": cluster.members().iter().map(endpoint).collect::<Vec<_>>() })
}
