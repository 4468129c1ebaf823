//! Whom a request comes from, and what the upstream is told of it.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use sluice::config::model::{IdentityFields, Underscores};
use sluice::fields::{Peer, remove_client_fields, remove_hop_by_hop, set_forwarding};

/// The first byte is the last one of the peer's address, each line behind it a field.
pub fn forwarding(data: &[u8]) {
    let Some((last, fields)) = data.split_first() else { return };
    let trusted: [IpNet; 1] = ["10.0.0.0/25".parse().expect("a network")];
    let peer = Peer::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, *last)), &trusted);
    assert_eq!(peer.is_trusted(), *last < 128);
    let mut headers = HeaderMap::new();
    for line in fields.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let client = peer.client(&headers, &trusted);
    if !peer.is_trusted() {
        assert_eq!(client, peer.address(), "anybody may write these fields");
    }
    if remove_hop_by_hop(&mut headers).is_err() {
        return;
    }
    remove_client_fields(&mut headers, &IdentityFields::default(), Underscores::default(), peer.is_trusted());
    set_forwarding(&mut headers, &peer, "https");
    let all = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
    let (chain, address) = (all("x-forwarded-for"), peer.address().to_string());
    assert!(chain.ends_with(address.as_bytes()), "the peer is the last of them: {chain:?}");
    let element = all("forwarded");
    assert!(element.windows(4).any(|window| window == b"for="), "{element:?}");
    if !peer.is_trusted() {
        assert_eq!(chain, address.as_bytes());
        assert_eq!(all("x-forwarded-proto"), b"https");
        assert_eq!(headers.get_all("forwarded").iter().count(), 1);
    }
    assert!(!headers.contains_key("connection") && !headers.contains_key("keep-alive"));
}
