//! What gRPC says in fields of HTTP (its specification "gRPC over HTTP2"): which requests are calls, how long they may
//! take, and how a call is told that the gateway answers in place of its service.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::body::Body;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether a message with these fields is of gRPC; gRPC-Web, which browsers speak, is another thing.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let rest = kind.get(..16).filter(|start| start.eq_ignore_ascii_case(b"application/grpc")).and(kind.get(16..));
    rest.is_some_and(|rest| rest.first().is_none_or(|byte| matches!(byte, b'+' | b';' | b' ')))
}

/// How long a call may take, if it says so.
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Say an error to a call: 200, and the status of gRPC in the head, without a body ("Trailers-Only"). `detail` is for
/// people. Other fields stay, as a time to retry after.
pub fn tell_grpc(answer: &mut Response<Body>, detail: &str) {
    let status = HeaderValue::from(code(answer.status()));
    *answer.status_mut() = StatusCode::OK;
    *answer.body_mut() = Body::Empty;
    let headers = answer.headers_mut();
    for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::ALLOW] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, status);
    // Never without one: what isn't visible ASCII is escaped.
    if let Ok(message) = HeaderValue::try_from(escaped(detail)) {
        headers.insert(GRPC_MESSAGE, message);
    }
}

/// The status of gRPC for one of HTTP: as its clients understand one that has none ("HTTP to gRPC Status Code Mapping"), but
/// that limits and times are called so.
fn code(status: StatusCode) -> u16 {
    const DEADLINE_EXCEEDED: u16 = 4;
    const PERMISSION_DENIED: u16 = 7;
    const RESOURCE_EXHAUSTED: u16 = 8;
    const UNIMPLEMENTED: u16 = 12;
    const INTERNAL: u16 = 13;
    const UNAVAILABLE: u16 = 14;
    const UNAUTHENTICATED: u16 = 16;
    const UNKNOWN: u16 = 2;
    match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 | 405 | 501 => UNIMPLEMENTED,
        413 | 429 | 431 => RESOURCE_EXHAUSTED,
        408 | 504 => DEADLINE_EXCEEDED,
        502 | 503 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// With percent signs for all but visible ASCII and blanks.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            // Writing to a string doesn't fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn calls_are_told_by_their_content_type() {
        let is = |kind: &str| is_grpc(&with(header::CONTENT_TYPE, kind));
        assert!(is("application/grpc") && is("Application/GRPC+proto") && is("application/grpc; x=1"));
        assert!(!is("application/grpc-web") && !is("application/grpcx") && !is("application/json") && !is(""));
    }

    #[test]
    fn timeouts_have_a_unit() {
        let timeout = |text: &str| grpc_timeout(&with(GRPC_TIMEOUT, text));
        assert_eq!(timeout("100m"), Some(Duration::from_millis(100)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(timeout("1S"), Some(Duration::from_secs(1)));
        for wrong in ["", "m", "1", "1s", "123456789m", "-1m", "1.5S", "+1m"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_error_is_told_in_the_head() {
        let mut answer = Response::new(Body::Full("{}".into()));
        *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        answer.headers_mut().insert(header::CONTENT_LENGTH, 2.into());
        answer.headers_mut().insert(header::RETRY_AFTER, 3.into());
        tell_grpc(&mut answer, "used up: 100 % ü");
        assert_eq!((answer.status(), &answer.headers()[GRPC_STATUS]), (StatusCode::OK, &HeaderValue::from(8)));
        assert_eq!(answer.headers()[GRPC_MESSAGE], "used up: 100 %25 %C3%BC");
        assert_eq!(answer.headers()[header::RETRY_AFTER], "3");
        assert!(!answer.headers().contains_key(header::CONTENT_LENGTH) && matches!(answer.body(), Body::Empty));
    }

    proptest! {
        #[test]
        fn nothing_that_a_caller_says_does_harm(value in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                grpc_timeout(&HeaderMap::from_iter([(GRPC_TIMEOUT, value.clone())]));
                is_grpc(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]));
            }
        }
    }
}
