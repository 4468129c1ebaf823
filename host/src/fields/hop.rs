//! Fields that belong to one connection and are never forwarded (RFC 9110, section 7.6.1).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::list::{members, put};

/// The most fields that `Connection` may name.
const MAX_OPTIONS: usize = 64;

/// Fields for every recipient on the way. `Connection` mustn't name such fields, and one that does is
/// out to strip what another proxy set or what a plugin is about to check.
static END_TO_END: [HeaderName; 15] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::FORWARDED,
    header::HOST,
    header::SET_COOKIE,
    header::VIA,
    HeaderName::from_static("cdn-loop"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-request-id"),
];

/// Why a `Connection` field is refused: the fault of who sent the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    #[error("`Connection` names `{0}`, a field that isn't for one connection alone")]
    EndToEnd(HeaderName),
    #[error("`Connection` names more than {MAX_OPTIONS} fields")]
    TooMany,
}

/// Remove `Connection`, the fields that it names, and those that are hop-by-hop without being named.
///
/// - `TE: trailers` stays if that is among its members: gRPC servers want to see it, and trailers do pass. Over
///   HTTP/1 its sender has to name it in `Connection` again.
/// - `Trailer` stays, since trailers are forwarded.
/// - Names that no field can have are passed over.
///
/// # Errors
/// `Connection` names an end-to-end field, or very many fields. Some fields are gone by then: don't
/// forward the message.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) -> Result<(), ConnectionError> {
    // One look at each name costs less than a search for each field that is hardly ever there.
    let (mut connection, mut te) = (false, false);
    let mut found: SmallVec<[HeaderName; 2]> = SmallVec::new();
    for name in headers.keys() {
        match name.as_str() {
            "connection" => connection = true,
            "te" => te = true,
            _ if is_hop_by_hop(name) => found.push(name.clone()),
            _ => {}
        }
    }
    if connection {
        remove_named(headers)?;
        headers.remove(header::CONNECTION);
    }
    for name in found {
        headers.remove(name);
    }
    if te {
        reduce_te(headers);
    }
    Ok(())
}

/// Whether a field is for one connection alone even if `Connection` doesn't name it.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "keep-alive"
            // What a client and its proxy say to each other (RFC 9110, section 11.7), and this is the proxy.
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "http2-settings"
            | "transfer-encoding"
            | "upgrade"
    )
}

fn remove_named(headers: &mut HeaderMap) -> Result<(), ConnectionError> {
    // Cheap copies that let the map be changed while they are read.
    let lines: SmallVec<[HeaderValue; 2]> = headers.get_all(header::CONNECTION).iter().cloned().collect();
    for (count, option) in lines.iter().flat_map(members).enumerate() {
        if count >= MAX_OPTIONS {
            return Err(ConnectionError::TooMany);
        }
        if option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive") {
            continue;
        }
        let Ok(name) = HeaderName::from_bytes(option) else { continue };
        if END_TO_END.contains(&name) {
            return Err(ConnectionError::EndToEnd(name));
        }
        if name != header::TE && name != header::TRAILER {
            headers.remove(name);
        }
    }
    Ok(())
}

/// Reduce `TE` to what a proxy passes on.
fn reduce_te(headers: &mut HeaderMap) {
    let wants_trailers = |line| members(line).any(|member| member.eq_ignore_ascii_case(b"trailers"));
    if headers.get_all(header::TE).iter().any(wants_trailers) {
        put(headers, &header::TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(header::TE);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{heads, map};
    use super::*;

    fn removed(lines: &[(&'static str, &'static str)]) -> Result<Vec<String>, ConnectionError> {
        let mut headers = map(lines);
        remove_hop_by_hop(&mut headers).map(|()| heads(&headers))
    }

    #[test]
    fn named_and_known_fields_go() {
        let left = removed(&[
            ("host", "a"),
            ("connection", "close, X-Secret"),
            ("connection", "x-other ,, Trailer"),
            ("x-secret", "1"),
            ("x-secret", "2"),
            ("x-other", "1"),
            ("x-kept", "1"),
            ("trailer", "x-sum"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("proxy-authenticate", "Basic"),
            ("http2-settings", "AAA"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
        ]);
        assert_eq!(left.unwrap(), ["host: a", "trailer: x-sum", "x-kept: 1"]);
    }

    #[test]
    fn te_is_reduced_to_trailers() {
        assert_eq!(removed(&[("te", "trailers")]).unwrap(), ["te: trailers"]);
        assert_eq!(removed(&[("te", "deflate;q=0.5"), ("te", "gzip, Trailers")]).unwrap(), ["te: trailers"]);
        assert_eq!(removed(&[("connection", "TE"), ("te", "trailers")]).unwrap(), ["te: trailers"]);
        assert!(removed(&[("te", "gzip")]).unwrap().is_empty());
    }

    #[test]
    fn end_to_end_fields_cannot_be_named() {
        for name in ["host", "Content-Length", "AUTHORIZATION", "cookie", "x-forwarded-for", "Via"] {
            let outcome = removed(&[("connection", "close"), ("connection", name)]);
            assert_eq!(outcome, Err(ConnectionError::EndToEnd(name.parse().unwrap())));
        }
    }

    #[test]
    fn names_are_bounded_and_nonsense_is_passed_over() {
        assert_eq!(removed(&[("connection", "a b, \"c\", @, (")]), Ok(vec![]));
        let many = HeaderValue::try_from("x,".repeat(MAX_OPTIONS + 1)).unwrap();
        let mut headers = HeaderMap::from_iter([(header::CONNECTION, many)]);
        assert_eq!(remove_hop_by_hop(&mut headers), Err(ConnectionError::TooMany));
    }
}
