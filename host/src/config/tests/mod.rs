//! Text in, resolved values or exact messages out.

mod access;
mod acme;
mod clusters;
mod discovery;
mod documents;
mod files;
mod listeners;
mod mutations;
mod overload;
mod plugins;
mod reference;
mod requests;
mod routes;
mod schema;
mod state;
mod syntax;
mod tracing;

use super::*;

/// Reads `text` as `sluice.toml` in the directory `base`, with one environment variable set. Messages
/// are shown as if it were the working directory.
fn read_in(base: &Path, text: &str) -> Result<Config, Vec<String>> {
    let environment = |name: &str| (name == "SECRET").then(|| "from environment".to_owned());
    let path = base.join("sluice.toml");
    let outcome = Loading::new(&path, &environment).run(Some(text)).outcome;
    if outcome.is_ok() {
        assert_eq!(schema::check(text), [""; 0], "the reader takes it, and the schema doesn't: {text}");
    }
    let prefix = format!("{}/", base.display());
    outcome.map_err(|problems| problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect())
}

fn read(text: &str) -> Result<Config, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    read_in(directory.path(), text)
}

/// `text` after [`BASICS`], beside a plugin directory with `dropped.wasm`.
fn read_with_basics(text: &str) -> Result<Config, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("plugins")).unwrap();
    std::fs::write(directory.path().join("plugins/dropped.wasm"), "").unwrap();
    read_in(directory.path(), &format!("{BASICS}{text}"))
}

/// What follows it starts on line 8.
const BASICS: &str = r#"
[[listener]]
name = "public"
address = "127.0.0.1:8080"
[[cluster]]
name = "users"
endpoints = ["127.0.0.1:9001"]
"#;

#[track_caller]
fn assert_refused(outcome: Result<Config, Vec<String>>, expected: &[&str]) {
    match outcome {
        Ok(_) => panic!("accepted"),
        Err(problems) => assert_eq!(problems, expected, "\nfound: {problems:#?}"),
    }
}

/// `text` is added to [`BASICS`].
#[track_caller]
fn assert_problems(text: &str, expected: &[&str]) {
    assert_refused(read_with_basics(text), expected);
}

#[test]
fn a_whole_configuration_is_resolved() {
    let text = r#"
[admin]
address = "127.0.0.1:9901"
hosts = ["Gateway.example.com"]
token = { env = "SECRET" }
[server]
threads = 3
drain = "2m"
trusted_proxies = ["10.1.2.3/8", "::1"]
name = "edge-1"
[identity]
subject = "X-User"
[[route]]
name = "users"
match = { path = "/users/{id}" }
plugins = ["dropped"]
cluster = "users"
"#;
    // A token has no blanks.
    assert_problems(
        text,
        &["sluice.toml:12: admin.token: expected a token of visible ASCII characters without blanks; \
           use a long random word"],
    );
    let config = read_with_basics(&text.replace("{ env = \"SECRET\" }", "\"t0ken\"")).unwrap();
    let admin = config.admin.unwrap();
    assert_eq!(admin.address.to_string(), "127.0.0.1:9901");
    assert_eq!(admin.hosts, ["gateway.example.com"]);
    assert_eq!(admin.token.unwrap().reveal(), "t0ken");
    assert_eq!(config.server.threads, 3);
    assert_eq!(config.server.drain.as_secs(), 120);
    let networks: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(&*config.server.name, "edge-1");
    assert_eq!(config.identity.subject.unwrap(), "x-user");
    assert_eq!(config.routes[0].listeners, [0]);
    assert_eq!(&*config.routes[0].plugins[0], "dropped");
}

#[test]
fn defaults_are_filled_in() {
    let config = read_with_basics("").unwrap();
    assert!(config.admin.is_none());
    assert!(config.server.threads >= 1);
    assert_eq!(config.server.drain.as_secs(), 30);
    assert!(config.path.is_absolute());
    let base = config.path.parent().unwrap();
    assert_eq!(config.plugins.directory, base.join("plugins"));
    assert_eq!(config.plugins.cache, base.join(".sluice-cache"));
    assert_eq!(config.files, std::slice::from_ref(&config.path));
    assert_eq!(config.clusters[0].timeouts, model::Timeouts::default());
    assert_eq!(config.clusters[0].balance, model::Balance::RoundRobin);
}

#[test]
fn the_default_name_is_stable_and_differs_from_file_to_file() {
    let name = |file: &str| parse(BASICS, Path::new(file)).unwrap().server.name;
    assert_eq!(name("a.toml"), name("a.toml"));
    assert_ne!(name("a.toml"), name("b.toml"));
    assert!(name("a.toml").starts_with("sluice-"));
}

