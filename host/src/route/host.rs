//! The form in which hosts are compared. Whether a `Host` field is valid at all is
//! [`crate::fields::valid_host`]'s question.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// A host without port and trailing dot, in lower case; an IPv6 address in brackets in its shortest
/// spelling (RFC 5952). This is also how [`crate::config::model::HostPattern`] holds hosts. What is in this
/// form already isn't copied.
pub fn host_key(authority: &str) -> Cow<'_, str> {
    if let Some((inside, _port)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return ipv6_key(authority, inside);
    }
    let host = match authority.split_once(':') {
        Some((host, _port)) => host,
        None => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

fn ipv6_key<'a>(authority: &'a str, inside: &str) -> Cow<'a, str> {
    match inside.parse::<Ipv6Addr>() {
        Ok(address) => {
            let key = format!("[{address}]");
            match authority.get(..key.len()) {
                Some(same) if same == key => Cow::Borrowed(same),
                _ => Cow::Owned(key),
            }
        }
        Err(_) => Cow::Owned(format!("[{}]", inside.to_ascii_lowercase())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_port_and_trailing_dot_do_not_count() {
        for same in
            ["api.example.com", "API.example.COM", "api.example.com:8080", "Api.Example.com.:80", "api.example.com:"]
        {
            assert_eq!(host_key(same), "api.example.com", "{same}");
        }
        assert!(matches!(host_key("api.example.com:8080"), Cow::Borrowed(_)));
        assert_eq!(host_key("192.0.2.7:80"), "192.0.2.7");
        assert_eq!(host_key(""), "");
    }

    #[test]
    fn ipv6_addresses_have_one_spelling() {
        for same in ["[2001:db8::1]", "[2001:DB8::1]:443", "[2001:db8:0:0:0:0:0:1]"] {
            assert_eq!(host_key(same), "[2001:db8::1]", "{same}");
        }
        assert_eq!(host_key("[v1.X]:80"), "[v1.x]");
    }
}
