//! Sluice.

use std::fmt::Write as _;

use super::super::scenario::KEY;
use super::{Layer, Plugins, Site};
use crate::command::root;

pub fn configuration(site: &Site<'_>, admin: u16) -> String {
    let Site { setup, port, certificate, endpoints } = *site;
    let (protocol, cluster) = match setup.layer {
        Layer::Http => ("http", ""),
        Layer::Tcp => ("tcp", "cluster = \"backend\"\n"),
    };
    let tls = certificate.map_or_else(String::new, |certificate| {
        format!("tls = {{ certificate = {:?}, key = {:?} }}\n", certificate.certificate, certificate.key)
    });
    // The bench's own plugin is among the tests'.
    let folder = match setup.plugins {
        Plugins::Gate { .. } => "target/test-plugins",
        _ => "target/plugins",
    };
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
protocol = "{protocol}"
limits = {{ requests_per_connection = 0 }}
{tls}{cluster}[[cluster]]
name = "backend"
endpoints = {endpoints:?}
"#,
        root().join(folder).display()
    );
    if !setup.policy.is_empty() {
        let _ = writeln!(text, "balance = \"{}\"", setup.policy);
    }
    if setup.ejection {
        text.push_str(
            "outlier_detection = { consecutive = 5, interval = \"1s\", ejection = \"2s\", max_ejected = 50 }\n",
        );
    }
    if setup.layer == Layer::Tcp {
        return text;
    }
    let chain = chain(&mut text, setup.plugins);
    // Who composes an answer is a route's end.
    let end = if setup.plugins == Plugins::Aggregate { "" } else { "cluster = \"backend\"\n" };
    for number in 0..setup.routes {
        let path = if setup.routes == 1 { "/*".to_owned() } else { format!("/service-{number}/*") };
        let _ = write!(
            text,
            "[[route]]\nname = \"r{number}\"\nmatch = {{ path = \"{path}\" }}\nplugins = {chain:?}\n{end}"
        );
    }
    text
}

/// Write the plugins' tables, and tell their names.
fn chain(text: &mut String, plugins: Plugins) -> Vec<String> {
    match plugins {
        Plugins::None => Vec::new(),
        Plugins::Gate { fresh } => {
            let isolation = isolation(fresh);
            let _ =
                writeln!(text, "[[plugin]]\nname = \"gate\"\ncomponent = \"gate.wasm\"\nisolation = \"{isolation}\"");
            vec!["gate".to_owned()]
        }
        Plugins::ApiKey { fresh } => {
            let isolation = isolation(fresh);
            let _ = writeln!(
                text,
                "[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nisolation = \"{isolation}\"\n\
                 config = {{ keys = {{ \"{KEY}\" = \"alice\" }} }}"
            );
            vec!["keys".to_owned()]
        }
        Plugins::RateLimit => {
            text.push_str(
                "[[plugin]]\nname = \"limit\"\ncomponent = \"rate-limit.wasm\"\ngrants = [\"limiter\"]\n\
                 config = { key = \"client-address\", rate = 100000000, per = \"1s\" }\n",
            );
            vec!["limit".to_owned()]
        }
        Plugins::Aggregate => {
            text.push_str(
                "[[plugin]]\nname = \"compose\"\ncomponent = \"aggregate.wasm\"\ngrants = [{ http-client = [\"backend\"] }]\n",
            );
            for branch in ["a", "b", "c"] {
                let _ = writeln!(
                    text,
                    "[plugin.config.branches.{branch}]\ncluster = \"backend\"\npath = \"/json/{branch}\""
                );
            }
            vec!["compose".to_owned()]
        }
        Plugins::Transform(count) => {
            for number in 1..=count {
                let _ = writeln!(
                    text,
                    "[[plugin]]\nname = \"t{number}\"\ncomponent = \"transform.wasm\"\n\
                     config = {{ request = {{ headers = {{ set = {{ \"x-t{number}\" = \"1\" }} }} }} }}"
                );
            }
            (1..=count).map(|number| format!("t{number}")).collect()
        }
    }
}

fn isolation(fresh: bool) -> &'static str {
    if fresh { "request" } else { "pooled" }
}
