//! Traces, as a collector gets them and as upstreams see their context.

use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;

use crate::harness::client::Client;
use crate::harness::collector::{Collector, Speaks, attribute};
use crate::harness::site::{Files, Site, TOKEN, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::{Upstream, answer};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();

/// `[tracing]` with this more, and a route with a plugin to an upstream that tells what it saw.
async fn site(collector: &Collector, scheme: &str, more: &str) -> Site {
    let upstream = Upstream::mirror().await;
    let text = format!(
        "[tracing]\nendpoint = \"{scheme}://127.0.0.1:{}\"\nservice = \"edge\"\n\
         headers = {{ \"x-collector-key\" = \"secret\" }}\n{more}\n\
         [[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nconfig = {{ keys = {{ \"k\" = \"alice\" }} }}\n{}{}",
        collector.port,
        cluster("up", &[upstream.address]),
        route("up", "/up/*", &["keys"])
    );
    Files::with_plugins(&["api-key"]).start(&text).await
}

/// The tree of one request, whoever carries it.
async fn tells(mut collector: Collector, site: Site) {
    let fields = [("x-api-key", "k"), ("traceparent", PARENT), ("tracestate", "vendor=1, other=2")];
    let answer = site.ask("GET", "/up/7?token=hidden", &fields, b"").await;
    assert_eq!(answer.status, 200);
    let seen = answer.json();
    let server = collector.span(|span| span.kind == SpanKind::Server as i32 && span.trace_id == TRACE).await;
    assert_eq!(server.name, "GET up");
    assert_eq!(server.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(attribute(&server, "url.path").as_deref(), Some("/up/7"));
    assert_eq!(attribute(&server, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(attribute(&server, "sluice.request_id").as_deref(), answer.field("x-request-id"));
    let query = attribute(&server, "url.query").unwrap();
    assert!(!query.contains("hidden"), "{query}");

    let call = collector.span(|span| span.name == "keys authenticate").await;
    assert_eq!((&call.trace_id, &call.parent_span_id), (&server.trace_id, &server.span_id));
    assert_eq!(attribute(&call, "sluice.plugin.outcome").as_deref(), Some("identified"));
    assert!(call.start_time_unix_nano >= server.start_time_unix_nano);
    assert!(call.end_time_unix_nano <= server.end_time_unix_nano);

    let attempt = collector.span(|span| span.kind == SpanKind::Client as i32).await;
    assert_eq!((&attempt.trace_id, &attempt.parent_span_id), (&server.trace_id, &server.span_id));
    assert_eq!(attribute(&attempt, "sluice.cluster").as_deref(), Some("up"));
    assert!(attempt.start_time_unix_nano >= call.end_time_unix_nano);
    // The upstream's spans belong below the try.
    let hexadecimal: String = attempt.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let wanted = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{hexadecimal}-01");
    assert_eq!(seen["fields"]["traceparent"], serde_json::json!([wanted]));
    assert_eq!(seen["fields"]["tracestate"], serde_json::json!(["vendor=1, other=2"]));
    site.gateway.shutdown().await;
}

#[tokio::test]
async fn a_request_is_told_by_grpc() {
    let mut collector = Collector::start(Speaks::Grpc, None).await;
    let site = site(&collector, "http", "").await;
    site.get("/nothing").await;
    let (headers, service) = collector.more().await;
    assert_eq!((headers["x-collector-key"].to_str().unwrap(), &*service), ("secret", "edge"));
    let refused = collector.span(|span| span.name == "GET").await;
    assert_eq!(attribute(&refused, "http.response.status_code").as_deref(), Some("404"));
    assert!(refused.parent_span_id.iter().all(|byte| *byte == 0), "it has no caller");
    tells(collector, site).await;
}

#[tokio::test]
async fn a_request_is_told_by_http() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let site = site(&collector, "http", "protocol = \"http\"").await;
    site.get("/nothing").await;
    let (headers, service) = collector.more().await;
    assert_eq!((headers["x-collector-key"].to_str().unwrap(), &*service), ("secret", "edge"));
    tells(collector, site).await;
}

#[tokio::test]
async fn collectors_are_reached_over_tls() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    for (speaks, alpn, more) in [(Speaks::Grpc, "h2", ""), (Speaks::Http, "http/1.1", "protocol = \"http\"\n")] {
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let own = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut tls = builder.with_single_cert(vec![signed.der().clone()], own).unwrap();
        tls.alpn_protocols = vec![alpn.into()];
        let collector = Collector::start(speaks, Some(Arc::new(tls))).await;
        let files = tempfile::tempdir().unwrap();
        let ca = files.path().join("ca.pem");
        std::fs::write(&ca, issuer.pem()).unwrap();
        let site = site(&collector, "https", &format!("{more}ca = \"{}\"", ca.display())).await;
        tells(collector, site).await;
    }
}

#[tokio::test]
async fn callers_decide_and_what_they_get_wrong_begins_anew() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let site = site(&collector, "http", "protocol = \"http\"\nsample = 0").await;
    let seen = async |parents: &[&str], state: &str| {
        let mut fields = vec![("x-api-key", "k"), ("tracestate", state)];
        fields.extend(parents.iter().map(|parent| ("traceparent", *parent)));
        let seen = site.ask("GET", "/up/", &fields, b"").await.json()["fields"].clone();
        let parent = seen["traceparent"][0].as_str().unwrap().to_owned();
        assert_eq!(seen["traceparent"].as_array().unwrap().len(), 1, "{seen}");
        (parent, seen["tracestate"].clone())
    };
    let trace = &PARENT[..36];
    // Not told, and nobody behind tells either.
    let (parent, state) = seen(&[&PARENT.replace("-01", "-00")], "a=1").await;
    assert!(parent.starts_with(trace) && parent.ends_with("-00"), "{parent}");
    assert_eq!(state, serde_json::json!(["a=1"]));
    // A state that is no state goes no further, its trace does.
    let (parent, state) = seen(&[&PARENT.replace("-01", "-00")], "A=1").await;
    assert!(parent.starts_with(trace) && state.is_null(), "{parent} {state}");
    for wrong in [&[PARENT, PARENT][..], &["00-x"], &[]] {
        let (parent, state) = seen(wrong, "a=1").await;
        assert!(!parent.starts_with(trace) && parent.ends_with("-02") && state.is_null(), "{parent} {state}");
    }
    // Told, since its caller tells.
    seen(&[PARENT], "").await;
    let server = collector.span(|span| span.kind == SpanKind::Server as i32).await;
    assert_eq!(server.trace_id, TRACE);
    let servers = collector.spans.iter().filter(|span| span.kind == SpanKind::Server as i32);
    assert_eq!(servers.count(), 1);
}

#[tokio::test]
async fn tries_are_spans_of_their_own() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let upstream = Upstream::serving(async |_| answer(503, "busy")).await;
    let text = format!(
        "[tracing]\nendpoint = \"http://127.0.0.1:{}\"\nprotocol = \"http\"\n{}retries = {{ attempts = 1, on = [503] }}\n{}",
        collector.port,
        cluster("up", &[upstream.address]),
        route("up", "/*", &[])
    );
    let site = Files::new().start(&text).await;
    assert_eq!(site.get("/").await.status, 503);
    collector.span(|span| span.kind == SpanKind::Server as i32).await;
    let tries: Vec<&Span> = collector.spans.iter().filter(|span| span.kind == SpanKind::Client as i32).collect();
    let [first, second] = tries[..] else { panic!("{tries:?}") };
    assert_ne!(first.span_id, second.span_id);
    assert_eq!(attribute(second, "http.request.resend_count").as_deref(), Some("1"));
    assert!(second.start_time_unix_nano >= first.end_time_unix_nano);
}

