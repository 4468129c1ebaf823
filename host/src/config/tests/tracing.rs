//! `[tracing]`

use super::*;
use crate::config::model::{Authorities, OtlpProtocol, SampleRate};

#[test]
fn what_is_not_written_has_defaults() {
    let tracing = read(&format!("{BASICS}[tracing]\nendpoint = \"http://127.0.0.1:4317\"")).unwrap().tracing.unwrap();
    assert_eq!((tracing.protocol, tracing.sample, &*tracing.service), (OtlpProtocol::Grpc, SampleRate::ALL, "sluice"));
    assert_eq!((tracing.headers.len(), &tracing.ca), (0, &Authorities::System));
    assert_eq!(read(BASICS).unwrap().tracing, None);
}

#[test]
fn shares_are_numbers_between_none_and_all() {
    let sample =
        |value: &str| read(&format!("{BASICS}[tracing]\nendpoint = \"https://c.example.com\"\nsample = {value}"));
    for (written, meant) in [("0", 0), ("1", 1_000_000), ("1.0", 1_000_000), ("0.01", 10_000), ("1e-6", 1)] {
        assert_eq!(sample(written).unwrap().tracing.unwrap().sample.0, meant, "{written}");
    }
    for written in ["-0.1", "1.1", "2", "nan", "inf", "\"0.5\""] {
        assert_refused(
            sample(written),
            &["sluice.toml:10: tracing.sample: expected a share between 0 and 1; \
               write sample = 0.01 for one request of 100"],
        );
    }
}

#[test]
fn secrets_belong_into_headers_and_are_never_shown() {
    let text = "[tracing]\nendpoint = \"http://127.0.0.1:4317\"\nheaders = { \"x-key\" = { env = \"SECRET\" } }";
    let tracing = read(&format!("{BASICS}{text}")).unwrap().tracing.unwrap();
    assert_eq!(tracing.headers[0].1.reveal(), "from environment");
    assert!(!format!("{tracing:?}").contains("from environment"));
    let bad = read(&format!(
        "{BASICS}[tracing]\nendpoint = \"http://127.0.0.1:4317\"\nheaders = {{ \"x-key\" = \"a\\nb\" }}"
    ));
    let problems = bad.unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("holds what no field can carry"), "{problems:?}");
    for endpoint in ["127.0.0.1:4317", "ftp://a", "http://user:word@a", ""] {
        assert!(read(&format!("{BASICS}[tracing]\nendpoint = \"{endpoint}\"")).is_err(), "{endpoint}");
    }
    assert_refused(
        read(&format!("{BASICS}[tracing]\nprotocol = \"http\"")),
        &["sluice.toml:8: tracing: missing key \"endpoint\"; add endpoint = \"http://127.0.0.1:4317\""],
    );
}
