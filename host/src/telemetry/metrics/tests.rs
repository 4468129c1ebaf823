use http::StatusCode;

use super::*;
use crate::telemetry::traces::TraceContext;

/// The value of the sample with that name and labels.
fn sample(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn filled() -> Arc<Metrics> {
    let metrics = Metrics::new();
    let route = metrics.route("users");
    route.record_get(StatusCode::OK, Duration::from_millis(3));
    route.record_get(StatusCode::OK, Duration::from_millis(30));
    route.record_get(StatusCode::BAD_GATEWAY, Duration::from_millis(1));
    metrics.plugin("keys").record("authenticate", "identified", Duration::from_micros(1500));
    metrics.plugin("keys").record("authenticate", "identified", Duration::from_micros(500));
    metrics.plugin("keys").record("authenticate", "trap", Duration::ZERO);
    metrics.cluster("shop").record("ok", Duration::from_millis(2));
    metrics.cluster("shop").fallback();
    metrics.reloaded(Reload::Refused);
    metrics
}

#[test]
fn what_was_recorded_can_be_read() {
    let endpoint = |address: &str, in_flight| EndpointSample {
        cluster: "shop".into(),
        address: address.into(),
        healthy: true,
        drained: in_flight == 3,
        in_flight,
        weight: 5,
        latency_us: 1500,
        requests: 9,
        failed: 4,
        state: "healthy",
    };
    let component = ComponentSample { plugin: "keys".into(), digest: "ab12".into(), state: "serving" };
    let metrics = filled();
    let instance = metrics.plugin("keys").instance();
    instance.uses(1 << 20);
    metrics.plugin("keys").waited(Duration::from_millis(7));
    let life = metrics.snapshot_lives();
    let text = metrics.encode(Format::Plain, &[endpoint("[::1]:1", 2), endpoint("[::1]:1", 3)], &[component]);
    drop((life, instance));
    let users =
        "http_route=\"users\",http_request_method=\"GET\",url_scheme=\"http\",http_response_status_code=\"200\"";
    for (series, expected) in [
        (format!("http_server_request_duration_seconds_count{{{users}}}"), 2.0),
        (format!("http_server_request_duration_seconds_sum{{{users}}}"), 0.033),
        (format!("http_server_request_duration_seconds_bucket{{le=\"0.005\",{users}}}"), 1.0),
        (format!("http_server_request_duration_seconds_bucket{{le=\"+Inf\",{users}}}"), 2.0),
        ("sluice_plugin_calls_total{plugin=\"keys\",hook=\"authenticate\",outcome=\"identified\"}".into(), 2.0),
        ("sluice_plugin_calls_total{plugin=\"keys\",hook=\"authenticate\",outcome=\"trap\"}".into(), 1.0),
        ("sluice_plugin_busy_seconds_total{plugin=\"keys\"}".into(), 0.002),
        ("sluice_plugin_waited_seconds_total{plugin=\"keys\"}".into(), 0.007),
        ("sluice_plugin_instances{plugin=\"keys\"}".into(), 1.0),
        ("sluice_plugin_peak_memory_bytes{plugin=\"keys\"}".into(), 1048576.0),
        ("sluice_plugin_info{plugin=\"keys\",digest=\"ab12\",state=\"serving\"}".into(), 1.0),
        ("sluice_upstream_requests_total{cluster=\"shop\",outcome=\"ok\"}".into(), 1.0),
        ("sluice_endpoint_weight{cluster=\"shop\",endpoint=\"[::1]:1\"}".into(), 5.0),
        ("sluice_endpoint_latency_seconds{cluster=\"shop\",endpoint=\"[::1]:1\"}".into(), 0.0015),
        ("sluice_endpoint_requests_total{cluster=\"shop\",endpoint=\"[::1]:1\"}".into(), 9.0),
        ("sluice_endpoint_failures_total{cluster=\"shop\",endpoint=\"[::1]:1\"}".into(), 4.0),
        ("sluice_balance_fallbacks_total{cluster=\"shop\"}".into(), 1.0),
        ("sluice_reloads_total{outcome=\"refused\"}".into(), 1.0),
        ("sluice_reloads_total{outcome=\"published\"}".into(), 0.0),
        ("sluice_snapshots_live".into(), 1.0),
        ("sluice_endpoint_healthy{cluster=\"shop\",endpoint=\"[::1]:1\"}".into(), 1.0),
        ("sluice_endpoint_requests_in_flight{cluster=\"shop\",endpoint=\"[::1]:1\"}".into(), 5.0),
    ] {
        let value = sample(&text, &series).unwrap_or_else(|| panic!("{series} isn't in\n{text}"));
        assert!((value - expected).abs() < 1e-9, "{series} is {value} and not {expected}");
    }
}

#[test]
fn each_series_occurs_once_and_is_described() {
    let text = filled().encode(Format::Plain, &[], &[]);
    let mut described = String::new();
    let mut seen = std::collections::HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            described = rest.split(' ').next().unwrap().into();
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(series.starts_with(&described), "{line} comes after the description of {described}");
            assert!(seen.insert(series.to_owned()), "{series} occurs twice");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
}

#[test]
fn openmetrics_ends_with_its_mark() {
    let text = filled().encode(Format::OpenMetrics, &[], &[]);
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE sluice_reloads counter\n"));
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for accept in
        ["application/openmetrics-text;version=1.0.0,text/plain;q=0.5", prometheus, "Application/OpenMetrics-Text"]
    {
        assert_eq!(Format::accepted(accept), Format::OpenMetrics, "{accept}");
    }
    for accept in [
        "*/*",
        "",
        "text/html,*/*;q=0.8",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;version=2.0.0",
        "text/plain;version=0.0.4,application/openmetrics-text;q=0.5",
        "text/application/openmetrics-text",
    ] {
        assert_eq!(Format::accepted(accept), Format::Plain, "{accept}");
    }
}

#[test]
fn traced_requests_are_exemplars_of_their_buckets() {
    let metrics = filled();
    let record = |sampled, duration| {
        let trace = Some(TraceContext::for_test(sampled));
        let ended = Ended { method: MethodLabel::OTHER, scheme: "https", duration, trace };
        metrics.route("users").record(StatusCode::OK, ended);
    };
    record(false, Duration::from_millis(700));
    record(true, Duration::from_millis(60));
    let text = metrics.encode(Format::OpenMetrics, &[], &[]);
    let marked: Vec<&str> = text.lines().filter(|line| line.contains(" # ")).collect();
    let [line] = marked[..] else { panic!("{marked:?}") };
    assert!(
        line.starts_with("http_server_request_duration_seconds_bucket{le=\"0.075\",http_route=\"users\","),
        "{line}"
    );
    assert!(line.contains("http_request_method=\"_OTHER\",url_scheme=\"https\""), "{line}");
    assert!(line.contains(" 1 # {trace_id=\"00000000000000000000000000000001\",span_id="), "{line}");
    assert!(line.contains("} 0.06 "), "{line}");
    assert!(!metrics.encode(Format::Plain, &[], &[]).contains("trace_id"));
}

#[test]
fn a_name_keeps_its_handle() {
    let metrics = Metrics::new();
    let first = metrics.route("a");
    assert!(Arc::ptr_eq(&first, &metrics.route("a")));
    assert!(!Arc::ptr_eq(&first, &metrics.route("b")));
}

#[test]
fn a_label_cannot_break_out_of_its_quotes() {
    let metrics = Metrics::new();
    metrics.cluster("a\"b\\c\nd").fallback();
    let text = metrics.encode(Format::Plain, &[], &[]);
    assert!(text.contains(r#"{cluster="a\"b\\c\nd"}"#), "{text}");
}

#[test]
fn snapshots_are_counted_while_they_live() {
    let metrics = Metrics::new();
    let lives = [metrics.snapshot_lives(), metrics.snapshot_lives()];
    assert_eq!(metrics.live_snapshots(), 2);
    drop(lives);
    assert_eq!(metrics.live_snapshots(), 0);
}