/// The tracing table for that collector.
fn tracing(collector: &Collector) -> String {
    format!("[tracing]\nendpoint = \"http://127.0.0.1:{}\"\nprotocol = \"http\"\n", collector.port)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_a_plugin_asks_is_below_its_call() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let mirror = Upstream::mirror().await;
    let (silent, _arrivals, _release) = Upstream::holding().await;
    let text = format!(
        "{}[[plugin]]\nname = \"both\"\ncomponent = \"aggregate.wasm\"\n\
         grants = [{{ http-client = [\"mirror\", \"silent\"] }}]\n\
         [plugin.config.branches.mirror]\ncluster = \"mirror\"\npath = \"/m\"\n\
         [plugin.config.branches.silent]\ncluster = \"silent\"\npath = \"/s\"\ntimeout = \"50ms\"\nrequired = false\n\
         [[route]]\nname = \"both\"\nplugins = [\"both\"]\n{}{}",
        tracing(&collector),
        cluster("mirror", &[mirror.address]),
        cluster("silent", &[silent.address]),
    );
    let site = Files::with_plugins(&["aggregate"]).start(&text).await;
    let fields = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    let answer = site.ask("GET", "/", &fields, b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json()["mirror"]["fields"].clone();
    let call = collector.span(|span| span.name == "both aggregate").await;
    let tries: Vec<Span> =
        collector.spans.iter().filter(|span| span.kind == SpanKind::Client as i32).cloned().collect();
    assert_eq!(tries.len(), 2, "{tries:?}");
    assert!(tries.iter().all(|attempt| attempt.parent_span_id == call.span_id && attempt.trace_id == TRACE));
    let of = |name: &str| tries.iter().find(|one| attribute(one, "sluice.cluster").as_deref() == Some(name)).unwrap();
    let (answered, abandoned) = (of("mirror"), of("silent"));
    assert_eq!(attribute(answered, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(attribute(answered, "server.port"), Some(mirror.address.port().to_string()));
    // What came in, and whose try it is.
    let wanted = format!("{}{}-01", &PARENT[..36], hexadecimal(&answered.span_id));
    assert_eq!(
        (&seen["traceparent"], &seen["tracestate"]),
        (&serde_json::json!([wanted]), &serde_json::json!(["vendor=1"]))
    );
    assert_eq!(attribute(abandoned, "http.response.status_code"), None);
    assert!(attribute(abandoned, "sluice.abandoned").is_some());
    assert!(abandoned.end_time_unix_nano <= call.end_time_unix_nano);
    soon(site.gateway.shutdown()).await;
}

#[tokio::test]
async fn both_tries_of_a_hedged_request_have_spans() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let (slow, _arrivals, _release) = Upstream::holding().await;
    let mirror = Upstream::mirror().await;
    let text = format!(
        "{}{}hedge = {{ after = \"1ms\" }}\n{}",
        tracing(&collector),
        cluster("up", &[slow.address, mirror.address]),
        route("up", "/*", &[])
    );
    let site = Files::new().start(&text).await;
    // One of the two begins at the one that is slow.
    let mut hedged = None;
    for _ in 0..2 {
        let answer = site.get("/").await;
        assert_eq!(answer.status, 200);
        let server = collector.span(|span| span.kind == SpanKind::Server as i32).await;
        let spans = std::mem::take(&mut collector.spans);
        let tries: Vec<Span> = spans.into_iter().filter(|span| span.kind == SpanKind::Client as i32).collect();
        assert!(tries.iter().all(|attempt| attempt.parent_span_id == server.span_id));
        if tries.len() == 2 {
            hedged = Some((answer.json()["fields"]["traceparent"].clone(), tries));
        }
    }
    let (told, tries) = hedged.expect("one was hedged");
    let [lost, won] = &tries[..] else { panic!("{tries:?}") };
    assert_ne!(lost.span_id, won.span_id);
    assert!(told[0].as_str().unwrap().contains(&hexadecimal(&won.span_id)), "{told}");
    assert!(attribute(lost, "sluice.abandoned").is_some() && attribute(won, "sluice.abandoned").is_none());
    assert_eq!(attribute(won, "http.request.resend_count").as_deref(), Some("1"));
}

#[tokio::test]
async fn what_fails_is_an_error_with_its_kind() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let nobody = Upstream::nobody().await;
    let text = [tracing(&collector), cluster("up", &[nobody]), route("up", "/*", &[])].concat();
    let site = Files::new().start(&text).await;
    assert_eq!(site.get("/").await.status, 502);
    let server = collector.span(|span| span.kind == SpanKind::Server as i32).await;
    let attempt = collector.span(|span| span.kind == SpanKind::Client as i32).await;
    for (span, kind) in [(server, "502"), (attempt, "no answer")] {
        assert_eq!(span.status.clone().unwrap().code, StatusCode::Error as i32, "{span:?}");
        assert_eq!(attribute(&span, "error.type").as_deref(), Some(kind));
    }
}

#[tokio::test]
async fn slow_requests_are_found_by_exemplars() {
    let collector = Collector::start(Speaks::Http, None).await;
    let upstream = Upstream::fixed("hello").await;
    let text = [tracing(&collector), cluster("up", &[upstream.address]), route("up", "/*", &[])].concat();
    let site = Files::new().start(&text).await;
    let unsampled = PARENT.replace("-01", "-00").replace("4bf92f35", "aaaaaaaa");
    assert_eq!(site.ask("GET", "/", &[("traceparent", &unsampled)], b"").await.status, 200);
    assert_eq!(site.ask("GET", "/", &[("traceparent", PARENT)], b"").await.status, 200);
    let address = site.gateway.admin_address().unwrap();
    let scrape = async |accept: &str| {
        let (host, token) = (address.to_string(), format!("Bearer {TOKEN}"));
        let fields = [("host", &*host), ("authorization", &*token), ("accept", accept)];
        Client::connect(address).await.ask("GET", "/metrics", &fields, b"").await
    };
    let open = scrape("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3").await;
    assert_eq!(open.field("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = open.text();
    let marked: Vec<&str> = text.lines().filter(|line| line.contains(" # {")).collect();
    let [line] = marked[..] else { panic!("{marked:?}") };
    assert!(
        line.starts_with("http_server_request_duration_seconds_bucket{") && line.contains(&PARENT[3..35]),
        "{line}"
    );
    let plain = scrape("text/plain").await;
    assert!(!plain.text().contains(" # {"));
}

#[tokio::test]
async fn a_line_of_the_log_names_its_trace() {
    let mut collector = Collector::start(Speaks::Http, None).await;
    let upstream = Upstream::fixed("hello").await;
    let files = Files::new();
    let log = files.path("access.log");
    let text = format!(
        "{}[access_log]\noutput = {{ file = \"access.log\" }}\nfields = [\"trace_id\", \"span_id\", \"status\"]\n{}{}",
        tracing(&collector),
        cluster("up", &[upstream.address]),
        route("up", "/*", &[])
    );
    let site = files.start(&text).await;
    assert_eq!(site.get("/").await.status, 200);
    let server = collector.span(|span| span.kind == SpanKind::Server as i32).await;
    site.gateway.flush_logs();
    let line: Value = serde_json::from_str(std::fs::read_to_string(log).unwrap().trim()).unwrap();
    let (trace, span) = (hexadecimal(&server.trace_id), hexadecimal(&server.span_id));
    assert_eq!(line, serde_json::json!({ "trace_id": trace, "span_id": span, "status": 200 }));
}

#[tokio::test]
async fn a_collector_that_is_away_costs_traces_and_nothing_else() {
    let away = Upstream::nobody().await;
    let text = format!(
        "[tracing]\nendpoint = \"http://{away}\"\nprotocol = \"http\"\n[[route]]\nname = \"all\"\nrespond = {{ status = 200 }}\n"
    );
    let site = Files::new().start(&text).await;
    for _ in 0..3 {
        assert_eq!(site.get("/").await.status, 200);
    }
    soon(async {
        while site.metric("sluice_traces_total{result=\"failed\"}").await != 3.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(site.gateway.shutdown()).await;
}
