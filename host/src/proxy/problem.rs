//! The one table from failures to answers, as problem details (RFC 9457). It tells clients what they can
//! act on, and nothing of addresses, plugins or causes: those are in the log, under the same request id.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::id::X_REQUEST_ID;
use crate::body::Body;
use crate::error::Error;
use crate::fields::{is_grpc, tell_grpc};
use crate::plugin::exchange::{Exchange, LocalResponse};

/// The status and what is said of it.
fn row(error: &Error) -> (StatusCode, &str) {
    match error {
        Error::BadRequest(text) => (StatusCode::BAD_REQUEST, text),
        Error::TargetTooLong => (StatusCode::URI_TOO_LONG, "the target is longer than accepted here"),
        Error::HeadTooLarge => {
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is larger, or has more fields, than accepted here")
        }
        Error::Version => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.0, 1.1 and 2 are spoken here"),
        Error::TransferCoding => (StatusCode::NOT_IMPLEMENTED, "no transfer coding but chunked is supported"),
        Error::RequestBody => (StatusCode::BAD_REQUEST, "the body is malformed or incomplete"),
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "credentials are needed here"),
        Error::NotFound => (StatusCode::NOT_FOUND, "nothing is served here"),
        Error::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "the method isn't served here"),
        Error::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "the rest of the body didn't come"),
        Error::RequestTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than accepted here"),
        Error::RequestCoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body's content coding isn't accepted here"),
        Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "a rate limit is used up"),
        Error::Connect => (StatusCode::NOT_IMPLEMENTED, "CONNECT isn't supported"),
        Error::NoWebSocket => (StatusCode::NOT_IMPLEMENTED, "WebSockets aren't served here"),
        Error::Loop => (StatusCode::LOOP_DETECTED, "the request has been here before"),
        Error::Plugin { .. } => (StatusCode::SERVICE_UNAVAILABLE, "a policy of this service can't be applied now"),
        Error::NoEndpoint => (StatusCode::SERVICE_UNAVAILABLE, "the service has no place to go to"),
        Error::ConnectFailed | Error::Tls(_) | Error::Reset => {
            (StatusCode::BAD_GATEWAY, "the service can't be reached")
        }
        Error::Malformed | Error::ResponseBody => (StatusCode::BAD_GATEWAY, "the service gave no valid answer"),
        Error::ResponseTooLarge | Error::ResponseCoding => {
            (StatusCode::BAD_GATEWAY, "the service gave an answer that can't be handled here")
        }
        Error::Overloaded | Error::Shed { .. } => (StatusCode::SERVICE_UNAVAILABLE, "the service has too much to do"),
        Error::ConnectTimeout | Error::FirstByteTimeout | Error::UpstreamStalled | Error::Deadline => {
            (StatusCode::GATEWAY_TIMEOUT, "the service didn't answer in time")
        }
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the gateway failed"),
    }
}

/// Fields that belong to a status.
fn field(error: &Error) -> Option<(HeaderName, HeaderValue)> {
    match error {
        Error::MethodNotAllowed(allow) => Some((header::ALLOW, allow.clone())),
        // A challenge is a must (RFC 9110, section 11.6.1). Which schemes a chain's authenticators want,
        // only they know, and they say it when they deny a request themselves; browsers, which would
        // ask for a password, ignore a scheme that they don't know.
        Error::Unauthenticated => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Gateway"))),
        Error::RateLimited { retry_after } | Error::Shed { retry_after } => {
            Some((header::RETRY_AFTER, HeaderValue::from(*retry_after)))
        }
        Error::Overloaded => Some((header::RETRY_AFTER, HeaderValue::from(1))),
        // RFC 9110, section 15.5.16.
        Error::RequestCoding => Some((header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"))),
        _ => None,
    }
}

/// The answer for an error in an exchange.
pub(super) fn render(error: &Error, exchange: &Exchange) -> LocalResponse {
    log(error, &exchange.id, Some(&exchange.route));
    exchange.trail.failed(error);
    local(error, &exchange.id)
}

/// The answer for an error before there is an exchange.
pub(super) fn respond(error: &Error, id: &str, method: &Method, request_id: &HeaderValue) -> Response<Body> {
    log(error, id, None);
    let LocalResponse { status, headers, body } = local(error, id);
    let mut answer = Response::new(Body::Full(body));
    *answer.status_mut() = status;
    answer.headers_mut().extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
    answer.headers_mut().insert(X_REQUEST_ID, request_id.clone());
    super::leave::without_body_for_head(method, answer)
}

/// Make an answer of the gateway or of a plugin one that a call of gRPC understands, unless it is one already.
pub(super) fn tell_caller(answer: &mut Response<Body>) {
    if answer.status().is_success() || is_grpc(answer.headers()) {
        return;
    }
    let said = match answer.body() {
        Body::Full(bytes) => serde_json::from_slice::<serde_json::Value>(bytes).ok(),
        _ => None,
    };
    let said = said.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    let detail = said.or_else(|| answer.status().canonical_reason()).unwrap_or_default().to_owned();
    tell_grpc(answer, &detail);
}

fn local(error: &Error, id: &str) -> LocalResponse {
    let (status, detail) = row(error);
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "request_id": id,
    });
    let mut headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
    headers.extend(field(error));
    LocalResponse { status, headers, body: Bytes::from(problem.to_string()) }
}

/// What the client isn't told. Clients' own faults are no news.
fn log(error: &Error, exchange: &str, route: Option<&str>) {
    use crate::error::Fault;
    // A line for each would be one more load; what began it was logged, and metrics count them.
    if matches!(error, Error::Shed { .. }) {
        return;
    }
    match error.fault() {
        Fault::Client | Fault::Plugin => tracing::debug!(exchange, route, %error, "request refused"),
        Fault::Upstream => tracing::warn!(exchange, route, %error, "upstream failed"),
        Fault::Gateway => tracing::error!(exchange, route, %error, "request failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_not_told_to_clients() {
        let errors = [
            Error::Plugin { plugin: "secret-plugin".into(), kind: "trap" },
            Error::Internal("secret-cause"),
            Error::ConnectFailed,
        ];
        for error in errors {
            let body = local(&error, "7").body;
            let text = str::from_utf8(&body).unwrap();
            assert!(!text.contains("secret") && !text.contains("trap"), "{text}");
        }
    }

    #[test]
    fn a_problem_names_status_and_request() {
        let answer = local(&Error::FirstByteTimeout, "abc");
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(problem["status"], 504);
        assert_eq!(problem["title"], "Gateway Timeout");
        assert_eq!(problem["request_id"], "abc");
        assert_eq!(answer.headers[0].1, "application/problem+json");
    }

    #[test]
    fn statuses_that_need_a_field_have_it() {
        let value = |error: Error| field(&error).map(|(name, value)| (name.to_string(), value));
        let allow = HeaderValue::from_static("GET, HEAD");
        assert_eq!(value(Error::MethodNotAllowed(allow.clone())), Some(("allow".into(), allow)));
        assert_eq!(value(Error::RateLimited { retry_after: 3 }), Some(("retry-after".into(), 3.into())));
        assert!(value(Error::Unauthenticated).is_some() && value(Error::RequestCoding).is_some());
    }
}
