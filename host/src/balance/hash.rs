//! What consistent hashing goes by: the key of a request, and a hash that is the same on every machine and in every
//! version, so that several gateways before the same endpoints agree.

use std::net::IpAddr;

use super::random::mix;
use super::{PickContext, RequestView};
use crate::config::model::HashKey;

/// FNV-1a over the bytes, then a finalizer, since FNV alone leaves the high bits of short keys alike.
pub(super) fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325 ^ seed;
    for byte in bytes {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(state)
}

/// The hash of the first of `keys` that the request has; none if it has none of them.
pub(super) fn of_request(keys: &[HashKey], context: &PickContext<'_>) -> Option<u64> {
    keys.iter().find_map(|key| of_key(key, context))
}

fn of_key(key: &HashKey, context: &PickContext<'_>) -> Option<u64> {
    let request = || context.request;
    match key {
        HashKey::Client => context.client.map(|client| match client.to_canonical() {
            IpAddr::V4(address) => hash(&address.octets(), 4),
            IpAddr::V6(address) => hash(&address.octets(), 6),
        }),
        HashKey::Path => request().map(|request| hash(request.path().as_bytes(), 0)),
        HashKey::Identity => request()?.identity().map(|identity| {
            let issuer = identity.issuer.map_or(0, |issuer| hash(issuer.as_bytes(), 1));
            hash(identity.subject.as_bytes(), issuer)
        }),
        HashKey::Header(name) => request()?.header(name.as_str()).map(|value| hash(value, 0)),
        HashKey::Cookie(name) => request()?.cookie(name).map(|value| hash(value, 0)),
        HashKey::Query(name) => query(request()?, name).map(|value| hash(value.as_bytes(), 0)),
    }
}

/// A parameter as it is written, percent-encoding and all.
fn query<'a>(request: &'a dyn RequestView, name: &str) -> Option<&'a str> {
    request.query()?.split('&').find_map(|pair| match pair.split_once('=') {
        Some((key, value)) => (key == name).then_some(value),
        None => (pair == name).then_some(""),
    })
}

/// The value of the cookie `name` in a `Cookie` field (RFC 6265, section 4.2.1).
pub fn cookie_value<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    field.split(|byte| *byte == b';').find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::IdentityView;

    struct Request;

    impl RequestView for Request {
        fn header(&self, name: &str) -> Option<&[u8]> {
            (name == "x-user").then_some(b"alice")
        }

        fn path(&self) -> &str {
            "/a"
        }

        fn query(&self) -> Option<&str> {
            Some("a=1&b&session=x%20y")
        }

        fn cookie(&self, name: &str) -> Option<&[u8]> {
            cookie_value(b"a=1; id=\"7\"; idx=8", name)
        }

        fn identity(&self) -> Option<IdentityView<'_>> {
            Some(IdentityView { subject: "alice", issuer: Some("x"), expires_at: None, claims: "{}" })
        }
    }

    fn of(keys: &[HashKey], client: &str) -> Option<u64> {
        let client = client.parse().ok();
        of_request(keys, &PickContext { cluster: "c", attempt: 1, tried: &[], client, request: Some(&Request) })
    }

    #[test]
    fn every_kind_of_key_is_found() {
        let header = HashKey::Header(http::HeaderName::from_static("x-user"));
        assert_eq!(of(&[header], ""), Some(hash(b"alice", 0)));
        assert_eq!(of(&[HashKey::Cookie("id".into())], ""), Some(hash(b"7", 0)));
        assert_eq!(of(&[HashKey::Query("session".into())], ""), Some(hash(b"x%20y", 0)));
        assert_eq!(of(&[HashKey::Query("b".into())], ""), Some(hash(b"", 0)));
        assert_eq!(of(&[HashKey::Path], ""), Some(hash(b"/a", 0)));
        assert_ne!(of(&[HashKey::Identity], ""), Some(hash(b"alice", 0)), "issuers can have the same subject");
        assert_eq!(of(&[HashKey::Client], "::ffff:192.0.2.1"), of(&[HashKey::Client], "192.0.2.1"));
    }

    #[test]
    fn the_first_key_that_is_there_counts() {
        let keys = [HashKey::Cookie("none".into()), HashKey::Path];
        assert_eq!(of(&keys, ""), Some(hash(b"/a", 0)));
        assert_eq!(of(&keys[..1], ""), None);
        assert_eq!(of(&[HashKey::Client], ""), None);
    }

    #[test]
    fn hashes_never_change() {
        // Other gateways, maybe of other versions, have to find the same endpoint.
        assert_eq!(hash(b"", 0), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash(b"192.0.2.1:80", 0), 0x03d1_c7ff_a05d_fa46);
    }

    #[test]
    fn a_cookies_name_has_to_be_the_whole_name() {
        assert_eq!(cookie_value(b"xid=1;id=2", "id"), Some(&b"2"[..]));
        assert_eq!(cookie_value(b"id", "id"), None);
        assert_eq!(cookie_value(b"", "id"), None);
        assert_eq!(cookie_value(b"id=", "id"), Some(&b""[..]));
    }
}
