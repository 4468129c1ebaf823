//! Text in, exact messages out.

use super::*;

/// Reads `text` as `sluice.toml` in the directory `base`, with one environment variable set.
fn read_in(base: &Path, text: &str) -> Result<Config, Vec<String>> {
    let environment = |name: &str| (name == "SECRET").then(|| "from environment".to_owned());
    let path = base.join("sluice.toml");
    let outcome = Loading::new(&path, &environment).run(Some(text)).outcome;
    let show = |problem: &Problem| {
        let shown = problem.to_string();
        shown.strip_prefix(&format!("{}/", base.display())).map(str::to_owned).unwrap_or(shown)
    };
    outcome.map_err(|problems| problems.iter().map(show).collect())
}

fn read(text: &str) -> Result<Config, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    read_in(directory.path(), text)
}

#[track_caller]
fn assert_problems(text: &str, expected: &[&str]) {
    match read(text) {
        Ok(_) => panic!("accepted"),
        Err(problems) => assert_eq!(problems, expected, "\nfound: {problems:#?}"),
    }
}

const WHOLE: &str = r#"
[[listener]]
name = "public"
address = "127.0.0.1:8080"

[[route]]
name = "users"
match = { host = "API.example.com.", path = "/users/{id}", methods = ["GET"] }
cluster = "users"

[[cluster]]
name = "users"
endpoints = ["127.0.0.1:9001", { address = "localhost:9002", weight = 2 }]
"#;

#[test]
fn a_whole_configuration_is_resolved() {
    let config = read(WHOLE).unwrap();
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.routes[0].listeners, [0]);
    assert_eq!(config.clusters[0].endpoints[1].weight, 2);
}
