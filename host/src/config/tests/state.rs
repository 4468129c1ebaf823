//! `[state]`

use super::*;
use crate::config::model::{OnAway, Redis, RedisAddress, Secret, State};

fn redis(text: &str) -> Redis {
    match read_with_basics(text).unwrap_or_else(|problems| panic!("{problems:#?}")).state {
        State::Redis(redis) => (*redis).clone(),
        State::Memory => panic!("it is in memory"),
    }
}

#[test]
fn state_is_in_memory_unless_it_is_elsewhere() {
    assert_eq!(read_with_basics("").unwrap().state, State::Memory);
    assert_eq!(read_with_basics("[state]\nbackend = \"memory\"\n").unwrap().state, State::Memory);
}

#[test]
fn what_is_not_written_has_a_default() {
    let expected = Redis {
        address: RedisAddress::Tcp { host: "cache".into(), port: 6379 },
        tls: None,
        username: None,
        password: None,
        database: 0,
        prefix: "sluice:".into(),
        timeout: std::time::Duration::from_millis(100),
        on_error: OnAway::Local,
    };
    assert_eq!(redis("[state]\nbackend = \"redis\"\nurl = \"redis://cache\"\n"), expected);
}

#[test]
fn passwords_come_from_where_secrets_are_kept() {
    let own = redis("[state]\nbackend = \"redis\"\nurl = \"redis://ada@cache/2\"\npassword = { env = \"SECRET\" }\n");
    assert_eq!((own.username.as_deref(), own.password), (Some("ada"), Some(Secret::new("from environment"))));
    assert_eq!(own.database, 2);
    assert_problems(
        "[state]\nbackend = \"redis\"\nurl = { env = \"SECRET\" }\n",
        &["sluice.toml:10: state.url: expected a URL that begins with redis://, rediss:// or unix://; \
           write \"redis://127.0.0.1:6379\""],
    );
}

#[test]
fn sockets_are_relative_to_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let config =
        read_in(directory.path(), &format!("{BASICS}[state]\nbackend = \"redis\"\nurl = \"unix://run/redis.sock\"\n"))
            .unwrap();
    let State::Redis(redis) = config.state else { panic!("it is in memory") };
    assert_eq!(redis.address, RedisAddress::Unix(directory.path().join("run/redis.sock")));
}

#[test]
fn plugins_have_it_only_if_they_keep_something() {
    let plugin = |name: &str, grant: &str| {
        format!("[[plugin]]\nname = \"{name}\"\ncomponent = \"dropped.wasm\"\ngrants = [\"{grant}\"]\n")
    };
    let state = "[state]\nbackend = \"redis\"\nurl = \"redis://cache\"\n";
    let text = [state, &plugin("a", "kv"), &plugin("b", "limiter"), &plugin("c", "clock")].concat();
    let config = read_with_basics(&text).unwrap();
    let have: Vec<bool> = config.plugin.iter().map(|plugin| plugin.state == config.state).collect();
    assert_eq!(have, [true, true, false]);
}

#[test]
fn what_is_wrong_is_said_without_its_secrets() {
    assert_problems(
        "[state]\nurl = \"redis://:s3cret@/x\"\n",
        &["sluice.toml:8: state: missing key \"backend\"; add backend = \"redis\""],
    );
    assert_problems(
        "[state]\nbackend = \"memory\"\nurl = \"redis://cache\"\n",
        &[
            "sluice.toml:10: state.url: means nothing with backend = \"memory\"; remove it, or write backend = \"redis\"",
        ],
    );
    let text = "[state]\nbackend = \"redis\"\nurl = \"redis://:s3cret@cache:x\"\ntimeout = \"1m\"\non_error = \"shut\"\n\
                prefix = \"a b\"\nca = \"none.pem\"\n";
    assert_problems(
        text,
        &[
            "sluice.toml:10: state.url: the URL's port isn't a number from 1 to 65535; write \"redis://127.0.0.1:6379\"",
            "sluice.toml:11: state.timeout: expected a duration from \"1ms\" to \"10s\", found \"1m\"; \
             write a value from \"1ms\" to \"10s\"",
            "sluice.toml:12: state.on_error: expected \"local\" or \"closed\" or \"open\", found \"shut\"; \
             valid: local, closed, open",
            "sluice.toml:13: state.prefix: expected at most 64 visible ASCII characters without blanks, found \"a b\"; \
             write prefix = \"sluice:\"",
            "sluice.toml:14: state.ca: none.pem can't be read: doesn't exist; name a PEM file of certificates",
        ],
    );
    assert_problems(
        "[state]\nbackend = \"redis\"\nurl = \"redis://:a@cache\"\npassword = \"b\"\n",
        &["sluice.toml:8: state.password: there is a password in the URL too; write it in one of both places"],
    );
}
