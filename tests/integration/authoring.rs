//! `sluice plugin test` and `sluice plugin new`: what an author of plugins does, in each language whose tools are there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::components;

/// The roles that projects can have.
const ROLES: [&str; 8] =
    ["authenticate", "authorize", "rate-limit", "filter", "body-filter", "stream-filter", "aggregate", "balance"];
/// What they can use.
const CAPABILITIES: [&str; 7] = ["clock", "random", "kv", "limiter", "metrics", "crypto", "http-client"];
/// The languages that they can be in.
const LANGUAGES: [&str; 7] = ["rust", "javascript", "typescript", "python", "go", "c", "cpp"];

fn sluice(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(components::program());
    command.args(arguments).current_dir(folder).env("XDG_CACHE_HOME", folder).env("SLUICE_LOG", "warn");
    command.output().expect("sluice runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const CASES: &str = r#"
[plugin]
config = { keys = { secret = "alice" } }

[[case]]
name = "a key identifies"
request = { headers = { x-api-key = "secret" } }
expect = { decision = "identified", identity = { subject = "alice" }, request = { headers = { x-api-key = false } } }

[[case]]
name = "a wrong expectation"
request = { headers = { x-api-key = "guess" } }
expect = { decision = "identified", status = 403, headers = { www-authenticate = false } }

[[case]]
name = "a wrong configuration"
config = { keys = {} }
"#;

#[test]
fn plugin_test_shows_what_differs() {
    let folder = components::directory();
    fs::write(folder.path().join("cases.toml"), CASES).unwrap();
    let plugin = components::plugin("api-key");
    let output = sluice(folder.path(), &["plugin", "test", plugin.to_str().unwrap(), "--repeat", "50"]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("ok   a key identifies  (authenticate: identified;"), "{text}");
    assert!(text.contains(", 50 times)"), "{text}");
    for line in [
        "FAIL a wrong expectation",
        "decision: expected \"identified\", is \"denied\"",
        "status: expected 403, is 401",
        "headers.www-authenticate: expected none, is [\"ApiKey header=\\\"x-api-key\\\"\"]",
        "keys: there must be at least one",
        "3 cases, 2 failed",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn plugin_test_lends_what_is_granted_and_answers_for_clusters() {
    let folder = components::directory();
    let plugin = components::plugin("rate-limit");
    let cases = "[plugin]\nconfig = { rate = 1, per = \"1h\" }\n[[case]]\nname = \"a\"\n";
    fs::write(folder.path().join("cases.toml"), cases).unwrap();
    let refused = sluice(folder.path(), &["plugin", "test", plugin.to_str().unwrap()]);
    assert!(text(&refused).contains("grants = [\"limiter\"]"), "{}", text(&refused));

    let plugin = components::plugin("aggregate");
    let cases = r#"
        [plugin]
        grants = [{ http-client = ["users"] }]
        config = { branches = { user = { cluster = "users", path = "/users/{id}" } } }
        [[case]]
        name = "asks"
        request = { captures = { id = "7" } }
        upstream = [{ cluster = "users", path = "/users/7", body = "{\"name\":\"Ada\"}" }]
        expect = { status = 200, json = { user = { name = "Ada" } }, sent = ["GET users /users/7"] }
        [[case]]
        name = "fails"
        request = { captures = { id = "7" } }
        upstream = [{ cluster = "users", error = "unavailable" }]
        expect = { status = 502 }
    "#;
    fs::write(folder.path().join("cases.toml"), cases).unwrap();
    let passed = sluice(folder.path(), &["plugin", "test", plugin.to_str().unwrap()]);
    assert!(passed.status.success(), "{}", text(&passed));
}

#[test]
fn plugin_test_shows_bodies_to_chunk_hooks() {
    let folder = components::directory();
    let cases = r#"
        [plugin]
        grants = ["kv", { http-client = ["users"] }]
        [[case]]
        name = "capitals"
        request = { method = "POST", body = "one" }
        answer = { body = "four" }
        expect = { request = { body = "ONE[3]" }, status = 200, headers = { x-sent = "3" }, body = "FOUR[4]" }
        [[case]]
        name = "fails"
        config = { request_fails_at = 3, misdeed = "fail" }
        request = { method = "POST", body = "one" }
        expect = { decision = "failed", error = "on purpose" }
        [[case]]
        name = "is found out"
        request = { method = "POST", body = "one" }
        expect = { request = { body = "one" } }
    "#;
    fs::write(folder.path().join("cases.toml"), cases).unwrap();
    let output = sluice(folder.path(), &["plugin", "test", components::guest("pieces").to_str().unwrap()]);
    let text = text(&output);
    assert!(text.contains("request.body: expected \"one\", is \"ONE[3]\""), "{text}");
    assert!(text.contains("3 cases, 1 failed"), "{text}");
}

#[test]
fn plugin_new_overwrites_nothing() {
    let folder = components::directory();
    fs::create_dir(folder.path().join("hello")).unwrap();
    for (name, why) in [("hello", "is there already"), ("../x", "can't be a plugin's name")] {
        let output = sluice(folder.path(), &["plugin", "new", name, "--lang", "rust", "--role", "filter"]);
        assert!(!output.status.success() && text(&output).contains(why), "{}", text(&output));
    }
}

#[test]
fn projects_in_rust_do_what_their_cases_say() {
    battery("rust", &["src/lib.rs"]);
}

#[test]
fn projects_in_javascript_do_what_their_cases_say() {
    battery("javascript", &[]);
}

#[test]
fn projects_in_typescript_do_what_their_cases_say() {
    battery("typescript", &[]);
}

#[test]
fn projects_in_python_do_what_their_cases_say() {
    battery("python", &["plugin.py", "wit/plugin.wit"]);
}

#[test]
fn projects_in_c_do_what_their_cases_say() {
    battery("c", &["plugin.c", "wit/plugin.wit"]);
}

#[test]
fn projects_in_go_do_what_their_cases_say() {
    battery("go", &[]);
}

#[test]
fn projects_in_cpp_do_what_their_cases_say() {
    battery("cpp", &["plugin.cpp", "wit/plugin.wit"]);
}

#[test]
fn every_capability_does_the_same_in_each_language() {
    for language in LANGUAGES {
        let folder = components::directory();
        let project = make(folder.path(), language, "filter", &CAPABILITIES);
        let source = fs::read_dir(components::root().join("tests/capabilities")).unwrap().find_map(|entry| {
            let path = entry.unwrap().path();
            (path.extension()?.to_str()? == extension(language)).then_some(path)
        });
        let place = if language == "rust" { "src/lib.rs".into() } else { format!("plugin.{}", extension(language)) };
        fs::copy(source.unwrap(), project.join(place)).unwrap();
        fs::copy(components::root().join("tests/capabilities/cases.toml"), project.join("cases.toml")).unwrap();
        if build(language, &project) {
            let tested = test(&project, "20");
            assert!(tested.status.success(), "capabilities in {language}:\n{}", text(&tested));
        }
    }
}

fn extension(language: &str) -> &str {
    match language {
        "rust" => "rs",
        "javascript" => "js",
        "typescript" => "ts",
        "python" => "py",
        other => other,
    }
}

/// `cargo test -p sluice-tests --test integration twenty_thousand -- --ignored --nocapture` shows what they take.
#[test]
#[ignore = "takes minutes"]
fn twenty_thousand_calls_stay_within_the_memory_of_an_instance() {
    for language in LANGUAGES {
        let folder = components::directory();
        let project = make(folder.path(), language, "filter", &[]);
        if !build(language, &project) {
            continue;
        }
        let tested = test(&project, "20000");
        let text = text(&tested);
        assert!(tested.status.success(), "{language}:\n{text}");
        eprintln!("{language}: {}", text.lines().last().unwrap_or_default());
    }
}

/// A project for a role, with grants besides those of its role.
fn make(folder: &Path, language: &str, role: &str, grants: &[&str]) -> PathBuf {
    let mut arguments = vec!["plugin", "new", role, "--lang", language, "--role", role];
    arguments.extend(grants.iter().flat_map(|grant| ["--grant", grant]));
    let made = sluice(folder, &arguments);
    assert!(made.status.success(), "{}", text(&made));
    let project = folder.join(role);
    if language == "rust" {
        // The very versions that this repository has fetched.
        fs::copy(components::root().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    }
    project
}

/// Run the cases of a project that was built, each so many times.
fn test(project: &Path, times: &str) -> Output {
    let file = fs::read_dir(project).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.extension().is_some_and(|extension| extension == "wasm").then_some(path)
    });
    let file = file.unwrap_or_else(|| panic!("{}: no component", project.display()));
    sluice(project, &["plugin", "test", file.to_str().unwrap(), "--repeat", times])
}

/// Make a project for each role, build it as its README says, and run its cases. Projects whose language takes long
/// to compile are built one after the other in the first one's folder: there, only `swapped` differs.
fn battery(language: &str, swapped: &[&str]) {
    let folder = components::directory();
    let mut first = None;
    for role in ROLES {
        let project = make(folder.path(), language, role, &[]);
        let place = first.get_or_insert_with(|| project.clone()).clone();
        if !swapped.is_empty() && place != project {
            for file in swapped.iter().chain(&["cases.toml"]) {
                fs::copy(project.join(file), place.join(file)).unwrap();
            }
        }
        let place = if swapped.is_empty() { project } else { place };
        if !build(language, &place) {
            return;
        }
        let tested = test(&place, "200");
        assert!(tested.status.success(), "{role} in {language}:\n{}", text(&tested));
    }
}

/// Run a project's `build.sh`. False if a tool is missing, which is said.
fn build(language: &str, place: &Path) -> bool {
    let target = components::root().join("target");
    // What `cargo xtask test` fetches.
    let tools = [target.join("languages/bin"), target.join("languages/node_modules/.bin")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(tools.into_iter().chain(std::env::split_paths(&path))).expect("a path");
    let mut build = Command::new("sh");
    build.arg("build.sh").current_dir(place).env("PATH", path).env("SLUICE", components::program());
    build.env("SLUICE_OFFLINE", "1").env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", target.join("projects"));
    build.env("ZIG_GLOBAL_CACHE_DIR", target.join("languages/zig")).env("GOCACHE", target.join("languages/go"));
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        build.env_remove(variable);
    }
    let built = build.output().expect("sh runs");
    if built.status.code() == Some(3) {
        // Past the test harness, which shows what passing tests print to nobody.
        let why = String::from_utf8_lossy(&built.stderr);
        writeln!(std::io::stderr(), "SKIPPED projects in {language}: {}", why.trim()).expect("standard error");
        return false;
    }
    assert!(built.status.success(), "{} in {language}: {}", place.display(), text(&built));
    true
}
