//! `retries`, `outlier_detection` and `limits` of a cluster: what is done when endpoints fail.

use std::time::Duration;

use http::Method;

use super::{health, keys};
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::model::{ClusterLimits, Hedge, OutlierDetection, Retries, Statuses};
use crate::config::problem::{At, Fault, quote};
use crate::config::values;

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const METHODS: &str = "methods = [\"GET\", \"HEAD\"]";
const ON: &str = "on = [\"reset\", \"timeout\", 503]";

fn value<T>(read: Option<At<T>>, default: T) -> T {
    read.map_or(default, |read| read.value)
}

pub(super) fn read_retries(entry: &Entry<'_>) -> Option<Retries> {
    let table = entry.table("retries", "retries = { attempts = 1 }")?.allow(&keys::RETRIES);
    let default = Retries::default();
    let (mut on_reset, mut on_timeout, mut on_statuses) = (default.on_reset, default.on_timeout, default.on_statuses);
    if let Some(conditions) = table.list("on", ON, condition) {
        (on_reset, on_timeout, on_statuses) = (false, false, Statuses(Vec::new()));
        for condition in conditions.value {
            match condition.value {
                Condition::Reset => on_reset = true,
                Condition::Timeout => on_timeout = true,
                Condition::Statuses(statuses) => on_statuses.0.push(statuses),
            }
        }
    }
    let methods = table.list("methods", METHODS, method);
    let methods = methods.map_or(default.methods, |methods| methods.value.into_iter().map(|m| m.value).collect());
    let backoff = value(table.read("backoff", values::duration(MILLISECOND, MINUTE)), default.backoff);
    let max_backoff = table.read("max_backoff", values::duration(MILLISECOND, MINUTE));
    if let Some(most) = max_backoff.as_ref().filter(|most| most.value < backoff) {
        let fault = Fault::new("the longest back-off is shorter than the first", "make it at least retries.backoff");
        table.report(&most.place, "max_backoff", fault);
    }
    Some(Retries {
        attempts: value(table.read("attempts", values::count(1, 10)), default.attempts),
        on_reset,
        on_timeout,
        on_statuses,
        methods,
        budget: value(table.read("budget", values::count(1, 100)), default.budget),
        backoff,
        max_backoff: value(max_backoff, default.max_backoff.max(backoff)),
        body: value(table.read("body", values::size(0, 16 << 20)), default.body),
    })
}

enum Condition {
    Reset,
    Timeout,
    Statuses(std::ops::RangeInclusive<u16>),
}

fn condition(node: Node<'_>) -> Result<Condition, Fault> {
    match node.text() {
        Some("reset") => Ok(Condition::Reset),
        Some("timeout") => Ok(Condition::Timeout),
        Some("connect") => {
            Err(Fault::new("an endpoint that can't be reached is always followed by another", "leave it out"))
        }
        Some(word) if !word.ends_with("xx") => Err(Fault::new(
            format!("expected \"reset\", \"timeout\", a status or a class of them, found {}", quote(word)),
            format!("write {ON}"),
        )),
        _ => health::status(node).map(Condition::Statuses),
    }
}

fn method(node: Node<'_>) -> Result<Method, Fault> {
    let written = values::text(node, "a method", METHODS)?;
    match Method::from_bytes(written.as_bytes()) {
        Ok(method) if !written.bytes().any(|byte| byte.is_ascii_lowercase()) => Ok(method),
        _ => Err(Fault::new(
            format!("expected a method such as \"GET\", found {}", quote(written)),
            "write it in capital letters",
        )),
    }
}

pub(super) fn read_hedge(entry: &Entry<'_>) -> Option<Hedge> {
    let table = entry.table("hedge", "hedge = { after = \"200ms\" }")?.allow(&keys::HEDGE);
    let idempotent = Retries::default().methods;
    let may_be_twice = |node: Node<'_>| {
        let method = method(node)?;
        if !idempotent.contains(&method) {
            let message = format!("requests with {method} can't be sent twice without harm");
            return Err(Fault::new(message, "remove it: only idempotent ones are hedged"));
        }
        Ok(method)
    };
    let methods = table.list("methods", METHODS, may_be_twice);
    let methods = methods.map(|methods| methods.value.into_iter().map(|method| method.value).collect());
    let after = table.require("after", "\"200ms\"", values::duration(MILLISECOND, HOUR))?.value;
    Some(Hedge { after, methods: methods.unwrap_or(idempotent) })
}

pub(super) fn read_outlier_detection(entry: &Entry<'_>) -> Option<OutlierDetection> {
    let table = entry.table("outlier_detection", "outlier_detection = {}")?.allow(&keys::OUTLIER_DETECTION);
    let default = OutlierDetection::default();
    let time = |key, default| value(table.read(key, values::duration(10 * MILLISECOND, 24 * HOUR)), default);
    let ejection = time("ejection", default.ejection);
    let max_ejection = table.read("max_ejection", values::duration(10 * MILLISECOND, 24 * HOUR));
    if let Some(most) = max_ejection.as_ref().filter(|most| most.value < ejection) {
        let fault =
            Fault::new("the longest ejection is shorter than the first", "make it at least outlier_detection.ejection");
        table.report(&most.place, "max_ejection", fault);
    }
    Some(OutlierDetection {
        consecutive: value(table.read("consecutive", values::count(0, 1_000_000)), default.consecutive),
        success_rate: value(table.read("success_rate", values::boolean), default.success_rate),
        latency: table.read("latency", values::count(2, 100)).map(|factor| factor.value),
        interval: time("interval", default.interval),
        ejection,
        max_ejection: value(max_ejection, default.max_ejection.max(ejection)),
        max_ejected: value(table.read("max_ejected", values::count(0, 100)), default.max_ejected),
    })
}

pub(super) fn read_limits(entry: &Entry<'_>) -> ClusterLimits {
    let default = ClusterLimits::default();
    let Some(table) = entry.table("limits", "limits = { requests = 1000 }") else { return default };
    let table = table.allow(&keys::CLUSTER_LIMITS);
    let most = |key| table.read(key, values::count(1, 1_000_000)).map(|most| most.value);
    ClusterLimits {
        requests: most("requests"),
        connections: most("connections"),
        retries: most("retries"),
        pending: value(table.read("pending", values::count(0, 1_000_000)), default.pending),
        wait: value(table.read("wait", values::duration(MILLISECOND, MINUTE)), default.wait),
    }
}
