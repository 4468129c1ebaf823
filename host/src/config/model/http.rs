//! `[http]`: how clients are taken by all listeners that speak HTTP.

use std::time::Duration;

/// Limits of requests and connections, and what is done about doubtful spellings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http {
    pub encoded_slashes: EncodedSlashes,
    pub underscores: Underscores,
    /// Bytes of a request's head. Default 64 KiB.
    pub max_head: usize,
    /// Bytes of path and query. Default 8 KiB.
    pub max_target: usize,
    /// Fields of a request. Default 100.
    pub max_fields: usize,
    /// Bytes of a request's body. Default none.
    pub max_body: Option<u64>,
    /// Streams of HTTP/2 at a time. Default 100.
    pub max_streams: u32,
    /// From a request's first byte to the end of its head. Default 5 s.
    pub head_timeout: Duration,
    /// Between an answer and the next request. Default 75 s.
    pub keep_alive_timeout: Duration,
    /// For a client that takes nothing of its answer. Default 60 s.
    pub send_timeout: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            encoded_slashes: EncodedSlashes::default(),
            underscores: Underscores::default(),
            max_head: 64 << 10,
            max_target: 8 << 10,
            max_fields: 100,
            max_body: None,
            max_streams: 100,
            head_timeout: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(75),
            send_timeout: Duration::from_secs(60),
        }
    }
}

/// What `%2F` in a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncodedSlashes {
    /// Nothing that is accepted: servers differ in what it means.
    #[default]
    Reject,
    /// A character of its segment, passed on as it is.
    Keep,
    /// A slash, before anything else is looked at.
    Decode,
}

impl EncodedSlashes {
    /// As they are written.
    pub const ALL: [(&'static str, Self); 3] =
        [("reject", Self::Reject), ("keep", Self::Keep), ("decode", Self::Decode)];
}

/// What is done about fields with `_` in their names, which many servers take for those with `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Underscores {
    #[default]
    Drop,
    /// All but those that could be taken for one of the gateway's own.
    Keep,
}

impl Underscores {
    /// As they are written.
    pub const ALL: [(&'static str, Self); 2] = [("drop", Self::Drop), ("keep", Self::Keep)];
}
