//! What can stand in a line of JSON, by name.

use http::HeaderName;

/// One member of a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    Time,
    RequestId,
    TraceId,
    SpanId,
    Listener,
    Route,
    Client,
    Peer,
    Scheme,
    Protocol,
    Method,
    Host,
    Path,
    Query,
    Status,
    Bytes,
    Duration,
    Cluster,
    Endpoint,
    UpstreamStatus,
    UpstreamDuration,
    Tries,
    Subject,
    Issuer,
    IdentifiedBy,
    Plugins,
    RefusedBy,
    Reason,
    /// A header field of the request.
    Request(HeaderName),
    /// A header field of the answer.
    Response(HeaderName),
}

impl Field {
    /// All that have a fixed name, with what each is by default.
    pub const NAMES: [(&'static str, Self); 30] = [
        ("time", Self::Time),
        ("request_id", Self::RequestId),
        ("trace_id", Self::TraceId),
        ("span_id", Self::SpanId),
        ("listener", Self::Listener),
        ("route", Self::Route),
        ("client", Self::Client),
        ("peer", Self::Peer),
        ("scheme", Self::Scheme),
        ("protocol", Self::Protocol),
        ("method", Self::Method),
        ("host", Self::Host),
        ("path", Self::Path),
        ("query", Self::Query),
        ("status", Self::Status),
        ("bytes", Self::Bytes),
        ("duration_ms", Self::Duration),
        ("cluster", Self::Cluster),
        ("endpoint", Self::Endpoint),
        ("upstream_status", Self::UpstreamStatus),
        ("upstream_ms", Self::UpstreamDuration),
        ("tries", Self::Tries),
        ("subject", Self::Subject),
        ("issuer", Self::Issuer),
        ("identified_by", Self::IdentifiedBy),
        ("plugins", Self::Plugins),
        ("refused_by", Self::RefusedBy),
        ("reason", Self::Reason),
        ("user_agent", Self::Request(http::header::USER_AGENT)),
        ("referer", Self::Request(http::header::REFERER)),
    ];

    /// What a line has if the configuration doesn't choose.
    pub const DEFAULT: [&'static str; 19] = [
        "time",
        "request_id",
        "client",
        "method",
        "host",
        "path",
        "query",
        "protocol",
        "status",
        "bytes",
        "duration_ms",
        "route",
        "endpoint",
        "upstream_ms",
        "subject",
        "plugins",
        "refused_by",
        "reason",
        "user_agent",
    ];

    /// The field of that name; `request.NAME` and `response.NAME` are header fields.
    pub fn named(name: &str) -> Option<Self> {
        let header = |name: &str| HeaderName::from_bytes(name.as_bytes()).ok();
        if let Some(name) = name.strip_prefix("request.") {
            return header(name).map(Self::Request);
        }
        if let Some(name) = name.strip_prefix("response.") {
            return header(name).map(Self::Response);
        }
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    /// Whether it is made of the steps of an exchange.
    pub fn needs_steps(&self) -> bool {
        matches!(
            self,
            Self::Cluster
                | Self::Endpoint
                | Self::UpstreamStatus
                | Self::UpstreamDuration
                | Self::Tries
                | Self::Plugins
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_fields_and_header_fields_are_found_by_name() {
        assert!(Field::DEFAULT.iter().all(|name| Field::named(name).is_some()));
        assert_eq!(Field::named("request.X-Team"), Some(Field::Request(HeaderName::from_static("x-team"))));
        assert_eq!(Field::named("request.a b"), None);
        assert_eq!(Field::named("latency"), None);
    }
}
