//! What can be changed: little, by name, and noted in the log with who did it.

use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json as value};

use super::answer::{Answer, json, problem};
use super::visitor::Visitor;
use super::{Source, describe};
use crate::snapshot::Snapshot;

/// Look at all files now.
pub async fn reload<S: Source>(source: &S, who: &Visitor) -> Answer {
    tracing::info!(%who, "the admin API asks for a reload");
    match source.reload().await {
        Some(outcome) => json(&describe::outcome(outcome, &source.status())),
        None => problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping"),
    }
}

/// Take an endpoint out of its cluster, or put it back.
pub fn set_endpoint(snapshot: &Snapshot, who: &Visitor, headers: &HeaderMap, body: &[u8]) -> Answer {
    let body = match object(headers, body) {
        Ok(body) => body,
        Err((status, reason)) => return problem(status, &reason),
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let (Some(cluster), Some(address), Some(state)) = (text("cluster"), text("endpoint"), text("state")) else {
        return problem(StatusCode::BAD_REQUEST, "expected the strings `cluster`, `endpoint` and `state`");
    };
    let drained = match state {
        "drain" => true,
        "ready" => false,
        _ => return problem(StatusCode::BAD_REQUEST, "expected `state` to be \"drain\" or \"ready\""),
    };
    let Some(cluster) = snapshot.clusters().iter().find(|known| **known.name() == *cluster) else {
        return problem(StatusCode::NOT_FOUND, "there is no cluster of that name; /api/v1/clusters lists them");
    };
    // An address that is listed twice is one endpoint.
    let members: Vec<_> = cluster.members().iter().filter(|member| member.endpoint.text() == address).collect();
    if members.is_empty() {
        return problem(StatusCode::NOT_FOUND, "the cluster has no endpoint with that address");
    }
    members.iter().for_each(|member| member.endpoint.set_drained(drained));
    let (name, what) = (&**cluster.name(), if drained { "taken out" } else { "put back" });
    tracing::warn!(%who, cluster = name, endpoint = address, "the admin API has an endpoint {what}");
    json(&value!({ "cluster": name, "endpoint": address, "state": state }))
}

/// What is logged.
pub fn log<S: Source>(source: &S) -> Answer {
    match source.log() {
        Some(log) => json(&value!({ "filter": log.current() })),
        None => problem(StatusCode::NOT_FOUND, "the log of this process isn't the gateway's"),
    }
}

/// Log something else.
pub fn set_log<S: Source>(source: &S, who: &Visitor, headers: &HeaderMap, body: &[u8]) -> Answer {
    let body = match object(headers, body) {
        Ok(body) => body,
        Err((status, reason)) => return problem(status, &reason),
    };
    let (Some(log), Some(filter)) = (source.log(), body.get("filter").and_then(Value::as_str)) else {
        return match source.log() {
            Some(_) => problem(StatusCode::BAD_REQUEST, "expected the string `filter`"),
            None => problem(StatusCode::NOT_FOUND, "the log of this process isn't the gateway's"),
        };
    };
    let before = log.current();
    match log.set(filter) {
        Ok(()) => {
            let now = log.current();
            tracing::warn!(%who, before, now, "the admin API changes what is logged");
            json(&value!({ "filter": now }))
        }
        Err(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// The body as a JSON object. Its type has to be said, since pages of other origins can't say it unasked.
fn object(headers: &HeaderMap, body: &[u8]) -> Result<Value, (StatusCode, String)> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json".to_owned()));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        Ok(_) => Err((StatusCode::BAD_REQUEST, "expected a JSON object".to_owned())),
        Err(error) => Err((StatusCode::BAD_REQUEST, format!("the body isn't JSON: {error}"))),
    }
}
