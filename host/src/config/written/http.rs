//! `[http]`

use std::time::Duration;

use super::keys;
use crate::config::entry::Entry;
use crate::config::model::{EncodedSlashes, Http, Underscores};
use crate::config::values;

/// Reads the table; what isn't there has its default.
pub(super) fn read(top: &Entry<'_>) -> Http {
    let default = Http::default();
    let Some(entry) = top.table("http", "[http]") else { return default };
    let entry = entry.allow(&keys::HTTP);
    let size =
        |key, least, most, default| entry.read(key, values::size(least, most)).map_or(default, |size| size.value);
    let time = |key, most, default| {
        let read = entry.read(key, values::duration(Duration::from_millis(1), Duration::from_secs(most)));
        read.map_or(default, |time| time.value)
    };
    let slashes = entry.read("encoded_slashes", values::word(&EncodedSlashes::ALL));
    let underscores = entry.read("underscores", values::word(&Underscores::ALL));
    let fields = entry.read("max_fields", values::count(1, 10_000));
    Http {
        encoded_slashes: slashes.map(|slashes| slashes.value).unwrap_or_default(),
        underscores: underscores.map(|underscores| underscores.value).unwrap_or_default(),
        max_head: size("max_head", 1 << 10, 1 << 20, default.max_head),
        max_target: size("max_target", 64, 60 << 10, default.max_target),
        max_fields: fields.and_then(|fields| usize::try_from(fields.value).ok()).unwrap_or(default.max_fields),
        max_body: entry.read("max_body", values::size(0, 1 << 50)).map(|size| size.value as u64),
        max_streams: entry
            .read("max_streams", values::count(1, 10_000))
            .map_or(default.max_streams, |count| count.value),
        head_timeout: time("head_timeout", 3600, default.head_timeout),
        keep_alive_timeout: time("keep_alive_timeout", 24 * 3600, default.keep_alive_timeout),
        send_timeout: time("send_timeout", 24 * 3600, default.send_timeout),
    }
}
