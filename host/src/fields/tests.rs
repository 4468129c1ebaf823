//! Helpers of this module's tests, and what holds for any head whatever.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::config::model::{IdentityFields, Underscores};

pub(super) fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

/// `name: value`, sorted.
pub(super) fn heads(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?"))).collect();
    lines.sort();
    lines
}

pub(super) fn identity() -> IdentityFields {
    IdentityFields {
        subject: Some(HeaderName::from_static("x-user")),
        issuer: None,
        claims: Some(HeaderName::from_static("x-user-claims")),
    }
}

fn a_head() -> impl Strategy<Value = HeaderMap> {
    let names = vec![
        "connection",
        "te",
        "x-user",
        "x_user",
        "x-forwarded-for",
        "x_forwarded_for",
        "forwarded",
        "via",
        "cdn-loop",
        "upgrade",
        "a",
        "b",
        "keep-alive",
        "host",
        "transfer-encoding",
    ];
    let tokens = vec!["a", "b", "te", "trailers", "close", "upgrade", "10.0.0.1", "192.0.2.9", "::1", "\"", ";", "é"];
    let value = vec(select(tokens), 0..5).prop_map(|tokens| tokens.join(","));
    vec((select(names), value), 0..10).prop_map(|lines| {
        let value = |value: String| HeaderValue::from_bytes(value.as_bytes()).unwrap();
        lines.into_iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_entry_nothing_claims_what_only_the_gateway_may(
        mut head in a_head(),
        peer in select(vec!["10.0.0.1", "192.0.2.7"]),
    ) {
        let networks = ["10.0.0.0/8".parse().unwrap()];
        let peer = Peer::new(peer.parse().unwrap(), &networks);
        let named: Vec<String> = head
            .get_all("connection")
            .iter()
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .flat_map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let client = peer.client(&head, &networks);
        prop_assert!(peer.is_trusted() || client == peer.address());
        remove_hop_by_hop(&mut head).unwrap();
        remove_client_fields(&mut head, &identity(), Underscores::Keep, peer.is_trusted());
        let never = ["connection", "keep-alive", "upgrade", "transfer-encoding", "x-user", "x_user", "x_forwarded_for"];
        for gone in never {
            prop_assert!(!head.contains_key(gone), "{}", gone);
        }
        prop_assert!(named.iter().all(|name| name == "te" || !head.contains_key(name.as_str())));
        prop_assert!(head.get_all("te").iter().all(|value| value == "trailers"));
        prop_assert!(peer.is_trusted() || !head.contains_key("forwarded"));
        let once = head.clone();
        remove_hop_by_hop(&mut head).unwrap();
        remove_client_fields(&mut head, &identity(), Underscores::Keep, peer.is_trusted());
        prop_assert_eq!(&once, &head);
        set_forwarding(&mut head, &peer, "https");
        let last = head["x-forwarded-for"].as_bytes().rsplit(|byte| *byte == b',').next().unwrap().trim_ascii();
        prop_assert_eq!(str::from_utf8(last).unwrap(), peer.address().to_string());
        // The next gateway, which trusts this one, finds the same client.
        let next = Peer::new("10.9.9.9".parse().unwrap(), &networks);
        prop_assert_eq!(next.client(&head, &networks), client);
    }

    #[test]
    fn no_value_makes_a_rule_fail(value in vec(any::<u8>(), 0..40)) {
        valid_host(&value);
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let names = ["connection", "te", "x-forwarded-for", "forwarded", "host", "cdn-loop", "via"];
        let lines = names.map(|name| (HeaderName::from_static(name), value.clone()));
        let mut head = HeaderMap::from_iter(lines);
        let peer = Peer::new("10.0.0.1".parse().unwrap(), &["10.0.0.0/8".parse().unwrap()]);
        peer.client(&head, &["0.0.0.0/0".parse().unwrap()]);
        set_forwarding(&mut head, &peer, "http");
        let name = Pseudonym::new("sluice").unwrap();
        name.append_cdn_loop(&mut head);
        prop_assert!(name.is_in_cdn_loop(&head));
        remove_forbidden_trailers(&mut head, &identity());
        let _ = remove_hop_by_hop(&mut head);
    }
}
