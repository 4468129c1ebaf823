//! One `Host` for every request, whatever the protocol version says it with.

use std::net::SocketAddr;

use http::request::Parts;
use http::{HeaderValue, Version, header};

use crate::error::Error;
use crate::fields::valid_host;

/// Make sure that there is exactly one `Host` field and that it says what the client means:
///
/// - HTTP/1: an absolute-form target's authority replaces `Host` (RFC 9112, section 3.2.2), from which it mustn't
///   differ but in case and a default port: a proxy before this one may have judged the request by the other.
/// - HTTP/1.0 without `Host`: the address that the client connected to, since it may not know better.
/// - HTTP/2: `:authority` becomes `Host`; if both are there, they have to be the same (RFC 9113, section 8.3.1).
///
/// # Errors
/// [`Error::BadRequest`]: none, several, contradicting or malformed.
pub(super) fn settle(parts: &mut Parts, local: SocketAddr) -> Result<(), Error> {
    let mut fields = parts.headers.get_all(header::HOST).iter();
    let (field, second) = (fields.next(), fields.next());
    if second.is_some() {
        return Err(Error::BadRequest("several Host fields".into()));
    }
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (field, authority) {
        // What nearly all requests are.
        (Some(field), None) => return check(field.as_bytes()),
        (None, None) if parts.version == Version::HTTP_10 => {
            return set(parts, local.to_string().as_bytes());
        }
        (None, None) => return Err(Error::BadRequest("no Host".into())),
        (None, Some(_)) if parts.version < Version::HTTP_2 && parts.version != Version::HTTP_10 => {
            return Err(Error::BadRequest("no Host".into()));
        }
        (Some(field), Some(authority))
            if parts.version >= Version::HTTP_2 && !field.as_bytes().eq_ignore_ascii_case(authority) =>
        {
            return Err(Error::BadRequest("Host and :authority differ".into()));
        }
        (Some(field), Some(authority)) if !is_same(field.as_bytes(), authority, parts.uri.scheme_str()) => {
            return Err(Error::BadRequest("Host and the target's authority differ".into()));
        }
        (_, Some(_)) => {}
    }
    let scheme = parts.uri.scheme_str().unwrap_or("http");
    if !matches!(scheme, "http" | "https") {
        return Err(Error::BadRequest("the target's scheme is neither http nor https".into()));
    }
    let authority = authority.unwrap_or_default().to_vec();
    check(&authority)?;
    set(parts, &authority)
}

/// Whether two authorities are the same, with or without the default port of a scheme.
fn is_same(a: &[u8], b: &[u8], scheme: Option<&str>) -> bool {
    let port: &[u8] = if scheme == Some("https") { b":443" } else { b":80" };
    let without =
        |host: &[u8]| host.strip_suffix(port).or(host.strip_suffix(b":")).unwrap_or(host).to_ascii_lowercase();
    without(a) == without(b)
}

fn check(host: &[u8]) -> Result<(), Error> {
    if valid_host(host) { Ok(()) } else { Err(Error::BadRequest("the Host is malformed".into())) }
}

fn set(parts: &mut Parts, host: &[u8]) -> Result<(), Error> {
    let value = HeaderValue::from_bytes(host).map_err(|_| Error::BadRequest("the Host is malformed".into()))?;
    parts.headers.insert(header::HOST, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn settled(version: Version, target: &str, hosts: &[&str]) -> Result<String, Error> {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        settle(&mut parts, ([127, 0, 0, 1], 8080).into())?;
        assert_eq!(parts.headers.get_all(header::HOST).iter().count(), 1);
        Ok(parts.headers[header::HOST].to_str().unwrap().into())
    }

    fn refused(version: Version, target: &str, hosts: &[&str]) -> String {
        match settled(version, target, hosts) {
            Err(Error::BadRequest(text)) => text.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn http1_has_one_host() {
        assert_eq!(settled(Version::HTTP_11, "/", &["a:80"]).as_deref(), Ok("a:80"));
        assert_eq!(refused(Version::HTTP_11, "/", &[]), "no Host");
        assert_eq!(refused(Version::HTTP_11, "/", &["a", "a"]), "several Host fields");
        assert_eq!(refused(Version::HTTP_11, "/", &["a@b"]), "the Host is malformed");
        assert_eq!(refused(Version::HTTP_11, "/", &[""]), "the Host is malformed");
    }

    #[test]
    fn an_absolute_target_has_the_same_host() {
        assert_eq!(settled(Version::HTTP_11, "http://b/x", &["b"]).as_deref(), Ok("b"));
        assert_eq!(settled(Version::HTTP_11, "http://b/x", &["B:80"]).as_deref(), Ok("b"));
        assert_eq!(settled(Version::HTTP_11, "https://b:443/x", &["b"]).as_deref(), Ok("b:443"));
        for other in ["a", "b:443", "b:8080", "b.c"] {
            assert_eq!(refused(Version::HTTP_11, "http://b/x", &[other]), "Host and the target's authority differ");
        }
        assert_eq!(refused(Version::HTTP_11, "http://b/x", &[]), "no Host");
        assert_eq!(refused(Version::HTTP_11, "http://b/x", &["a", "b"]), "several Host fields");
        assert_eq!(refused(Version::HTTP_11, "http://u:p@b/x", &["u:p@b"]), "the Host is malformed");
        assert_eq!(refused(Version::HTTP_11, "ftp://b/x", &["b"]), "the target's scheme is neither http nor https");
    }

    #[test]
    fn http10_may_not_know_its_host() {
        assert_eq!(settled(Version::HTTP_10, "/", &[]).as_deref(), Ok("127.0.0.1:8080"));
        assert_eq!(settled(Version::HTTP_10, "/", &["a"]).as_deref(), Ok("a"));
        assert_eq!(settled(Version::HTTP_10, "http://b/", &[]).as_deref(), Ok("b"));
    }

    #[test]
    fn http2_has_an_authority_and_nothing_that_contradicts_it() {
        assert_eq!(settled(Version::HTTP_2, "http://a/x", &[]).as_deref(), Ok("a"));
        assert_eq!(settled(Version::HTTP_2, "http://a/x", &["A"]).as_deref(), Ok("a"));
        assert_eq!(settled(Version::HTTP_2, "/x", &["a"]).as_deref(), Ok("a"));
        assert_eq!(refused(Version::HTTP_2, "http://a/x", &["b"]), "Host and :authority differ");
        assert_eq!(refused(Version::HTTP_2, "/x", &[]), "no Host");
    }
}
