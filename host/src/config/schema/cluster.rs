//! What a `[[cluster]]` takes.

use serde_json::Value;

use super::*;
use crate::config::written::POLICIES;

pub(super) fn cluster() -> Value {
    let endpoint = [
        ("address", address("Where it is")),
        ("weight", number("Its share")),
        ("priority", number("Lower ones come first")),
        ("zone", text("Where it is, for prefer_zone")),
    ];
    let timeouts = [
        ("connect", duration("Until a connection is open")),
        ("first_byte", duration("From the request sent to the head of the answer")),
        ("idle", duration("Without a byte of a body")),
        ("keep_alive", duration("A connection that nobody uses")),
        ("attempt", duration("One try, to the head of the answer")),
        ("request", duration("The whole request with its retries, to the end of the answer")),
    ];
    let keepalive = [
        ("interval", duration("Without a word, until the endpoint is asked for a sign of life")),
        ("timeout", duration("For its answer")),
    ];
    let own = [
        ("name", name()),
        ("balance", balance()),
        ("sticky", sticky()),
        ("panic_threshold", number("Below so many percent of healthy endpoints, health doesn't count")),
        ("prefer_zone", flag("Endpoints in the gateway's own zone come first")),
        ("slow_start", duration("Until an endpoint that comes, or comes back, gets all of its share")),
        ("endpoints", list(either(&[address("Where it is"), table(&["address"], &endpoint)]))),
        ("discovery", discovery()),
        ("health_check", health_check()),
        ("host", text("What to send as Host")),
        ("timeouts", table(&[], &timeouts)),
        ("retries", retries()),
        ("hedge", hedge()),
        ("outlier_detection", outlier_detection()),
        ("limits", cluster_limits()),
        ("proxy_protocol", choice("Connections begin with a PROXY protocol header", &["v1", "v2"])),
        ("tls", cluster_tls()),
        ("protocol", choice("What requests are sent by", &["http1", "http2", "auto"])),
        ("max_concurrent_streams", number("Requests at once on one connection of HTTP/2")),
        ("keepalive", table(&[], &keepalive)),
    ];
    table(&["name"], &own)
}

fn cluster_tls() -> Value {
    let own = [
        ("ca", text("PEM file of authorities; else those that the system trusts")),
        ("verify", flag("Whether endpoints have to show a certificate that counts")),
        ("certificate", text("PEM file of what the gateway shows")),
        ("key", text("PEM file of its private key")),
        ("server_name", text("The name that is asked for, and that certificates have to be for")),
        ("min_version", choice("The oldest version of TLS", &["1.2", "1.3"])),
    ];
    table(&[], &own)
}

fn discovery() -> Value {
    let own = [
        ("file", text("A file with an endpoint on each line")),
        ("dns", address("A host whose addresses are the endpoints")),
        ("srv", text("A service: \"_http._tcp.example.com\"")),
        ("servers", list(address("A DNS server; else the system's are asked"))),
        ("family", choice("Which addresses are asked for", &["both", "ipv4", "ipv6"])),
        ("min_ttl", duration("An answer holds at least so long")),
        ("max_ttl", duration("And at most so long")),
        ("timeout", duration("For one answer of one server")),
    ];
    table(&[], &own)
}

fn balance() -> Value {
    let key = [
        ("header", text("A field of the request")),
        ("cookie", text("A cookie")),
        ("query", text("A parameter of the query")),
    ];
    let key = either(&[choice("What is hashed", &["client", "path", "identity"]), table(&[], &key)]);
    let own = [
        ("policy", choice("The policy", &POLICIES)),
        ("hash", either(&[key.clone(), list(key)])),
        ("plugin", text("The plugin that picks endpoints")),
    ];
    either(&[choice("The policy", &POLICIES), table(&[], &own)])
}

fn sticky() -> Value {
    let own = [
        ("cookie", text("The cookie's name")),
        ("max_age", duration("How long a session lasts; else until the browser ends")),
        ("secure", flag("Send the cookie over HTTPS alone")),
    ];
    table(&["cookie"], &own)
}

fn health_check() -> Value {
    let own = [
        ("protocol", choice("How it is asked", &["http", "tcp", "grpc"])),
        ("path", text("What is requested")),
        ("expect", list(status("What a good answer has"))),
        ("body", text("A text that a good answer has in its body")),
        ("service", text("The gRPC service that is asked for")),
        ("interval", duration("Between two checks")),
        ("timeout", duration("For one check")),
        ("unhealthy_after", number("Failures in a row")),
        ("healthy_after", number("Successes in a row")),
    ];
    table(&[], &own)
}

fn retries() -> Value {
    let own = [
        ("attempts", number("Tries after the first")),
        (
            "on",
            list(either(&[
                choice("What is tried again", &["reset", "timeout"]),
                status("An answer with it is tried again"),
            ])),
        ),
        ("methods", list(text("A method that is tried again"))),
        ("budget", number("Retries in percent of the requests")),
        ("backoff", duration("The most to wait before the first retry")),
        ("max_backoff", duration("The most to wait at all")),
        ("body", size("The largest body that is kept to be sent again")),
    ];
    table(&[], &own)
}

fn hedge() -> Value {
    let own = [
        ("after", duration("How long an answer may take before another endpoint is asked too")),
        ("methods", list(text("An idempotent method"))),
    ];
    table(&["after"], &own)
}

fn outlier_detection() -> Value {
    let own = [
        ("consecutive", number("Failures in a row that eject an endpoint")),
        ("success_rate", flag("Eject who succeeds much less often than the others")),
        ("latency", number("Eject who takes so many times as long as the others do")),
        ("interval", duration("Between two comparisons")),
        ("ejection", duration("Of the first ejection")),
        ("max_ejection", duration("Of any ejection")),
        ("max_ejected", number("Percent of the endpoints that may be ejected at once")),
    ];
    table(&[], &own)
}

fn cluster_limits() -> Value {
    let own = [
        ("requests", number("Requests on their way at once")),
        ("connections", number("Connections open at once, idle ones too")),
        ("retries", number("Retries on their way at once")),
        ("pending", number("How many may wait for their turn")),
        ("wait", duration("How long they may")),
    ];
    table(&[], &own)
}
