//! What `/metrics` tells, with labels of a gateway that has seen everything once.

use std::fmt::Write as _;
use std::time::Duration;

use sluice::telemetry::metrics::{ComponentSample, Ended, EndpointSample, Expiry, MethodLabel, Metrics, Owner};

use super::{cell, plain};

const HEAD: &str = "
# All metrics

What `GET /metrics` of the [admin API](../operating.md#the-api) has, as Prometheus' text format, or as OpenMetrics if `Accept` asks for it.
Label values come from the configuration and from fixed lists, never from what clients send. A metric without any series yet isn't told.
[Operating](../operating.md#prometheus-and-grafana) says what the values of labels mean. What plugins count by themselves is called
`plugin_PLUGIN_NAME`, with a label `plugin`.

| Metric | Type | Labels | Meaning |
|---|---|---|---|
";

pub fn page() -> String {
    let metrics = Metrics::new();
    let moment = Duration::from_millis(1);
    let ended = Ended { method: MethodLabel::OTHER, scheme: "http", duration: moment, trace: None };
    metrics.route("r").record(http::StatusCode::OK, ended);
    let plugin = metrics.plugin("p");
    plugin.record("on-request", "continue", moment);
    let listener = metrics.listener("l");
    listener.refused("tls");
    listener.cut("slow-head");
    listener.accept_failed("memory");
    let cluster = metrics.cluster("c");
    cluster.record("ok", moment);
    cluster.retry("ok");
    cluster.hedge("won");
    cluster.ejected("consecutive");
    cluster.overflow("requests");
    cluster.dns().record("ok");
    metrics.admin_refused("token");
    let store = metrics.state().store("redis");
    store.is_up();
    metrics.state().operation("get", "ok", moment);
    metrics.state().without("local");
    let owners = [Owner::Listener("l".into()), Owner::Admin, Owner::Cluster("c".into())];
    metrics.certificates(owners.map(|owner| Expiry { owner, name: String::new(), at: 0 }).into());
    let endpoint = EndpointSample {
        cluster: "c".into(),
        address: "a".into(),
        healthy: true,
        drained: false,
        in_flight: 0,
        weight: 1,
        latency_us: 1,
        requests: 0,
        failed: 0,
        state: "healthy",
    };
    let component = ComponentSample { plugin: "p".into(), digest: "d".into(), state: "serving" };
    let mut all = metrics.catalogue(&[endpoint], &[component]);
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let mut page = HEAD.to_owned();
    for one in all {
        let labels: Vec<String> = one.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{}` | {} | {} | {} |", one.name, one.kind, labels.join(", "), cell(&plain(one.help)))
            .unwrap();
    }
    page
}
