//! The forms of answers: text, JSON, problems (RFC 9457), and streams.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use serde_json::{Value, json as value};

const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";
const SAME_ORIGIN_ALONE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// An answer of the admin API.
pub type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

pub fn text(status: StatusCode, text: &str) -> Answer {
    whole(status, "text/plain; charset=utf-8", text.to_owned())
}

pub fn json(value: &Value) -> Answer {
    whole(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

pub fn problem(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let body = value!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    whole(status, "application/problem+json", format!("{body:#}\n"))
}

pub fn method_not_allowed(allowed: &[Method]) -> Answer {
    let list = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("this path takes {list}"));
    if let Ok(list) = HeaderValue::try_from(list) {
        answer.headers_mut().insert(header::ALLOW, list);
    }
    answer
}

pub fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    of(status, content_type, Full::from(body.into()).boxed_unsync())
}

/// An answer with any body.
pub fn of(status: StatusCode, content_type: &'static str, body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Whatever a browser takes it for: nothing in it runs, and no other page shows or reads it. A client certificate
    // goes with requests of any page.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOTHING));
    headers.insert(SAME_ORIGIN_ALONE, HeaderValue::from_static("same-origin"));
    answer
}