#[test]
fn an_admin_that_others_reach_needs_a_token() {
    let message = "admin.address: 0.0.0.0:9901 can be reached from other machines, and there is no token; \
                   add admin.token = { env = \"…\" }, or client_ca to admin.tls, or listen on 127.0.0.1";
    assert_problems("[admin]\naddress = \"0.0.0.0:9901\"", &[&format!("sluice.toml:9: {message}")]);
    assert!(read_with_basics("[admin]\naddress = \"0.0.0.0:9901\"\ntoken = \"t0ken\"").is_ok());
    assert!(read_with_basics("[admin]\naddress = \"[::1]:9901\"").is_ok());
    let tls = "[admin]\naddress = \"0.0.0.0:9901\"\ntls = { certificate = \"a.pem\", key = \"a.key\" }";
    assert_problems(tls, &[&format!("sluice.toml:9: {message}")]);
    assert!(read_with_basics(&tls.replace(" }", ", client_ca = \"ca.pem\" }")).is_ok());
    assert_problems("[admin]", &["sluice.toml:8: admin: missing key \"address\"; add address = \"127.0.0.1:9901\""]);
}

#[test]
fn the_admin_api_may_encrypt_and_have_an_address_for_probes() {
    let text = "[admin]\naddress = \"127.0.0.1:9901\"\n\
                tls = { certificate = \"a.pem\", key = \"a.key\", client_ca = \"ca.pem\", client_auth = \"optional\" }\n\
                probes = { address = \"0.0.0.0:9902\", metrics = true }";
    let admin = read_with_basics(text).unwrap().admin.unwrap();
    let (tls, probes) = (admin.tls.clone().unwrap(), admin.probes.clone().unwrap());
    assert!(admin.is_guarded() && !tls.client.unwrap().required && !tls.is_http);
    assert_eq!((probes.address.to_string().as_str(), probes.metrics), ("0.0.0.0:9902", true));
    let own = read_with_basics("[admin]\naddress = \"127.0.0.1:9901\"\ntls = \"self-signed\"").unwrap().admin.unwrap();
    assert!(!own.is_guarded() && own.probes.is_none());
    assert!(matches!(own.tls.unwrap().certificates, model::Certificates::SelfSigned(names) if names.len() == 3));
}

#[test]
fn what_the_admin_api_cannot_have_is_said() {
    let admin = |more: &str| format!("[admin]\naddress = \"127.0.0.1:9901\"\n{more}");
    for (more, expected) in [
        (
            "tls = { acme = [\"a.example.com\"] }",
            "sluice.toml:10: admin.tls: acme: certificates by ACME are for listeners; \
             write certificate = \"FILE\" and key = \"FILE\"",
        ),
        (
            "tls = \"on\"",
            "sluice.toml:10: admin.tls: expected a table or \"self-signed\", found \"on\"; \
             write tls = { certificate = \"FILE\", key = \"FILE\" }, or tls = \"self-signed\"",
        ),
        ("probes = {}", "sluice.toml:10: admin.probes: missing key \"address\"; add address = \"0.0.0.0:9902\""),
        (
            "probes = { address = \"127.0.0.1:9901\" }",
            "sluice.toml:10: admin.probes.address: 127.0.0.1:9901 is the address of [admin], at sluice.toml:9; \
             give each its own address or port; [admin] answers probes itself",
        ),
        (
            "probes = { address = \"127.0.0.1:1\", metrics = 1 }",
            "sluice.toml:10: admin.probes.metrics: expected true or false, found an integer; write true or false without quotes",
        ),
        (
            "probes = { address = \"127.0.0.1:1\", metric = true }",
            "sluice.toml:10: admin.probes: unknown key \"metric\"; did you mean \"metrics\"? (valid keys: address, metrics)",
        ),
        (
            "probes = { address = \"0.0.0.0:8080\" }",
            "sluice.toml:4: listener \"public\": address: 127.0.0.1:8080 is the address of admin.probes, at sluice.toml:10; \
             give each its own address or port",
        ),
    ] {
        assert_problems(&admin(more), &[expected]);
    }
}

#[test]
fn identity_fields_are_the_operators_and_differ() {
    assert_problems(
        "[identity]\nsubject = \"X_Forwarded-For\"\nissuer = \"X-Id\"\nclaims = \"x_id\"",
        &[
            "sluice.toml:9: identity.subject: the field \"x_forwarded-for\" can't carry an identity; \
             it is the gateway's own; name another field",
            "sluice.toml:11: identity.claims: the field \"x_id\" carries something else already; give each its own field",
        ],
    );
}

#[test]
fn problems_are_shown_in_one_form() {
    let mut problem = Problem {
        file: "sluice.toml".into(),
        line: 12,
        key: "route \"users\"".into(),
        message: "unknown key \"pluginz\"".into(),
        remedy: "did you mean \"plugins\"?".into(),
    };
    let shown = "sluice.toml:12: route \"users\": unknown key \"pluginz\"; did you mean \"plugins\"?";
    assert_eq!(problem.to_string(), shown);
    problem = Problem { line: 0, key: String::new(), remedy: String::new(), ..problem };
    assert_eq!(problem.to_string(), "sluice.toml: unknown key \"pluginz\"");
}
