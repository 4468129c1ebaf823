//! Which fields are the gateway's own. Many servers hand `-` and `_` to their programs as one character
//! (`HTTP_X_USER`), so a name with `_` counts as the name that it could be taken for.

use http::header::{self, HeaderMap, HeaderName};
use smallvec::SmallVec;

use crate::config::model::{IdentityFields, Underscores};

/// What the gateway writes itself, in requests and answers. `Host` is here since routing was decided by it.
static OWNED: [HeaderName; 17] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::FORWARDED,
    header::HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::VIA,
    HeaderName::from_static("cdn-loop"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
];

/// Fields that change how a message is framed, routed, authenticated or understood (RFC 9110, section
/// 6.5.1). A recipient may merge trailers into the head, so these come too late in them.
static NOT_IN_TRAILERS: [HeaderName; 27] = [
    header::AGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::EXPIRES,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::ORIGIN,
    header::PRAGMA,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::RETRY_AFTER,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::VARY,
    header::WWW_AUTHENTICATE,
];

/// Whether plugins can't write a field: framing, hop-by-hop, forwarding and identity fields, with `_`
/// for `-` too.
pub fn is_gateway_owned(name: &HeaderName, identity: &IdentityFields) -> bool {
    OWNED.iter().any(|own| alike(name, own)) || carries_identity(name, identity)
}

/// Remove what a client has no right to say: identity fields; `Forwarded`, `X-Forwarded-*` and `X-Real-IP` unless
/// it is a trusted proxy; and, even from a trusted proxy, every name with `_`, or at least those that could be taken for
/// one of these or for another of the gateway's own.
pub fn remove_client_fields(
    headers: &mut HeaderMap,
    identity: &IdentityFields,
    underscores: Underscores,
    trusted: bool,
) {
    remove_where(headers, |name| {
        let text = name.as_str();
        if text.contains('_') {
            return underscores == Underscores::Drop || is_gateway_owned(name, identity) || forwards(text);
        }
        carries_identity(name, identity) || !trusted && forwards(text)
    });
}

/// Remove what must not come in trailers, those of requests and those of answers: whatever frames,
/// routes, authenticates or describes a message, and all that plugins can't write.
pub fn remove_forbidden_trailers(trailers: &mut HeaderMap, identity: &IdentityFields) {
    remove_where(trailers, |name| {
        is_gateway_owned(name, identity)
            || forwards(name.as_str())
            || NOT_IN_TRAILERS.iter().any(|forbidden| alike(name, forbidden))
    });
}

fn remove_where(headers: &mut HeaderMap, doomed: impl Fn(&HeaderName) -> bool) {
    let found: SmallVec<[HeaderName; 4]> = headers.keys().filter(|name| doomed(name)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

fn carries_identity(name: &HeaderName, identity: &IdentityFields) -> bool {
    let fields = [&identity.subject, &identity.issuer, &identity.claims];
    fields.into_iter().flatten().any(|field| alike(name, field))
}

/// Whether a proxy would use this field to tell where a request comes from.
fn forwards(name: &str) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    let name = name.as_bytes();
    match name {
        // All names are asked this, and most don't begin so.
        [b'x', ..] => {
            same_bytes(name, b"x-real-ip") || name.get(..PREFIX.len()).is_some_and(|start| same_bytes(start, PREFIX))
        }
        [b'f', ..] => name == b"forwarded",
        _ => false,
    }
}

fn alike(a: &HeaderName, b: &HeaderName) -> bool {
    same_bytes(a.as_str().as_bytes(), b.as_str().as_bytes())
}

/// Names are in lower case already.
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    let fold = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| fold(a) == fold(b))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{heads, identity, map};
    use super::*;

    #[test]
    fn plugins_cannot_write_the_gateways_fields() {
        let owned = |name: &'static str| is_gateway_owned(&HeaderName::from_static(name), &identity());
        for name in ["content-length", "x-forwarded-for", "x_forwarded_for", "x-user", "x_user", "transfer_encoding"] {
            assert!(owned(name), "{name}");
        }
        for name in ["x-users", "content-type", "x-forwarded-prefix", "authorization", "x-real-ip"] {
            assert!(!owned(name), "{name}");
        }
    }

    #[test]
    fn clients_cannot_claim_identity_or_origin() {
        let sent = [
            ("x-user", "root"),
            ("x_user", "root"),
            ("x-user-claims", "{}"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-anything", "1"),
            ("x_forwarded-for", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("content_length", "0"),
            ("x_real_ip", "127.0.0.1"),
            ("snake_case", "1"),
            ("via", "1.1 a"),
        ];
        let mut untrusted = map(&sent);
        remove_client_fields(&mut untrusted, &identity(), Underscores::Keep, false);
        assert_eq!(heads(&untrusted), ["snake_case: 1", "via: 1.1 a"]);
        remove_client_fields(&mut untrusted, &identity(), Underscores::Drop, false);
        assert_eq!(heads(&untrusted), ["via: 1.1 a"]);
        let mut trusted = map(&sent);
        remove_client_fields(&mut trusted, &identity(), Underscores::Keep, true);
        let kept = ["forwarded: for=127.0.0.1", "snake_case: 1", "via: 1.1 a", "x-forwarded-anything: 1"];
        assert_eq!(heads(&trusted), [&kept[..], &["x-forwarded-for: 127.0.0.1", "x-real-ip: 127.0.0.1"]].concat());
    }

    #[test]
    fn trailers_obey_the_rules() {
        let mut trailers = map(&[
            ("grpc-status", "0"),
            ("x-checksum", "1"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("host", "evil"),
            ("authorization", "Basic x"),
            ("x-user", "root"),
            ("x_user", "root"),
            ("set-cookie", "a=b"),
            ("x-forwarded-for", "::1"),
        ]);
        remove_forbidden_trailers(&mut trailers, &identity());
        assert_eq!(heads(&trailers), ["grpc-status: 0", "x-checksum: 1"]);
    }
}
