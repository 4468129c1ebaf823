//! `sluice explain`, and the commands that print documents.

use std::process::Command;

use serde_json::Value;

use crate::harness::components::program;
use crate::harness::site::{Files, cluster, route};

const PLUGINS: &str = r#"
[identity]
subject = "x-user"
[[plugin]]
name = "keys"
component = "api-key.wasm"
config = { keys = { "good" = "alice" } }
[[plugin]]
name = "both"
component = "aggregate.wasm"
grants = [{ http-client = ["users"] }]
config = { branches = { user = { cluster = "users", path = "/users/{identity.subject}" } } }
[[route]]
name = "overview"
match = { path = "/overview" }
plugins = ["keys", "both"]
[[route]]
name = "post"
match = { path = "/users/{id}", methods = ["POST"], headers = { x-beta = true } }
cluster = "users"
[[route]]
name = "robots"
match = { host = "www.example.com", path = "/robots.txt" }
respond = { status = 200 }
"#;

fn files() -> Files {
    let files = Files::with_plugins(&["api-key", "aggregate"]);
    // Nobody listens there: whoever asks finds out.
    let text = [PLUGINS, &route("users", "/users/*", &["keys"]), &cluster("users", &[([127, 0, 0, 1], 9).into()])];
    files.configure(&text.concat());
    files
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(program()).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn explain(files: &Files, more: &[&str]) -> Value {
    let config = files.path("sluice.toml");
    let mut arguments = vec!["explain", "--json", "--config", config.to_str().unwrap()];
    arguments.extend_from_slice(more);
    let (code, said, wrong) = run(&arguments);
    assert_eq!(code, Some(0), "{wrong}");
    serde_json::from_str(&said).unwrap()
}

fn why<'a>(told: &'a Value, route: &str) -> &'a str {
    let others = told["other_routes"].as_array().unwrap();
    let found = others.iter().find(|other| other["name"] == route);
    found.unwrap_or_else(|| panic!("{route} isn't in {told}"))["why"].as_str().unwrap()
}

#[test]
fn it_says_what_would_happen_and_why() {
    let files = files();
    let told = explain(&files, &["GET http://api.example.com/users/7", "-H", "x-api-key: good"]);
    assert_eq!(told["route"], "users", "{told:#}");
    assert_eq!((&told["calls"][0]["plugin"], &told["calls"][0]["outcome"]), (&"keys".into(), &"identified".into()));
    assert_eq!(told["identity"]["subject"], "alice");
    assert_eq!(told["end"], "sent to cluster users, endpoint 127.0.0.1:9");
    assert_eq!(why(&told, "post"), "method GET is none of POST; header field x-beta isn't as wanted");
    assert_eq!(
        why(&told, "robots"),
        "host \"api.example.com\" isn't www.example.com; path \"/users/7\" isn't /robots.txt"
    );
    assert!(!told.to_string().contains("good"), "a secret is shown: {told}");

    let told = explain(&files, &["http://api.example.com/users/7", "-H", "x-api-key: bad"]);
    assert!(told["end"].as_str().unwrap().starts_with("refused by plugin keys: 401"), "{told:#}");

    let told = explain(&files, &["POST http://api.example.com/users/7", "-H", "x-beta: 1"]);
    assert_eq!((&told["route"], &told["captures"]["id"]), (&"post".into(), &"7".into()), "{told:#}");
    assert_eq!(why(&told, "users"), "fits, but post is more specific");

    // A plugin's own requests aren't made.
    let told = explain(&files, &["http://api.example.com/overview", "-H", "x-api-key: good"]);
    assert_eq!(told["calls"][1]["hook"], "aggregate", "{told:#}");

    let told = explain(&files, &["http://api.example.com/nothing"]);
    assert_eq!((&told["route"], &told["end"]), (&Value::Null, &"refused: 404, no route matches".into()));
}

#[test]
fn people_get_lines_and_mistakes_are_told() {
    let files = files();
    let path = files.path("sluice.toml");
    let config = path.to_str().unwrap();
    let (code, said, _) = run(&["explain", "-c", config, "http://localhost/users/7", "-H", "x-api-key: good"]);
    assert_eq!(code, Some(0));
    for part in [
        "listener    public",
        "route       users (",
        "): /users/*",
        "plugin      keys authenticate: identified",
        "identity    alice by keys",
    ] {
        assert!(said.contains(part), "{part} isn't in\n{said}");
    }
    for (arguments, wrong) in [
        (&["/users/7"][..], "expected an absolute URL"),
        (&["http://a/", "-H", "x"], "NAME: VALUE"),
        (&["http://a/", "--listener", "none"], "no listener \"none\""),
    ] {
        let (code, _, said) = run(&[&["explain", "-c", config], arguments].concat());
        assert!(code == Some(1) && said.contains(wrong), "{arguments:?}: {said}");
    }
}

#[test]
fn documents_are_printed() {
    let (code, schema, _) = run(&["schema"]);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!((code, &schema["properties"]["route"]["items"]["additionalProperties"]), (Some(0), &Value::Bool(false)));
    for (shell, part) in [("bash", "_sluice()"), ("zsh", "#compdef sluice"), ("fish", "complete -c sluice")] {
        let (code, text, _) = run(&["completions", shell]);
        assert!(code == Some(0) && text.contains(part) && text.contains("explain"), "{shell}: {text}");
    }
    let (code, page, _) = run(&["man"]);
    assert!(code == Some(0) && page.contains(".TH sluice 1"), "{page}");
}

#[test]
fn nobody_asks_dns_for_an_explanation() {
    let files = Files::with_plugins(&[]);
    let cluster = "[[cluster]]\nname = \"up\"\ndiscovery = { dns = \"up.invalid:80\", servers = [\"127.0.0.1:9\"] }\n";
    files.configure(&[&route("up", "/*", &[]), cluster].concat());
    let told = explain(&files, &["GET http://api.example.com/"]);
    assert_eq!(told["end"], "sent to cluster up, to an endpoint that DNS tells", "{told:#}");
}
