//! The proxies, set to do the same work: forwarding fields, `Via`, a request id both ways, keep-alive connections
//! upstream, no access log.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Bench;
use super::process::{Process, free_port};
use super::scenario::KEY;
use crate::command::root;

/// A proxy and how it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Haproxy,
    Sluice { routes: u32, plugins: Plugins },
}

/// The chain of each route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugins {
    None,
    ApiKey {
        fresh: bool,
    },
    /// So many.
    Transform(u32),
}

/// Where requests end: an nginx that serves nothing else.
pub struct Backend {
    port: u16,
    _process: Process,
}

/// A running proxy.
pub struct Proxy {
    kind: Kind,
    port: u16,
    process: Process,
}

impl Backend {
    /// Start it.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start(bench: &Bench) -> Result<Self> {
        let port = free_port()?;
        let folder = bench.directory.join("served");
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        write(&folder.join("large"), &"0123456789abcdef".repeat(4096))?;
        let small = "0123456789".repeat(13);
        let server = format!(
            "server {{ listen 127.0.0.1:{port}; client_max_body_size 0; root {}; location / {{ return 200 \"{small}\"; }} \
             location = /large {{ }} }}",
            folder.display()
        );
        let file = bench.directory.join("backend.conf");
        write(&file, &nginx(bench, "backend", &server))?;
        let mut command = bench.tools.bound(bench.cores.1, &bench.tools.nginx);
        let process = Process::start(command.arg("-c").arg(&file), port, &bench.directory.join("backend.log"))?;
        Ok(Self { port, _process: process })
    }
}

impl Proxy {
    /// Start a proxy before the backend.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start(bench: &Bench, backend: &Backend, kind: &Kind) -> Result<Self> {
        let port = free_port()?;
        let name = format!("{kind:?}").replace(|c: char| !c.is_ascii_alphanumeric(), "").to_lowercase();
        let file = bench.directory.join(format!("{name}.conf"));
        let mut command = match kind {
            Kind::Nginx => {
                write(&file, &nginx(bench, &name, &nginx_proxy(port, backend.port)))?;
                let mut command = bench.tools.bound(bench.cores.0, &bench.tools.nginx);
                command.arg("-c").arg(&file);
                command
            }
            Kind::Haproxy => {
                write(&file, &haproxy(port, backend.port))?;
                let mut command = bench.tools.bound(bench.cores.0, &bench.tools.haproxy);
                command.arg("-f").arg(&file);
                command
            }
            Kind::Sluice { routes, plugins } => {
                write(&file, &sluice(port, free_port()?, backend.port, *routes, *plugins))?;
                sluice_command(bench, &file)
            }
        };
        let process = Process::start(&mut command, port, &bench.directory.join(format!("{name}.log")))?;
        Ok(Self { kind: *kind, port, process })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// How many routes it has.
    pub fn routes(&self) -> u32 {
        if let Kind::Sluice { routes, .. } = self.kind { routes } else { 1 }
    }

    /// For people.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Nginx => "nginx".to_owned(),
            Kind::Haproxy => "HAProxy".to_owned(),
            Kind::Sluice { plugins: Plugins::ApiKey { fresh: false }, .. } => "Sluice, pooled".to_owned(),
            Kind::Sluice { plugins: Plugins::ApiKey { fresh: true }, .. } => "Sluice, fresh".to_owned(),
            Kind::Sluice { plugins: Plugins::Transform(1), .. } => "Sluice, 1 plugin".to_owned(),
            Kind::Sluice { plugins: Plugins::Transform(count), .. } => format!("Sluice, {count} plugins"),
            Kind::Sluice { routes: 1, .. } => "Sluice".to_owned(),
            Kind::Sluice { routes, .. } => format!("Sluice, {routes} routes"),
        }
    }
}

fn sluice_command(bench: &Bench, file: &Path) -> Command {
    let mut command = bench.tools.bound(bench.cores.0, &bench.sluice);
    command.args(["run", "--config"]).arg(file);
    command
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("can't write {}", file.display()))
}

fn nginx(bench: &Bench, name: &str, server: &str) -> String {
    let directory = bench.directory.display();
    format!(
        "worker_processes 1;\ndaemon off;\npid {directory}/{name}.pid;\nerror_log stderr;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  keepalive_requests 100000000;\n  client_body_temp_path {directory}/{name}-body;\n  \
         proxy_temp_path {directory}/{name}-proxy;\n  {server}\n}}\n"
    )
}

fn nginx_proxy(port: u16, backend: u16) -> String {
    format!(
        r#"upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 0;
    client_body_buffer_size 128k;
    proxy_buffers 16 8k;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
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
    )
}

fn haproxy(port: u16, backend: u16) -> String {
    format!(
        r#"global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend entry
  bind 127.0.0.1:{port}
  option forwardfor
  unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Forwarded for=%[src];host=\"%[req.hdr(host)]\";proto=http
  http-request set-header Via "1.1 haproxy"
  http-request set-header X-Request-Id %[unique-id]
  http-response set-header Via "1.1 haproxy"
  http-response set-header X-Request-Id %[unique-id]
  default_backend all
backend all
  http-reuse always
  server one 127.0.0.1:{backend}
"#
    )
}

fn sluice(port: u16, admin: u16, backend: u16, routes: u32, plugins: Plugins) -> String {
    let mut text = format!(
        r#"[admin]
address = "127.0.0.1:{admin}"
[server]
threads = 1
[plugins]
directory = "{}"
[[listener]]
name = "public"
address = "127.0.0.1:{port}"
protocol = "http"
[[cluster]]
name = "backend"
endpoints = ["127.0.0.1:{backend}"]
"#,
        root().join("target/plugins").display()
    );
    let mut chain = Vec::new();
    match plugins {
        Plugins::None => {}
        Plugins::ApiKey { fresh } => {
            let isolation = if fresh { "request" } else { "pooled" };
            chain.push("keys".to_owned());
            let _ = writeln!(
                text,
                "[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nisolation = \"{isolation}\"\n\
                 config = {{ keys = {{ \"{KEY}\" = \"alice\" }} }}"
            );
        }
        Plugins::Transform(count) => {
            for number in 1..=count {
                chain.push(format!("t{number}"));
                let _ = writeln!(
                    text,
                    "[[plugin]]\nname = \"t{number}\"\ncomponent = \"transform.wasm\"\n\
                     config = {{ request = {{ headers = {{ set = {{ \"x-t{number}\" = \"1\" }} }} }} }}"
                );
            }
        }
    }
    for number in 0..routes {
        let path = if routes == 1 { "/*".to_owned() } else { format!("/service-{number}/*") };
        let _ = writeln!(
            text,
            "[[route]]\nname = \"r{number}\"\nmatch = {{ path = \"{path}\" }}\nplugins = {chain:?}\ncluster = \"backend\""
        );
    }
    text
}
