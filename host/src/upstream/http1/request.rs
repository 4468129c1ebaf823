//! How a request is written.

use http::{HeaderMap, Method, Request, header};
use http_body::Body as _;

use crate::body::Body;
use crate::fields::digits::decimal;

/// How a request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum Framing {
    /// There is no body.
    None,
    /// So many bytes are still to come.
    Length(u64),
    Chunked,
}

/// What most heads need at most.
const TYPICAL: usize = 1 << 10;

/// Write a request's head behind what is in `out`. The framing follows the body, whatever the fields say.
pub(in crate::upstream) fn encode_head(request: &Request<Body>, out: &mut Vec<u8>) -> Framing {
    let method = request.method();
    out.reserve(TYPICAL);
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut has_length = false;
    for (name, value) in request.headers() {
        match *name {
            header::CONTENT_LENGTH => has_length = true,
            header::TRANSFER_ENCODING => {}
            _ => push_field(out, name.as_str(), value.as_bytes()),
        }
    }
    let framing = framing(request.body());
    match framing {
        // RFC 9110, section 8.6: these methods anticipate content.
        Framing::None if has_length || matches!(*method, Method::POST | Method::PUT | Method::PATCH) => {
            out.extend_from_slice(b"content-length: 0\r\n");
        }
        Framing::None => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(length, out);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
    framing
}

/// The end of a chunked body, with trailers if there are some.
pub(in crate::upstream) fn encode_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        // RFC 9110, section 6.5.1: framing has no place here.
        if !matches!(*name, header::CONTENT_LENGTH | header::TRANSFER_ENCODING) {
            push_field(out, name.as_str(), value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn framing(body: &Body) -> Framing {
    match body {
        Body::Empty | Body::Switched(_) => Framing::None,
        Body::Full(bytes) if bytes.is_empty() => Framing::None,
        Body::Full(bytes) => Framing::Length(bytes.len() as u64),
        Body::Stream(stream) => match stream.size_hint().exact() {
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        },
    }
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};

    use super::*;
    use crate::body::BodyError;

    fn encoded(method: &str, body: Body, length: Option<&str>) -> (String, Framing) {
        let mut request = Request::builder().method(method).uri("/a?b=c").header("host", "x");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let mut out = Vec::new();
        let framing = encode_head(&request.header("transfer-encoding", "gzip").body(body).unwrap(), &mut out);
        (String::from_utf8(out).unwrap(), framing)
    }

    #[test]
    fn the_framing_is_that_of_the_body() {
        let whole = || Body::stream(Full::new(Bytes::from("12345")).map_err(|never| match never {}));
        let open = || Body::stream(Never);
        for (method, body, length, last, framing) in [
            ("GET", Body::Empty, None, "host: x", Framing::None),
            ("GET", Body::Empty, Some("7"), "content-length: 0", Framing::None),
            ("PUT", Body::Empty, None, "content-length: 0", Framing::None),
            ("POST", Body::Full("123".into()), Some("7"), "content-length: 3", Framing::Length(3)),
            ("POST", Body::Full(Bytes::new()), None, "content-length: 0", Framing::None),
            ("DELETE", whole(), None, "content-length: 5", Framing::Length(5)),
            ("POST", open(), Some("7"), "transfer-encoding: chunked", Framing::Chunked),
        ] {
            let (text, found) = encoded(method, body, length);
            let lines = if last == "host: x" { String::new() } else { format!("{last}\r\n") };
            assert_eq!(text, format!("{method} /a?b=c HTTP/1.1\r\nhost: x\r\n{lines}\r\n"));
            assert_eq!(found, framing);
        }
    }

    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
            std::task::Poll::Pending
        }
    }

    #[test]
    fn trailers_carry_no_framing() {
        let trailers = HeaderMap::from_iter([
            ("x-sum".parse().unwrap(), "7".parse().unwrap()),
            (header::CONTENT_LENGTH, "7".parse().unwrap()),
        ]);
        let mut out = Vec::new();
        encode_trailers(&trailers, &mut out);
        assert_eq!(out, b"0\r\nx-sum: 7\r\n\r\n");
    }
}
