//! Version 1: `PROXY TCP4 192.0.2.7 192.0.2.1 56324 443` and a line end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use super::{Header, Malformed, one_family};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// With its line end.
const LONGEST_LINE: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let Some(end) = bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if bytes.len() < LONGEST_LINE { Ok(None) } else { Err(Malformed::LongLine) };
    };
    let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.and_then(|line| line.strip_prefix(SIGNATURE)).and_then(|line| str::from_utf8(line).ok());
    let header = line.and_then(read).ok_or(Malformed::Line)?;
    Ok(Some((header, end + 1)))
}

/// What follows `PROXY `.
fn read(line: &str) -> Option<Header> {
    let mut parts = line.split(' ');
    let family = parts.next()?;
    if family == "UNKNOWN" {
        // The rest of the line means nothing.
        return Some(Header::Local);
    }
    let (source, destination) = (parts.next()?, parts.next()?);
    let (source, destination): (IpAddr, IpAddr) = match family {
        "TCP4" => (source.parse::<Ipv4Addr>().ok()?.into(), destination.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (source.parse::<Ipv6Addr>().ok()?.into(), destination.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    let (source_port, destination_port) = (port(parts.next()?)?, port(parts.next()?)?);
    parts.next().is_none().then_some(Header::Proxied {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// Digits without sign and leading zeros.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

pub(super) fn encode(header: &Header) -> Bytes {
    let Header::Proxied { source, destination } = header else { return Bytes::from_static(b"PROXY UNKNOWN\r\n") };
    let (source, destination) = one_family(*source, *destination);
    let (ip, to) = (text(source.ip()), text(destination.ip()));
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    Bytes::from(format!("PROXY {family} {ip} {to} {} {}\r\n", source.port(), destination.port()))
}

/// Without the dots that the usual form of mapped addresses has, which not all receivers read.
fn text(ip: IpAddr) -> String {
    match ip {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => {
            let [.., high, low] = ip.segments();
            format!("::ffff:{high:x}:{low:x}")
        }
        ip => ip.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_specification_are_read() {
        let line = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\nGET / HTTP/1.1\r\n";
        let all = "255.255.255.255:65535".parse().unwrap();
        assert_eq!(parse(line), Ok(Some((Header::Proxied { source: all, destination: all }, 56))));
        let line = b"PROXY TCP6 ffff:f:f:f:f:f:f:f ::1 65535 1\r\n";
        let expected = Header::Proxied {
            source: "[ffff:f:f:f:f:f:f:f]:65535".parse().unwrap(),
            destination: "[::1]:1".parse().unwrap(),
        };
        assert_eq!(parse(line), Ok(Some((expected, line.len()))));
        for line in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"] {
            assert_eq!(parse(line), Ok(Some((Header::Local, line.len()))));
        }
    }

    #[test]
    fn anything_unusual_is_refused() {
        for line in [
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
            "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Malformed::Line), "{line:?}");
        }
        let endless = [SIGNATURE, &[b'x'; 101]].concat();
        assert_eq!(parse(&endless[..106]), Ok(None));
        assert_eq!(parse(&endless), Err(Malformed::LongLine));
    }

    #[test]
    fn addresses_of_two_families_are_written_in_the_larger() {
        let header = Header::Proxied {
            source: "192.0.2.7:1000".parse().unwrap(),
            destination: "[2001:db8::1]:443".parse().unwrap(),
        };
        assert_eq!(encode(&header), "PROXY TCP6 ::ffff:c000:207 2001:db8::1 1000 443\r\n");
    }
}
