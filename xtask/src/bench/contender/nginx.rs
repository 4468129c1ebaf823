//! nginx, as a proxy and as the backend of all.

use std::fmt::Write as _;
use std::path::Path;

use super::{Entry, Site};

/// A small answer for every path, JSON for `/json/*`, and files of 64 KiB and 10 MiB.
pub fn backend(directory: &Path, folder: &Path, addresses: &[String]) -> String {
    let small = "0123456789".repeat(13);
    let listen: String = addresses.iter().map(|address| format!("listen {address}; ")).collect();
    let server = format!(
        "server {{ {listen}client_max_body_size 0; root {}; location / {{ return 200 \"{small}\"; }} \
         location /json/ {{ default_type application/json; return 200 '{{\"value\":\"{small}\"}}'; }} \
         location = /large {{ }} location = /huge {{ }} }}",
        folder.display()
    );
    file(directory, "backend", &server)
}

pub fn proxy(directory: &Path, site: &Site<'_>) -> String {
    let Site { setup, port, certificate, endpoints } = *site;
    let mut upstream = String::new();
    let protocol = match setup.entry {
        Entry::Clear => "",
        Entry::Tls => " ssl",
        Entry::Http2 => " ssl http2",
    };
    let tls = certificate.map_or_else(String::new, |certificate| {
        format!("ssl_certificate {}; ssl_certificate_key {};", certificate.certificate, certificate.key)
    });
    if !setup.policy.is_empty() && setup.policy != "round-robin" {
        let _ = writeln!(upstream, "    {};", setup.policy);
    }
    let failures = if setup.ejection { " max_fails=5 fail_timeout=2s" } else { "" };
    for endpoint in endpoints {
        let _ = writeln!(upstream, "    server {endpoint}{failures};");
    }
    // What counts as a failure is what would be tried again.
    let next = if setup.ejection { "error timeout http_503" } else { "off" };
    let server = format!(
        r#"upstream backend {{
{upstream}    keepalive 64;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port}{protocol};
    {tls}
    client_max_body_size 0;
    client_body_buffer_size 128k;
    proxy_buffers 16 8k;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_next_upstream {next};
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header Forwarded "for=$remote_addr;host=\"$http_host\";proto=$scheme";
      proxy_set_header Via "1.1 nginx";
      proxy_set_header X-Request-Id $request_id;
      add_header Via "1.1 nginx";
      add_header X-Request-Id $request_id;
    }}
  }}"#
    );
    file(directory, &format!("proxy-{port}"), &server)
}

fn file(directory: &Path, name: &str, server: &str) -> String {
    let directory = directory.display();
    format!(
        "worker_processes 1;\ndaemon off;\npid {directory}/{name}.pid;\nerror_log stderr;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  keepalive_requests 100000000;\n  client_body_temp_path {directory}/nginx-body;\n  \
         proxy_temp_path {directory}/nginx-proxy;\n  {server}\n}}\n"
    )
}
