//! What an answer says of rate limits, in one form for all plugins: `RateLimit` and `RateLimit-Policy` as
//! structured fields (draft-ietf-httpapi-ratelimit-headers-10).

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::plugin::role::Quota;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Milliseconds as whole seconds, rounded up: who waits that long has waited long enough.
pub(super) fn seconds(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(1000)
}

/// Add the state of each limit that the request passed or failed, in the order of the chain. What an
/// upstream says of its own limits stays.
pub(super) fn write(quotas: &[Quota], headers: &mut HeaderMap) {
    if quotas.is_empty() {
        return;
    }
    let mut limits = String::new();
    let mut policies = String::new();
    for quota in quotas {
        let separator = if limits.is_empty() { "" } else { ", " };
        let name = quoted(&quota.policy);
        // Writing to a string can't fail.
        let _ = write!(limits, "{separator}{name};r={};t={}", quota.remaining, seconds(quota.reset_ms));
        let _ = write!(policies, "{separator}{name};q={};w={}", quota.limit, seconds(quota.window_ms));
    }
    for (name, text) in [(RATE_LIMIT, limits), (RATE_LIMIT_POLICY, policies)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(name, value);
        }
    }
}

/// A structured-field string (RFC 9651, section 3.3.3).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars().filter(|character| matches!(character, ' '..='~')) {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(policy: &str) -> Quota {
        Quota { policy: policy.into(), limit: 100, window_ms: 60_000, remaining: 7, reset_ms: 1_001, retry_after_ms: 0 }
    }

    #[test]
    fn every_limit_is_named_and_times_are_rounded_up() {
        let mut headers = HeaderMap::new();
        write(&[quota("user"), quota("ip")], &mut headers);
        assert_eq!(headers["ratelimit"], r#""user";r=7;t=2, "ip";r=7;t=2"#);
        assert_eq!(headers["ratelimit-policy"], r#""user";q=100;w=60, "ip";q=100;w=60"#);
    }

    #[test]
    fn without_limits_nothing_is_said() {
        let mut headers = HeaderMap::new();
        write(&[], &mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn names_are_structured_strings() {
        assert_eq!(quoted("a\"b\\c\r\n"), r#""a\"b\\c""#);
    }
}
