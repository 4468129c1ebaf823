//! How the head of a request is written as HTTP/2 has it. Pure.

use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};

use crate::body::Body;

/// Fields of HTTP/1 that have no place in HTTP/2 (RFC 9113, section 8.2.2), besides `TE`.
const NO_PLACE: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The head of a request in origin-form. `length` is that of its body, if that is known; `fallback` is whom it is for if
/// `Host` doesn't say.
pub(super) fn encode(request: &Request<Body>, length: Option<u64>, scheme: Scheme, fallback: &str) -> Request<()> {
    let mut headers = request.headers().clone();
    let host = headers.remove(header::HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = authority.or_else(|| fallback.parse().ok()).or_else(|| Some(Authority::from_static("localhost")));
    let target = request.uri().path_and_query().cloned();
    parts.path_and_query = Some(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    NO_PLACE.iter().for_each(|name| drop(headers.remove(name)));
    keep_te(&mut headers);
    let had_length = headers.remove(header::CONTENT_LENGTH).is_some();
    // RFC 9110, section 8.6: these methods anticipate content.
    let anticipates = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if let Some(length) = length.filter(|length| *length > 0 || had_length || anticipates) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    // Whole in all its parts.
    *head.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *head.version_mut() = Version::HTTP_2;
    *head.headers_mut() = headers;
    head
}

/// Nothing but `trailers` may be said.
fn keep_te(headers: &mut HeaderMap) {
    let Some(lines) = headers.contains_key(header::TE).then(|| headers.get_all(header::TE)) else { return };
    let mut members = lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    if members.any(|member| member.trim_ascii().eq_ignore_ascii_case(b"trailers")) {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(header::TE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(request: http::request::Builder, length: Option<u64>) -> Request<()> {
        encode(&request.body(Body::Empty).unwrap(), length, Scheme::HTTPS, "192.0.2.7:443")
    }

    #[test]
    fn whom_it_is_for_is_no_field() {
        let head = head(Request::get("/a?b=c").header("host", "shop.test:8443"), Some(0));
        assert_eq!(head.uri(), "https://shop.test:8443/a?b=c");
        assert!(head.headers().is_empty(), "{:?}", head.headers());
        for host in ["", "a b"] {
            let request = Request::get("/").header("host", host);
            assert_eq!(super::tests::head(request, None).uri(), "https://192.0.2.7:443/");
        }
        let unix = encode(&Request::get("*").body(Body::Empty).unwrap(), None, Scheme::HTTP, "unix:/run/a.sock");
        assert_eq!(unix.uri().authority().unwrap(), "localhost");
    }

    #[test]
    fn what_belongs_to_http1_is_left_out() {
        let request = Request::post("/")
            .header("connection", "te")
            .header("te", "gzip, Trailers")
            .header("transfer-encoding", "chunked")
            .header("content-length", "7")
            .header("x-own", "1");
        let head = head(request, None);
        let fields = head.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let fields: std::collections::BTreeMap<_, _> = fields.collect();
        assert_eq!(fields, [("te", "trailers"), ("x-own", "1")].into());
        assert!(super::tests::head(Request::get("/").header("te", "gzip"), None).headers().is_empty());
    }

    #[test]
    fn lengths_are_those_of_bodies() {
        let length = |request, length| head(request, length).headers().get("content-length").cloned();
        assert_eq!(length(Request::post("/"), Some(0)).unwrap(), "0");
        assert_eq!(length(Request::put("/").header("content-length", "9"), Some(5)).unwrap(), "5");
        assert_eq!(length(Request::get("/"), Some(0)), None);
        assert_eq!(length(Request::post("/"), None), None);
    }
}
