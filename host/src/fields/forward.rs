//! Who sent a request, and how the upstream is told.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::list::{append, members, put};

/// The most entries of `X-Forwarded-For` that are looked at, from the right.
const MAX_HOPS: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The other end of a connection. Made once for all of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    address: IpAddr,
    trusted: bool,
    /// For `X-Forwarded-For`.
    value: HeaderValue,
    /// `for=…` as `Forwarded` has it.
    node: Box<str>,
    /// `Host`, scheme and element of `Forwarded` of the request before: they seldom change.
    last: RefCell<Option<(HeaderValue, &'static str, HeaderValue)>>,
}

impl Peer {
    /// An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn new(address: IpAddr, trusted_proxies: &[IpNet]) -> Self {
        let address = address.to_canonical();
        // RFC 7239, section 6: an IPv6 address is in brackets, and those want quotes.
        let node = match address {
            IpAddr::V4(address) => format!("for={address}"),
            IpAddr::V6(address) => format!("for=\"[{address}]\""),
        };
        Self {
            address,
            trusted: is_trusted(address, trusted_proxies),
            value: HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown")),
            node: node.into(),
            last: RefCell::default(),
        }
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What it adds to `Forwarded`.
    fn element(&self, host: Option<&HeaderValue>, scheme: &'static str) -> HeaderValue {
        let Some(host) = host else { return forwarded_element(self, None, scheme) };
        let mut last = self.last.borrow_mut();
        match &*last {
            Some((same, its_scheme, element)) if same == host && *its_scheme == scheme => element.clone(),
            _ => {
                let element = forwarded_element(self, Some(host), scheme);
                *last = Some((host.clone(), scheme, element.clone()));
                element
            }
        }
    }

    /// Whether its forwarding fields are believed.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Where a request really comes from: the peer, or if that is a trusted proxy, the rightmost address
    /// of `X-Forwarded-For` that isn't one.
    ///
    /// Reading ends at 32 entries, and at an entry that is no address (a port behind it is fine): what a
    /// trusted proxy doesn't know can't be known from entries further left, which anybody may have
    /// written. Then, and if all are trusted proxies, it is the last address read.
    pub fn client(&self, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
        let mut client = self.address;
        if !self.trusted {
            return client;
        }
        let entries = headers.get_all(X_FORWARDED_FOR).iter().rev().flat_map(|line| members(line).rev());
        for entry in entries.take(MAX_HOPS) {
            let Some(address) = parse_entry(entry) else { break };
            client = address;
            if !is_trusted(address, trusted_proxies) {
                break;
            }
        }
        client
    }
}

fn is_trusted(address: IpAddr, trusted_proxies: &[IpNet]) -> bool {
    trusted_proxies.iter().any(|network| network.contains(&address))
}

/// `192.0.2.7`, `192.0.2.7:80`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:80`.
fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| in_brackets().map(IpAddr::V6))?;
    Some(address.to_canonical())
}

/// Tell the upstream who asked for what, in what the client asked for: call it before `Host` is changed.
///
/// | Field | From a trusted proxy | From anybody else |
/// |---|---|---|
/// | `X-Forwarded-For` | the peer's address is appended | replaced by the peer's address |
/// | `X-Forwarded-Proto` | kept; `scheme` if there is none | replaced by `scheme` |
/// | `X-Forwarded-Host` | kept; `Host` if there is none | replaced by `Host` |
/// | `Forwarded` (RFC 7239) | an element with `for`, `host` and `proto` is appended | replaced by that element |
///
/// `scheme` is `http` or `https`: how the request reached this gateway.
pub fn set_forwarding(headers: &mut HeaderMap, peer: &Peer, scheme: &'static str) {
    let host = headers.get(header::HOST).cloned();
    let element = peer.element(host.as_ref(), scheme);
    let proto = HeaderValue::from_static(scheme);
    if peer.trusted {
        append(headers, &X_FORWARDED_FOR, peer.value.clone());
        append(headers, &header::FORWARDED, element);
        put_if_absent(headers, &X_FORWARDED_PROTO, Some(proto));
        put_if_absent(headers, &X_FORWARDED_HOST, host);
        return;
    }
    put(headers, &X_FORWARDED_FOR, peer.value.clone());
    put(headers, &header::FORWARDED, element);
    put(headers, &X_FORWARDED_PROTO, proto);
    match host {
        Some(host) => put(headers, &X_FORWARDED_HOST, host),
        None => drop(headers.remove(X_FORWARDED_HOST)),
    }
}

fn put_if_absent(headers: &mut HeaderMap, name: &HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value.filter(|_| !headers.contains_key(name)) {
        put(headers, name, value);
    }
}

