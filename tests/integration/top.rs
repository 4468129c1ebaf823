//! `sluice top` and `sluice healthcheck`: what others than the gateway's own process see of it.

use std::process::{Command, Output};

use crate::harness::components::program;
use crate::harness::site::{Files, Site, TOKEN, cluster, route};
use crate::harness::upstream::Upstream;

/// Run the program and wait for its end, while servers of this test go on.
async fn sluice(arguments: Vec<String>, token: Option<&'static str>) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).env_remove("SLUICE_ADMIN_TOKEN");
    if let Some(token) = token {
        command.env("SLUICE_ADMIN_TOKEN", token);
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn site() -> (Site, Upstream) {
    let upstream = Upstream::fixed("hello").await;
    let text = [route("up", "/up", &["api-key"]), cluster("up", &[upstream.address])].concat();
    let text = text.replace("plugins = [\"api-key\"]", "plugins = [\"keys\"]");
    let keys = "[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nconfig = { keys = { word = \"alice\" } }\n";
    (Files::with_plugins(&["api-key"]).start(&format!("{keys}{text}")).await, upstream)
}

#[tokio::test]
async fn top_shows_rates_of_routes_plugins_and_endpoints() {
    let (site, upstream) = site().await;
    let address = site.gateway.admin_address().unwrap();
    let asked = ["top", "--once", "--admin", &format!("http://{address}")].map(str::to_owned).to_vec();
    let shown = sluice(asked, Some(TOKEN));
    tokio::pin!(shown);
    // Requests flow as long as it watches.
    let output = loop {
        tokio::select! {
            output = &mut shown => break output,
            answer = site.ask("GET", "/up", &[("host", "a"), ("x-api-key", "word")], b"") => assert_eq!(answer.status, 200),
        }
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let endpoint = format!("up {}", upstream.address);
    for name in ["up", "keys", endpoint.as_str()] {
        let row = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("  "));
        let rate = row.unwrap_or_else(|| panic!("{name}: {text}")).split_whitespace().next().unwrap();
        assert!(rate.parse::<f64>().unwrap() > 0.0, "{name}: {text}");
    }
    assert!(text.contains("healthy"), "{text}");
}

#[tokio::test]
async fn top_says_why_it_shows_nothing() {
    let (site, _upstream) = site().await;
    let address = site.gateway.admin_address().unwrap();
    let asked = ["top", "--once", "--admin", &address.to_string()].map(str::to_owned).to_vec();
    let output = sluice(asked, None).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("wants a token"), "{said}");
}

#[tokio::test]
async fn a_health_check_tells_by_its_exit_code() {
    let (site, _upstream) = site().await;
    let address = site.gateway.admin_address().unwrap();
    let text =
        format!("[admin]\naddress = \"{address}\"\n[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n");
    let path = site.files.write("same.toml", &text).display().to_string();
    let asked = || ["healthcheck", "--config", &path].map(str::to_owned).to_vec();
    let output = sluice(asked(), None).await;
    assert!(output.status.success() && output.stdout == b"ready\n", "{output:?}");
    let Site { files: _files, gateway } = site;
    gateway.shutdown().await;
    let output = sluice(asked(), None).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
