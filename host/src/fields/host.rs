//! The grammar of a `Host` field's value.

use std::net::Ipv6Addr;

/// The longest host that DNS, or anything else, could mean.
const MAX_HOST: usize = 255;

/// Whether a value is `host [":" port]` (RFC 9110, section 7.2; RFC 3986, section 3.2), with these limits:
///
/// - It isn't empty (RFC 9110, section 4.2.1), and the host has at most 255 characters.
/// - No user info: RFC 9110, section 4.2.4.
/// - No percent-encoding: it would be one host to the router and another to an upstream that decodes.
/// - In brackets only IPv6 addresses, without a zone.
/// - A port is empty or at most 65535.
pub fn valid_host(value: &[u8]) -> bool {
    let (host_is_valid, port) = match value {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (inside, after) = rest.split_at(end);
            (is_ipv6(inside), after.get(1..).unwrap_or_default())
        }
        _ => {
            let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
            let (host, port) = value.split_at(end);
            (is_name(host), port)
        }
    };
    host_is_valid
        && match port {
            [] => true,
            [b':', digits @ ..] => is_port(digits),
            _ => false,
        }
}

fn is_ipv6(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// `reg-name` without escapes; IPv4 addresses are among them.
fn is_name(host: &[u8]) -> bool {
    (1..=MAX_HOST).contains(&host.len())
        && host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte))
}

fn is_port(digits: &[u8]) -> bool {
    let number = digits
        .iter()
        .fold(0u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0'))));
    digits.iter().all(u8::is_ascii_digit) && number <= u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_port() {
        for host in [
            "example.com",
            "Example.COM.:8080",
            "a:",
            "a_b-c.d~",
            "192.0.2.7:80",
            "[::1]",
            "[2001:DB8::1]:443",
            "[::ffff:192.0.2.1]",
            "a:00080",
            "a:65535",
        ] {
            assert!(valid_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in [
            "",
            ":80",
            "user@example.com",
            "a:b@c",
            "a:80:80",
            "a:65536",
            "a:+80",
            "a:8O",
            "::1",
            "[::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "[]",
            "a/b",
            "a b",
            "a\tb",
            "a\\b",
            "a?b",
            "a#b",
            "ex%61mple.com",
            "grüße.de",
            "a\0",
            "<a>",
            "a:4294967376",
        ] {
            assert!(!valid_host(host.as_bytes()), "{host}");
        }
        assert!(valid_host(&[b'a'; 255]) && !valid_host(&[b'a'; 256]));
    }
}
