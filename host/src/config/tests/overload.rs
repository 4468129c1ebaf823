//! `[overload]`, and what belongs to the end of a process.

use std::time::Duration;

use super::*;
use crate::config::model::{MemoryLimit, Overload};

fn overload(text: &str) -> Result<Config, Vec<String>> {
    read_with_basics(&format!("[overload]\n{text}\n"))
}

#[test]
fn shares_sizes_and_numbers() {
    let memory = |text: &str| overload(&format!("memory = {text}")).unwrap().overload.memory;
    assert_eq!(memory("\"80%\""), MemoryLimit::Share(80));
    assert_eq!(memory("\"512MiB\""), MemoryLimit::Bytes(512 << 20));
    assert_eq!(memory("536870912"), MemoryLimit::Bytes(512 << 20));
    assert_eq!(memory("\"off\""), MemoryLimit::Off);
    let all = overload("requests = 7\nretry_after = \"5s\"").unwrap().overload;
    assert_eq!(all, Overload { requests: Some(7), retry_after: Duration::from_secs(5), ..Overload::default() });
    assert_eq!(overload("").unwrap().overload, Overload::default());
    assert_eq!(read_with_basics("").unwrap().overload, Overload::default());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |text: &str, message: &str| assert_refused(overload(text), &[message]);
    let expected = "expected a share such as \"80%\", a size such as \"512MiB\", or \"off\"";
    refused("memory = \"5%\"", &format!("sluice.toml:9: overload.memory: {expected}, found \"5%\"; write 10% to 100%"));
    refused("memory = \"x%\"", &format!("sluice.toml:9: overload.memory: {expected}, found \"x%\"; write 10% to 100%"));
    refused(
        "memory = true",
        &format!("sluice.toml:9: overload.memory: {expected}, found a boolean; write it in quotes"),
    );
    refused(
        "requests = 0",
        "sluice.toml:9: overload.requests: expected a whole number from 1 to 100000000, found 0; \
         write a number from 1 to 100000000",
    );
}

#[test]
fn the_end_of_a_process() {
    let config = read_with_basics("[server]\nshutdown_delay = \"10s\"\npid_file = \"run/sluice.pid\"\n").unwrap();
    assert_eq!(config.server.shutdown_delay, Duration::from_secs(10));
    let pid_file = config.server.pid_file.unwrap();
    assert!(pid_file.is_absolute() && pid_file.ends_with("run/sluice.pid"), "{}", pid_file.display());
    assert_eq!(read_with_basics("").unwrap().server.shutdown_delay, Duration::ZERO);
}
