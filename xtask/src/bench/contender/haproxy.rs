//! HAProxy.

use std::fmt::Write as _;

use super::{Entry, Layer, Site};

const FIELDS: &str = r#"  option forwardfor
  unique-id-format %{+X}o%ci%cp%fi%fp%Ts%rt%pid
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Forwarded for=%[src];host=\"%[req.hdr(host)]\";proto=http
  http-request set-header Via "1.1 haproxy"
  http-request set-header X-Request-Id %[unique-id]
  http-response set-header Via "1.1 haproxy"
  http-response set-header X-Request-Id %[unique-id]
"#;

pub fn configuration(site: &Site<'_>) -> String {
    let Site { setup, port, certificate, endpoints } = *site;
    let (mode, fields, reuse) = match setup.layer {
        Layer::Http => ("http", FIELDS, "  http-reuse always\n"),
        Layer::Tcp => ("tcp", "", ""),
    };
    let alpn = if setup.entry == Entry::Http2 { "h2" } else { "http/1.1" };
    let tls = certificate.map_or_else(String::new, |certificate| format!(" ssl crt {} alpn {alpn}", certificate.both));
    let mut text = format!(
        "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 60s\n  \
         timeout server 60s\nfrontend entry\n  bind 127.0.0.1:{port}{tls}\n{fields}  default_backend all\nbackend all\n{reuse}"
    );
    if !setup.policy.is_empty() {
        let _ = writeln!(text, "  balance {}", setup.policy);
    }
    // A server that is marked down comes back when a check succeeds twice.
    let failures =
        if setup.ejection { " check inter 1s rise 2 observe layer7 error-limit 5 on-error mark-down" } else { "" };
    for (number, endpoint) in endpoints.iter().enumerate() {
        let _ = writeln!(text, "  server s{number} {endpoint}{failures}");
    }
    text
}
