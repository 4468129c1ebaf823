//! `sluice check`: everything that is wrong at once, each with its place and a remedy; exit code 1.

use std::process::{Command, Stdio};

use crate::harness::components::{plugin, program, root};
use crate::harness::site::Files;

/// The exit code of `sluice check` and what was said on standard error, without the directory.
fn check(files: &Files) -> (Option<i32>, String) {
    ended(files, "check")
}

/// The same of any command that looks at the configuration and ends.
fn ended(files: &Files, command: &str) -> (Option<i32>, String) {
    let output = Command::new(program()).args([command, "--config"]).arg(files.path("sluice.toml")).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text.replace(&format!("{}/", files.path("").display()).replace("//", "/"), ""))
}

const BROKEN: &str = r#"[[listener]]
name = "public"
address = "127.0.0.1:0"
[[plugin]]
name = "keys"
component = "api-key.wasm"
config = { kees = {} }
[[plugin]]
name = "limit"
component = "rate-limit.wasm"
config = { rate = 1, per = "1s" }
[[plugin]]
name = "text"
component = "text.wasm"
[[route]]
name = "one"
match = { path = "/one" }
plugins = ["keys", "limit", "text"]
cluster = "up"
[[cluster]]
name = "up"
endpoints = ["127.0.0.1:9"]
"#;

#[test]
fn what_is_wrong_with_components_is_said_at_once_with_line_and_remedy() {
    let files = Files::with_plugins(&["api-key", "rate-limit"]);
    files.put_component("text.wasm", b"I am no component");
    files.write("sluice.toml", &format!("{BROKEN}[plugins]\ncache = \"cache\"\n"));
    let (code, text) = check(&files);
    assert_eq!(code, Some(1), "{text}");
    for (line, words) in [(4, "kees"), (8, "grants = [\"limiter\"]"), (12, "text.wasm")] {
        let place = format!("sluice.toml:{line}: plugin ");
        assert!(text.lines().any(|said| said.starts_with(&place) && said.contains(words)), "{place}, {words}:\n{text}");
    }
    assert!(text.contains("3 problems"), "{text}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_at_once_with_line_and_remedy() {
    let files = Files::new();
    let text = BROKEN
        .replace("cluster = \"up\"", "cluster = \"upp\"\npluginz = []")
        .replace("name = \"text\"", "name = \"keys\"")
        .replace("127.0.0.1:9\"", "127.0.0.1\"");
    files.write("sluice.toml", &text);
    let (code, text) = check(&files);
    assert_eq!(code, Some(1), "{text}");
    for words in ["unknown key \"pluginz\"", "\"upp\"", "\"keys\"", "cluster \"up\": endpoints"] {
        let said = text.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}:\n{text}"));
        assert!(said.starts_with("sluice.toml:") && said.contains(';'), "no place or no remedy: {said}");
    }
}

#[test]
fn a_dropped_file_that_cannot_serve_is_named_though_nothing_names_it() {
    let files = Files::with_plugins(&["api-key"]);
    files.put_component("stray.wasm", b"I am no component");
    files.configure("[[route]]\nname = \"one\"\nmatch = { path = \"/\" }\nrespond = { status = 200 }\n");
    let (code, text) = check(&files);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("plugins/stray.wasm: ") && text.contains("; mend the file"), "{text}");
    assert!(text.contains("1 problem") && !text.contains("api-key"), "{text}");
}

#[test]
fn the_reference_file_is_right() {
    let output = Command::new(program()).args(["check", "--config", "config/sluice.toml"]).current_dir(root()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_configuration_the_components_and_the_addresses_are_judged_at_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let files = Files::with_plugins(&["api-key", "rate-limit"]);
    files.put_component("text.wasm", b"I am no component");
    let broken = BROKEN
        .replace("path = \"/one\"", "pth = \"/one\"")
        .replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string());
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!(
        "[plugins]\ncache = \"cache\"\n[[plugin]]\nname = \"half\"\ncomponent = \"half.wasm\"\nlimitz = {{}}\n\
         [admin]\naddress = \"{}\"\n[[listener]]\nname = \"secure\"\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificate = \"a.pem\", key = \"a.key\" }}\n",
        admin.local_addr().unwrap()
    );
    let broken = broken.replace("name = \"one\"", "name = \"one\"\nlisteners = [\"public\"]");
    files.write("sluice.toml", &format!("{broken}{more}"));
    let (code, text) = check(&files);
    assert_eq!(code, Some(1), "{text}");
    let expected = [
        (3, "is in use"),
        (4, "kees"),
        (8, "grants = [\"limiter\"]"),
        (12, "text.wasm"),
        (18, "pth"),
        (29, "limitz"),
        (31, "admin.address: "),
        (35, "listener \"secure\": tls: a.pem can't be read"),
    ];
    let said: Vec<&str> = text.lines().collect();
    for ((line, words), said) in expected.iter().zip(&said) {
        assert!(said.starts_with(&format!("sluice.toml:{line}: ")) && said.contains(words), "{line}, {words}:\n{text}");
    }
    // What a broken entry's plugin might say isn't known.
    assert!(text.contains("8 problems"), "{text}");

    // A start that is refused says the same.
    let (code, log) = ended(&files, "run");
    assert_eq!(code, Some(1), "{log}");
    for (line, words) in expected {
        let place = format!("sluice.toml:{line}: ");
        assert!(log.lines().any(|said| said.contains(&place) && said.contains(words)), "{place}, {words}:\n{log}");
    }
}

#[tokio::test]
async fn the_address_of_a_gateway_that_runs_is_no_mistake_in_its_configuration() {
    let text = "[[route]]\nname = \"one\"\nmatch = { path = \"/\" }\nrespond = { status = 200 }\n";
    let site = Files::new().start(text).await;
    let files = Files::new();
    let address = site.address();
    let admin = site.gateway.admin_address().unwrap();
    let own =
        format!("[admin]\naddress = \"{admin}\"\n[[listener]]\nname = \"public\"\naddress = \"{address}\"\n{text}");
    files.write("sluice.toml", &own);
    let (code, said) = check(&files);
    assert_eq!((code, &*said), (Some(0), ""));
}

#[test]
fn who_has_read_enough_may_go() {
    let mut inspect = Command::new(program());
    let mut child = inspect.args(["plugin", "inspect"]).arg(plugin("api-key")).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
