//! What isn't TOML, and keys that aren't there.

use super::*;
use crate::config::entry::Keys;
use crate::config::written::keys;

fn valid(keys: &Keys) -> String {
    // As many as help.
    let more = if keys.known.len() > 16 { ", …" } else { "" };
    keys.known.iter().take(16).copied().collect::<Vec<_>>().join(", ") + more
}

#[test]
fn syntax_errors_are_all_reported_and_hide_nothing_elsewhere() {
    assert_problems(
        "[[route]]\nname = users\nclustr = \"users\"\n[[route]]\nname = \"b\"\nclustr = \"users\"\n[server]\ndrain 5\n",
        &[
            "sluice.toml:9: not valid TOML: string values must be quoted, expected literal string; put the value in quotes",
            "sluice.toml:13: route \"b\": unknown key \"clustr\"; did you mean \"cluster\"? (valid keys: name, listeners, \
             match, plugins, cluster, clusters, redirect, respond, anonymous, fall_through)",
            "sluice.toml:15: not valid TOML: key with no value, expected `=`; write key = value",
        ],
    );
}

#[test]
fn an_unclosed_bracket_is_no_flood() {
    let rest: String = (0..500).map(|n| format!("[[route]]\nname = \"r{n}\"\nclustr = 1\n")).collect();
    let problems = read(&format!("[[cluster]]\nname = \"a\"\nendpoints = [\"127.0.0.1:1\"\n{rest}")).unwrap_err();
    assert!((1..=10).contains(&problems.len()), "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.contains("not valid TOML")), "{problems:#?}");
}

#[test]
fn a_table_written_twice_is_refused() {
    assert_problems(
        "[server]\nthreads = 1\n[server]\nthreads = 2\n",
        &[
            "sluice.toml:10: not valid TOML: duplicate key; remove one of the two, or write [[…]] if another entry is meant",
            "sluice.toml:11: not valid TOML: duplicate key; remove one of the two, or write [[…]] if another entry is meant",
        ],
    );
}

#[test]
fn unknown_keys_name_the_nearest() {
    assert_problems(
        "[servr]\n[server]\nthread = 1\ncolour = 2\n",
        &[
            "sluice.toml:8: unknown key \"servr\"; did you mean \"server\"? (valid keys: include, admin, access_log, server, http, overload, \
             identity, plugins, state, acme, tracing, listener, plugin, route, cluster)",
            &format!(
                "sluice.toml:10: server: unknown key \"thread\"; did you mean \"threads\"? (valid keys: {})",
                valid(&keys::SERVER)
            ),
            &format!("sluice.toml:11: server: unknown key \"colour\"; valid keys: {}", valid(&keys::SERVER)),
        ],
    );
}

#[test]
fn a_misspelt_key_isnt_missing_too() {
    assert_problems(
        "[[clustr]]\nname = \"b\"\n[[route]]\nname = \"r\"\nclustr = \"b\"\n[[route]]\nname = \"s\"\ncluster = \"b\"\nmatch = {path = \"/s\"}",
        &[
            "sluice.toml:8: unknown key \"clustr\"; did you mean \"cluster\"? (valid keys: include, admin, access_log, server, http, overload, \
             identity, plugins, state, acme, tracing, listener, plugin, route, cluster)",
            "sluice.toml:12: route \"r\": unknown key \"clustr\"; did you mean \"cluster\"? (valid keys: name, listeners, \
             match, plugins, cluster, clusters, redirect, respond, anonymous, fall_through)",
        ],
    );
}

#[test]
fn one_table_isnt_an_array_of_tables() {
    assert_refused(
        read("[listener]\nname = \"public\"\n"),
        &[
            "sluice.toml: there is no listener; add [[listener]] with a name and an address",
            "sluice.toml:1: listener: expected an array of tables, found a table; write [[listener]]",
        ],
    );
    assert_problems(
        "route = [5]",
        &[&format!("sluice.toml:8: cluster \"users\": unknown key \"route\"; valid keys: {}", valid(&keys::CLUSTER))],
    );
    assert_refused(
        read("server = 5\nroute = [5]\nlistener = [{ name = \"a\", address = \"127.0.0.1:1\" }]"),
        &[
            "sluice.toml:1: server: expected a table, found an integer; write [server]",
            "sluice.toml:2: route: expected an array of tables, found an integer in it; write [[route]]",
        ],
    );
}

#[test]
fn an_empty_file_is_refused() {
    let expected = ["sluice.toml: there is no listener; add [[listener]] with a name and an address"];
    assert_refused(read(""), &expected);
    assert_refused(read("\u{feff}# nothing\n"), &expected);
}

#[test]
fn a_byte_order_mark_is_no_error() {
    assert!(read(&format!("\u{feff}{BASICS}")).is_ok());
}

#[test]
fn what_comes_later_is_refused_by_name() {
    assert_problems(
        "[acme]\nexternal_account = { id = \"x\" }",
        &["sluice.toml:9: acme: \"external_account\" is not supported in this version; remove it"],
    );
}

#[test]
fn names_are_short_and_plain() {
    let route = |name: &str| format!("[[route]]\nname = {name}\ncluster = \"users\"");
    assert_problems(
        &route("\"\""),
        &["sluice.toml:9: route \"\": name: expected a name, found an empty string; give it a name"],
    );
    assert_problems(
        &route("\"a\\u0007b\""),
        &["sluice.toml:9: route \"a\\u{7}b\": name: expected a name without control characters and outer blanks, \
           found \"a\\u{7}b\"; remove them"],
    );
    assert_problems(
        &route("5"),
        &["sluice.toml:9: route: name: expected a string, found an integer; put the value in quotes"],
    );
    let long = "x".repeat(200);
    assert_problems(
        &route(&format!("\"{long}\"")),
        &[&format!(
            "sluice.toml:9: route \"{}…\": name: expected a name of at most 128 bytes; shorten it",
            "x".repeat(80)
        )],
    );
}

#[test]
fn durations() {
    let drain = |value: &str| read_with_basics(&format!("[server]\ndrain = {value}"));
    let seconds = |value: &str| drain(value).unwrap().server.drain.as_millis();
    assert_eq!(seconds("\"0s\""), 0);
    assert_eq!(seconds("\"250ms\""), 250);
    assert_eq!(seconds("\"2m\""), 120_000);
    assert_eq!(seconds("\"1 h\""), 3_600_000);
    let refused =
        |value: &str, rest: &str| assert_refused(drain(value), &[&format!("sluice.toml:9: server.drain: {rest}")]);
    refused(
        "30",
        "expected a duration such as \"30s\", found an integer; write a number and a unit in quotes: ms, s, m or h",
    );
    refused("\"30\"", "expected a duration such as \"30s\", found \"30\"; add a unit: \"30ms\" or \"30s\"");
    refused("\"5 minutes\"", "expected a duration such as \"30s\", found \"5 minutes\"; did you mean \"5m\"?");
    refused(
        "\"-5s\"",
        "expected a duration such as \"30s\", found \"-5s\"; write a whole number and a unit: ms, s, m or h",
    );
    refused("\"\"", "expected a duration such as \"30s\", found \"\"; write a whole number and a unit: ms, s, m or h");
    refused(
        "\"99h\"",
        "expected a duration from \"0ms\" to \"24h\", found \"99h\"; write a value from \"0ms\" to \"24h\"",
    );
    refused(
        "\"99999999999999999999h\"",
        "expected a duration such as \"30s\", found \"99999999999999999999h\"; write a whole number and a unit: ms, s, m or h",
    );
}

#[test]
fn whole_numbers() {
    let threads = |value: &str| read_with_basics(&format!("[server]\nthreads = {value}"));
    assert_eq!(threads("0x10").unwrap().server.threads, 16);
    assert_eq!(threads("1_0").unwrap().server.threads, 10);
    let refused =
        |value: &str, rest: &str| assert_refused(threads(value), &[&format!("sluice.toml:9: server.threads: {rest}")]);
    refused("-1", "expected a whole number from 0 to 1024, found -1; write a number from 0 to 1024");
    refused("2.5", "expected a whole number from 0 to 1024, found a float; write it in digits, without quotes");
    refused(
        "99999999999999999999999999999999999999999",
        "expected a whole number from 0 to 1024, found 99999999999999999999999999999999999999999; write a number from 0 to 1024",
    );
}
