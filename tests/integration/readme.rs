//! What README.md tells newcomers to do, done.

use std::fs;
use std::path::Path;
use std::process::Command;

use stage::process::Process;

use crate::harness::client::Client;
use crate::harness::components::{self, root};
use crate::harness::site::{Files, cluster, route};
use crate::harness::soon;
use crate::harness::upstream::Upstream;

/// The README's part under a heading.
fn part<'a>(readme: &'a str, heading: &str) -> &'a str {
    let (_, rest) = readme.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no part `{heading}`"));
    rest.split("\n## ").next().unwrap()
}

/// The commands of a part: its indented lines, without remarks.
fn commands(part: &str) -> Vec<&str> {
    let mut fenced = false;
    let outside = part.lines().filter(|line| {
        fenced ^= line.starts_with("```");
        !fenced
    });
    outside
        .filter_map(|line| line.strip_prefix("    "))
        .map(|line| line.split("  # ").next().unwrap().trim())
        .filter(|line| !line.is_empty())
        .collect()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

#[test]
fn the_demo_is_what_the_readme_names() {
    // `cargo xtask test` runs it; here is only that there is no other command nobody runs.
    assert_eq!(commands(part(&readme(), "See it work")), ["cargo xtask demo"]);
}

#[tokio::test]
async fn the_smallest_configuration_is_checked_and_serves() {
    let readme = readme();
    let part = part(&readme, "Run your own");
    let wanted = [
        // Tests run what they are built with: a release build differs in its profile alone.
        "cargo build --release --bin sluice",
        "target/release/sluice check --config FILE",
        "target/release/sluice run --config FILE",
    ];
    assert_eq!(commands(part), wanted);
    let upstream = Upstream::fixed("hello").await;
    let (_, rest) = part.split_once("```toml\n").unwrap();
    let config = rest.split("```").next().unwrap();
    let config =
        config.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:9001", &upstream.address.to_string());
    let directory = components::directory();
    let file = directory.path().join("sluice.toml");
    fs::write(&file, config).unwrap();

    let sluice = |verb: &str| {
        let mut command = Command::new(components::program());
        command.args([verb, "--config"]).arg(&file).current_dir(directory.path());
        command
    };
    let checked = sluice("check").output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let mut run = Process::start("sluice", &mut sluice("run")).unwrap();
    let listens = |line: &str| line.split_once("http://")?.1.trim().parse().ok();
    let address = soon(run.line(0, "a listener's address", listens)).await.unwrap();
    let answer = Client::connect(address).await.ask("GET", "/", &[], b"").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert!(soon(run.terminate()).await.unwrap().success());
}

/// A plugin of one's own, by the README's steps in a copy of the repository.
#[tokio::test]
async fn a_copied_plugin_is_tested_built_and_serves() {
    let readme = readme();
    let copy = components::directory();
    copy_sources(root(), copy.path());
    // What is compiled of others' code is the same there; so is the standard library of plugins.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    fs::create_dir(copy.path().join("target")).unwrap();
    std::os::unix::fs::symlink(root().join("target/guest"), copy.path().join("target/guest")).unwrap();

    let steps = commands(part(&readme, "Write a plugin"));
    assert!(steps.len() >= 4 && steps.contains(&"cargo xtask plugins"), "{steps:?}");
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", &steps.join("\n")]).current_dir(copy.path()).env("CARGO_TARGET_DIR", target);
    // What the test's own cargo has set isn't meant for those in the copy.
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST"))
    {
        shell.env_remove(name);
    }
    let done = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}");
    assert!(told.contains("test result: ok"), "the plugin's tests didn't run: {told}");

    let upstream = Upstream::fixed("hello").await;
    let files = Files::new();
    files.put_component("hello.wasm", &fs::read(copy.path().join("target/plugins/hello.wasm")).unwrap());
    let site = files.start(&[route("up", "/*", &["hello"]), cluster("up", &[upstream.address])].concat()).await;
    let answer = site.get("/").await;
    assert_eq!((answer.status, answer.field("x-offer")), (200, Some("free shipping from 50 euros")), "{answer:?}");
}

/// All but what was built, and what belongs to version control.
fn copy_sources(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (name, path) = (entry.file_name(), entry.path());
        if name == "target" || name == ".git" {
            continue;
        }
        if path.is_dir() {
            fs::create_dir(to.join(&name)).unwrap();
            copy_sources(&path, &to.join(&name));
        } else {
            fs::copy(&path, to.join(&name)).unwrap();
        }
    }
}
