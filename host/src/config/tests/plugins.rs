//! `[[plugin]]`

use super::*;
use crate::config::model::{Isolation, OnError, Plugin};

fn plugin(rest: &str) -> Result<Plugin, Vec<String>> {
    let text = format!("[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\n{rest}");
    read_with_basics(&text).map(|config| config.plugin.into_iter().next().unwrap())
}

/// What `rest` adds begins on line 11.
#[track_caller]
fn assert_refused_with(rest: &str, expected: &[&str]) {
    let text = format!("[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\n{rest}");
    assert_problems(&text, expected);
}

#[test]
fn everything_has_a_default() {
    let plugin = plugin("").unwrap();
    assert_eq!(plugin.config.reveal(), "{}");
    assert!(!plugin.has_config);
    assert_eq!(plugin.grants, model::Grants::default());
    assert_eq!(plugin.limits, model::Limits::default());
    assert_eq!((plugin.isolation, plugin.on_error), (Isolation::Pooled, OnError::Closed));
    assert!(plugin.place.ends_with("sluice.toml:8"), "{}", plugin.place);
}

#[test]
fn everything_can_be_set() {
    let plugin = plugin(
        "config = { n = 5, f = 1.5, b = true, d = 2020-01-02, list = [1, { env = \"SECRET\" }] }\n\
         grants = [\"clock\", \"kv\", \"metrics\", \"crypto\", { http-client = [\"users\", \"users\"], random = true, limiter = false }]\n\
         limits = { memory = \"8MiB\", time = \"5ms\", log = 100 }\nisolation = \"request\"\non_error = \"open\"",
    )
    .unwrap();
    let expected = r#"{"b":true,"d":"2020-01-02","f":1.5,"list":[1,"from environment"],"n":5}"#;
    assert_eq!(plugin.config.reveal(), expected);
    assert!(plugin.has_config);
    let grants = &plugin.grants;
    assert!(grants.clock && grants.kv && grants.random && !grants.limiter && grants.metrics && grants.crypto);
    assert_eq!(grants.http_client.as_deref().unwrap(), [Arc::<str>::from("users")]);
    assert_eq!((plugin.limits.memory, plugin.limits.time.as_millis(), plugin.limits.log), (8 << 20, 5, 100));
    assert_eq!((plugin.isolation, plugin.on_error), (Isolation::Request, OnError::Open));
}

