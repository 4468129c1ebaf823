//! `[http]`

use std::time::Duration;

use super::*;
use crate::config::model::{EncodedSlashes, Http, Underscores};

#[test]
fn every_key_is_read_and_what_is_not_written_has_a_default() {
    assert_eq!(read_with_basics("").unwrap().http, Http::default());
    let text = "[http]\nencoded_slashes = \"keep\"\nunderscores = \"keep\"\nmax_head = \"32KiB\"\nmax_target = \"4KiB\"\n\
        max_fields = 50\nmax_body = \"10MiB\"\nmax_streams = 20\nhead_timeout = \"2s\"\n\
        keep_alive_timeout = \"1m\"\nsend_timeout = \"10s\"\n";
    let expected = Http {
        encoded_slashes: EncodedSlashes::Keep,
        underscores: Underscores::Keep,
        max_head: 32 << 10,
        max_target: 4 << 10,
        max_fields: 50,
        max_body: Some(10 << 20),
        max_streams: 20,
        head_timeout: Duration::from_secs(2),
        keep_alive_timeout: Duration::from_secs(60),
        send_timeout: Duration::from_secs(10),
    };
    assert_eq!(read_with_basics(text).unwrap().http, expected);
}

#[test]
fn words_and_limits_are_checked() {
    assert_problems(
        "[http]\nencoded_slashes = \"decoded\"\nunderscores = true\nmax_streams = 0\nmax_fild = 1\n",
        &[
            "sluice.toml:9: http.encoded_slashes: expected \"reject\" or \"keep\" or \"decode\", found \"decoded\"; did you \
             mean \"decode\"? (valid: reject, keep, decode)",
            "sluice.toml:10: http.underscores: expected \"drop\" or \"keep\", found a boolean; write one of them in quotes",
            "sluice.toml:11: http.max_streams: expected a whole number from 1 to 10000, found 0; write a number from 1 to 10000",
            "sluice.toml:12: http: unknown key \"max_fild\"; did you mean \"max_fields\"? (valid keys: encoded_slashes, \
             underscores, max_head, max_target, max_fields, max_body, max_streams, head_timeout, \
             keep_alive_timeout, send_timeout)",
        ],
    );
}