/// `for=192.0.2.7;host="example.com:80";proto=http`
fn forwarded_element(peer: &Peer, host: Option<&HeaderValue>, scheme: &str) -> HeaderValue {
    let host = host.and_then(|host| host.to_str().ok());
    let quoted = host.is_some_and(|host| !is_token(host));
    let host_length = host.map_or(0, |host| HOST.len() + host.len() + if quoted { 2 } else { 0 });
    // Exact, unless something has to be escaped: then the value needs no second allocation.
    let mut element = String::with_capacity(peer.node.len() + host_length + PROTO.len() + scheme.len());
    element.push_str(&peer.node);
    if let Some(host) = host {
        element.push_str(HOST);
        if quoted { push_quoted(&mut element, host) } else { element.push_str(host) }
    }
    element.push_str(PROTO);
    element.push_str(scheme);
    // Made of an address, visible characters of a value, and a scheme: always a value.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(element)).unwrap_or(HeaderValue::from_static("for=unknown"))
}

const HOST: &str = ";host=";
const PROTO: &str = ";proto=";

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(in_token)
}

/// RFC 9110, section 5.6.4.
fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::tests::{heads, map};
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::new(address.parse().unwrap(), &networks())
    }

    fn networks() -> Vec<IpNet> {
        ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).into()
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_no_trusted_proxy() {
        for (address, lines, client) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["127.0.0.1, 203.0.113.9, 10.2.2.2"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9", "10.3.3.3 , 10.2.2.2"], "203.0.113.9"),
            ("10.0.0.1", &["10.9.9.9, 10.2.2.2"], "10.9.9.9"),
            ("10.0.0.1", &["203.0.113.9, unknown, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
            ("fd00::1", &["[2001:db8::9]:4711"], "2001:db8::9"),
            ("fd00::1", &["[2001:db8::9]"], "2001:db8::9"),
            ("fd00::1", &["203.0.113.9:80, ,"], "203.0.113.9"),
        ] {
            let headers = map(&lines.iter().map(|line| ("x-forwarded-for", *line)).collect::<Vec<_>>());
            let found = peer(address).client(&headers, &networks());
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{address} {lines:?}");
        }
    }

    #[test]
    fn reading_is_bounded() {
        let line = format!("203.0.113.9{}", ", 10.0.0.2".repeat(MAX_HOPS));
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, HeaderValue::try_from(line).unwrap())]);
        assert_eq!(peer("10.0.0.1").client(&headers, &networks()).to_string(), "10.0.0.2");
    }

    #[test]
    fn from_anybody_fields_are_replaced() {
        let mut headers = map(&[
            ("host", "api.example.com:8080"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-for", "::1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("forwarded", "for=127.0.0.1"),
        ]);
        set_forwarding(&mut headers, &peer("2001:db8::7"), "http");
        let expected = [
            "forwarded: for=\"[2001:db8::7]\";host=\"api.example.com:8080\";proto=http",
            "host: api.example.com:8080",
            "x-forwarded-for: 2001:db8::7",
            "x-forwarded-host: api.example.com:8080",
            "x-forwarded-proto: http",
        ];
        assert_eq!(heads(&headers), expected);
    }

    #[test]
    fn each_request_tells_its_own_host_and_scheme() {
        let peer = peer("192.0.2.1");
        for (host, scheme) in [("a", "http"), ("a", "http"), ("b", "http"), ("b", "https"), ("a", "http")] {
            let mut headers = map(&[("host", host)]);
            set_forwarding(&mut headers, &peer, scheme);
            assert_eq!(headers["forwarded"], format!("for=192.0.2.1;host={host};proto={scheme}"));
        }
    }

    #[test]
    fn from_a_trusted_proxy_they_are_continued() {
        let mut headers = map(&[
            ("host", "internal"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "api.example.com"),
            ("forwarded", "for=203.0.113.9"),
        ]);
        set_forwarding(&mut headers, &peer("10.0.0.1"), "http");
        let expected = [
            "forwarded: for=203.0.113.9, for=10.0.0.1;host=internal;proto=http",
            "host: internal",
            "x-forwarded-for: 203.0.113.9, 10.0.0.1",
            "x-forwarded-host: api.example.com",
            "x-forwarded-proto: https",
        ];
        assert_eq!(heads(&headers), expected);
    }

    #[test]
    fn without_a_host_nothing_is_said_of_it() {
        let mut headers = map(&[("x-forwarded-host", "evil")]);
        set_forwarding(&mut headers, &peer("192.0.2.1"), "http");
        let expected = ["forwarded: for=192.0.2.1;proto=http", "x-forwarded-for: 192.0.2.1", "x-forwarded-proto: http"];
        assert_eq!(heads(&headers), expected);
    }

    #[test]
    fn hosts_that_are_no_tokens_are_quoted() {
        for (host, value) in [
            ("a.b", "for=192.0.2.1;host=a.b;proto=https"),
            ("[::1]:80", "for=192.0.2.1;host=\"[::1]:80\";proto=https"),
            ("a\"\\", "for=192.0.2.1;host=\"a\\\"\\\\\";proto=https"),
            ("", "for=192.0.2.1;host=\"\";proto=https"),
        ] {
            let host = HeaderValue::from_str(host).unwrap();
            assert_eq!(forwarded_element(&peer("192.0.2.1"), Some(&host), "https"), value);
        }
    }
}