#[test]
fn secrets_come_from_elsewhere() {
    let config = |text: &str| plugin(&format!("config = {text}")).unwrap().config.reveal().to_owned();
    // With another key it is a table like any other, and so is the whole.
    assert_eq!(config("{ a = { env = \"SECRET\", b = 1 } }"), r#"{"a":{"b":1,"env":"SECRET"}}"#);
    assert_eq!(config("{ file = \"x\" }"), r#"{"file":"x"}"#);
    assert_eq!(config("{ a = { env = 5 } }"), r#"{"a":{"env":5}}"#);
    assert_refused_with(
        "[plugin.config]\na = { env = \"MISSING\" }\nb = [{ file = \"keys/missing\" }]",
        &[
            "sluice.toml:12: plugin \"keys\": config: the environment variable \"MISSING\" isn't set; \
             set it before starting, or name another",
            "sluice.toml:13: plugin \"keys\": config: the file \"keys/missing\" doesn't exist; \
             relative paths start at the directory of the main configuration file",
        ],
    );
}

#[test]
fn no_message_shows_what_may_be_secret() {
    assert_refused_with(
        "config = { keys = { \"s3cret-1\" = nan, \"s3cret-2\" = { file = \".\" } } }",
        &[
            "sluice.toml:11: plugin \"keys\": config: holds a number that JSON can't express; \
             write a finite number of at most 64 bits",
            "sluice.toml:11: plugin \"keys\": config: the file \".\" isn't a regular file; \
             relative paths start at the directory of the main configuration file",
        ],
    );
    assert_refused_with(
        "config = \"s3cret\"",
        &["sluice.toml:11: plugin \"keys\": config: expected a table, found a string; write config = { key = value }"],
    );
    let shown = format!("{:?}", plugin("config = { a = \"s3cret\" }").unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn components_stay_in_the_directory() {
    let component = |path: &str| {
        read_with_basics(&format!("[[plugin]]\nname = \"keys\"\ncomponent = \"{path}\""))
            .map(|config| config.plugin[0].component.clone())
    };
    assert_eq!(component("./sub/a.wasm").unwrap(), Path::new("sub/a.wasm"));
    for path in ["../a.wasm", "sub/../../a.wasm", "/a.wasm"] {
        let message = format!(
            "sluice.toml:10: plugin \"keys\": component: expected a file inside the plugin directory, found \"{path}\"; \
             write a relative path without \"..\", such as \"api-key.wasm\""
        );
        assert_eq!(component(path).unwrap_err(), [message]);
    }
    assert_eq!(
        component("api-key").unwrap_err(),
        ["sluice.toml:10: plugin \"keys\": component: expected the name of a .wasm file, found \"api-key\"; \
          name the component file, such as \"api-key.wasm\""]
    );
}

#[test]
fn wrong_grants_are_named() {
    let grants = "(grants: clock, random, kv, limiter, http-client, metrics, crypto)";
    assert_refused_with(
        "grants = [\"clok\",\n\"cripto\",\n\"log\",\n\"http-client\",\n{ http-client = [] },\n{ http-client = [\"user\"] },\n5]",
        &[
            &format!(
                "sluice.toml:11: plugin \"keys\": grants: unknown grant \"clok\"; did you mean \"clock\"? {grants}"
            ),
            &format!(
                "sluice.toml:12: plugin \"keys\": grants: unknown grant \"cripto\"; did you mean \"crypto\"? {grants}"
            ),
            "sluice.toml:13: plugin \"keys\": grants: \"log\" needs no grant; remove it",
            "sluice.toml:14: plugin \"keys\": grants: \"http-client\" needs the clusters it may reach; \
             write { http-client = [\"CLUSTER\"] }",
            "sluice.toml:15: plugin \"keys\": grants: \"http-client\" names no cluster; \
             name one that it may reach, or remove the grant",
            "sluice.toml:16: plugin \"keys\": grants: there is no cluster \"user\"; did you mean \"users\"? (clusters: users)",
            "sluice.toml:17: plugin \"keys\": grants: expected a table, found an integer; \
             write grants = [\"clock\", { http-client = [\"CLUSTER\"] }]",
        ],
    );
    assert_refused_with(
        "grants = { kv = \"yes\", http_client = [\"users\"], rnd = false }",
        &[
            &format!(
                "sluice.toml:11: plugin \"keys\": grants: unknown grant \"http_client\"; did you mean \"http-client\"? {grants}"
            ),
            "sluice.toml:11: plugin \"keys\": grants: unknown grant \"rnd\"; grants: clock, random, kv, limiter, http-client, metrics, crypto",
            "sluice.toml:11: plugin \"keys\": grants.kv: expected true or false, found a string; \
             write true or false without quotes",
        ],
    );
}

#[test]
fn limits_have_bounds() {
    assert_refused_with(
        "[plugin.limits]\nmemory = \"16MB\"\ntime = \"10\"\ninstances = 0\nbody = \"2GiB\"\nlog = true\ntables = 0",
        &[
            "sluice.toml:12: plugin \"keys\": limits.memory: expected a size such as \"16MiB\", found \"16MB\"; \
             did you mean \"16MiB\"?",
            "sluice.toml:13: plugin \"keys\": limits.time: expected a duration such as \"30s\", found \"10\"; \
             add a unit: \"10ms\" or \"10s\"",
            "sluice.toml:14: plugin \"keys\": limits.instances: expected a whole number from 1 to 4096, found 0; \
             write a number from 1 to 4096",
            "sluice.toml:15: plugin \"keys\": limits.body: expected a size from \"0B\" to \"1GiB\", found \"2GiB\"; \
             write a value from \"0B\" to \"1GiB\"",
            "sluice.toml:16: plugin \"keys\": limits.log: expected a size such as \"16MiB\", found a boolean; \
             write a number and a unit in quotes: KiB, MiB or GiB",
            "sluice.toml:17: plugin \"keys\": limits.tables: expected a whole number from 1 to 1600000, found 0; \
             write a number from 1 to 1600000",
        ],
    );
    assert_refused_with(
        "limits = { time = \"5s\", deadline = \"1s\" }",
        &[
            "sluice.toml:11: plugin \"keys\": limits.deadline: the deadline, which counts waiting too, is shorter than the \
           computing time; make limits.deadline at least limits.time",
        ],
    );
}

#[test]
fn choices_are_listed() {
    assert_refused_with(
        "isolation = \"requests\"\non_error = true",
        &[
            "sluice.toml:11: plugin \"keys\": isolation: expected \"pooled\" or \"request\", found \"requests\"; \
             did you mean \"request\"? (valid: pooled, request)",
            "sluice.toml:12: plugin \"keys\": on_error: expected \"closed\" or \"open\", found a boolean; \
             write one of them in quotes",
        ],
    );
}

#[test]
fn two_plugins_may_share_a_component_but_not_a_name() {
    let two = |a: &str, b: &str| {
        let entry = |name: &str| format!("[[plugin]]\nname = \"{name}\"\ncomponent = \"api-key.wasm\"\n");
        read_with_basics(&(entry(a) + &entry(b)))
    };
    assert!(two("a", "b").is_ok());
    assert_refused(
        two("a", "a"),
        &["sluice.toml:12: plugin \"a\": name: another plugin has that name, at sluice.toml:9; rename one of the two"],
    );
}
