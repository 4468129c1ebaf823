//! The forms of answers: text, JSON, and problems (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json as value};

pub fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    whole(status, "text/plain; charset=utf-8", text.to_owned())
}

pub fn json(value: &Value) -> Response<Full<Bytes>> {
    whole(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

pub fn problem(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    let title = status.canonical_reason().unwrap_or_default();
    let body = value!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    whole(status, "application/problem+json", format!("{body:#}\n"))
}

pub fn method_not_allowed(allowed: &[Method]) -> Response<Full<Bytes>> {
    let list = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("this path takes {list}"));
    if let Ok(list) = HeaderValue::try_from(list) {
        answer.headers_mut().insert(header::ALLOW, list);
    }
    answer
}

pub fn whole(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
