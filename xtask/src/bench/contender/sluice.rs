//! Sluice.

use std::fmt::Write as _;

use super::super::scenario::KEY;
use super::{Layer, Plugins, Setup};
use crate::command::root;

pub fn configuration(setup: &Setup, port: u16, admin: u16, endpoints: &[u16]) -> String {
    let addresses: Vec<String> = endpoints.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let (protocol, cluster) = match setup.layer {
        Layer::Http => ("http", ""),
        Layer::Tcp => ("tcp", "cluster = \"backend\"\n"),
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
{cluster}[[cluster]]
name = "backend"
endpoints = {addresses:?}
"#,
        root().join("target/plugins").display()
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
    for number in 0..setup.routes {
        let path = if setup.routes == 1 { "/*".to_owned() } else { format!("/service-{number}/*") };
        let _ = writeln!(
            text,
            "[[route]]\nname = \"r{number}\"\nmatch = {{ path = \"{path}\" }}\nplugins = {chain:?}\ncluster = \"backend\""
        );
    }
    text
}

/// Write the plugins' tables, and tell their names.
fn chain(text: &mut String, plugins: Plugins) -> Vec<String> {
    match plugins {
        Plugins::None => Vec::new(),
        Plugins::ApiKey { fresh } => {
            let isolation = if fresh { "request" } else { "pooled" };
            let _ = writeln!(
                text,
                "[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nisolation = \"{isolation}\"\n\
                 config = {{ keys = {{ \"{KEY}\" = \"alice\" }} }}"
            );
            vec!["keys".to_owned()]
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
