//! Envoy. Its configuration is YAML, of which JSON is a part.

use serde_json::{Value, json};

use super::{Certificate, Entry, Layer, Setup, Site};

pub fn configuration(site: &Site<'_>) -> String {
    let Site { setup, port, certificate, endpoints } = *site;
    let filter = match setup.layer {
        Layer::Http => json!({
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": http(),
        }),
        Layer::Tcp => json!({
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "entry",
                "cluster": "all",
            },
        }),
    };
    let mut chain = json!({ "filters": [filter] });
    if let Some(certificate) = certificate {
        chain["transport_socket"] = tls(certificate, setup.entry);
    }
    json!({
        "static_resources": {
            "listeners": [{
                "name": "entry",
                "address": address("127.0.0.1", port),
                "filter_chains": [chain],
            }],
            "clusters": [cluster(setup, endpoints)],
        },
    })
    .to_string()
}

fn tls(certificate: &Certificate, entry: Entry) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": [if entry == Entry::Http2 { "h2" } else { "http/1.1" }],
                "tls_params": { "tls_maximum_protocol_version": "TLSv1_3" },
                "tls_certificates": [{
                    "certificate_chain": { "filename": certificate.certificate },
                    "private_key": { "filename": certificate.key },
                }],
            },
        },
    })
}

fn http() -> Value {
    let set = |key: &str, value: &str| json!({ "header": { "key": key, "value": value }, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" });
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "entry",
        "use_remote_address": true,
        "via": "1.1 envoy",
        "always_set_request_id_in_response": true,
        "route_config": {
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "all" } }],
                "request_headers_to_add": [
                    set("x-forwarded-host", "%REQ(:AUTHORITY)%"),
                    set("forwarded", "for=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%;host=\"%REQ(:AUTHORITY)%\";proto=http"),
                ],
            }],
        },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        }],
    })
}

fn cluster(setup: &Setup, endpoints: &[String]) -> Value {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .filter_map(|endpoint| endpoint.rsplit_once(':'))
        .filter_map(|(host, port)| Some(json!({ "endpoint": { "address": address(host, port.parse().ok()?) } })))
        .collect();
    let mut cluster = json!({
        "name": "all",
        "type": "STATIC",
        "connect_timeout": "5s",
        "lb_policy": if setup.policy.is_empty() { "ROUND_ROBIN" } else { setup.policy },
        "load_assignment": { "cluster_name": "all", "endpoints": [{ "lb_endpoints": endpoints }] },
    });
    if setup.ejection {
        cluster["outlier_detection"] = json!({
            "consecutive_5xx": 5,
            "interval": "1s",
            "base_ejection_time": "2s",
            "max_ejection_percent": 50,
        });
    }
    cluster
}

fn address(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": host, "port_value": port } })
}
