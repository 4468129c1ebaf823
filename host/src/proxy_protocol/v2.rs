//! Version 2: a signature, a command, a family, a length, addresses, and extensions, which are skipped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

use super::{Header, LONGEST, Malformed, one_family};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, and length.
const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    // What is wrong already is refused before the rest is there.
    match rest.first() {
        Some(&(LOCAL | PROXY)) | None => {}
        Some(byte) if byte >> 4 == 2 => return Err(Malformed::Command),
        Some(_) => return Err(Malformed::Version),
    }
    let Some((&[command, family, high, low], rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > LONGEST {
        return Err(Malformed::Long);
    }
    let needed = match (command, family) {
        // Whatever the family, there is nothing to read.
        (LOCAL, _) | (_, UNSPECIFIED) => 0,
        (_, TCP4) => 12,
        (_, TCP6) => 36,
        (_, UNIX_STREAM) => 216,
        _ => return Err(Malformed::Family),
    };
    if length < needed {
        return Err(Malformed::Short);
    }
    let Some(content) = rest.get(..length) else { return Ok(None) };
    let header = match family {
        TCP4 if command == PROXY => addresses::<4>(content),
        TCP6 if command == PROXY => addresses::<16>(content),
        // The addresses of Unix sockets say nothing that could be used.
        _ => Some(Header::Local),
    };
    Ok(Some((header.ok_or(Malformed::Short)?, FIXED + length)))
}

/// Two addresses of `N` bytes each, then two ports.
fn addresses<const N: usize>(content: &[u8]) -> Option<Header>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = content.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    Some(Header::Proxied {
        source: SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*source_port)),
        destination: SocketAddr::new(IpAddr::from(*destination), u16::from_be_bytes(*destination_port)),
    })
}

pub(super) fn encode(header: &Header) -> Bytes {
    let mut out = BytesMut::with_capacity(FIXED + 36);
    out.put_slice(SIGNATURE);
    let Header::Proxied { source, destination } = header else {
        out.put_slice(&[LOCAL, UNSPECIFIED, 0, 0]);
        return out.freeze();
    };
    let (source, destination) = one_family(*source, *destination);
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.put_slice(&[PROXY, TCP4, 0, 12]);
            put(&mut out, [from, to].map(Ipv4Addr::to_bits).map(u32::to_be_bytes));
        }
        (from, to) => {
            let v6 = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            out.put_slice(&[PROXY, TCP6, 0, 36]);
            put(&mut out, [v6(from), v6(to)].map(Ipv6Addr::to_bits).map(u128::to_be_bytes));
        }
    }
    out.put_u16(source.port());
    out.put_u16(destination.port());
    out.freeze()
}

fn put<const N: usize>(out: &mut BytesMut, addresses: [[u8; N]; 2]) {
    addresses.iter().for_each(|address| out.put_slice(address));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, content].concat()
    }

    #[test]
    fn addresses_are_read_and_extensions_skipped() {
        let addresses = [192, 0, 2, 7, 10, 0, 0, 1, 0x10, 0, 1, 0xbb];
        // An extension of two bytes.
        let bytes = header(PROXY, TCP4, &[&addresses[..], &[4, 0, 2, 9, 9]].concat());
        let expected =
            Header::Proxied { source: "192.0.2.7:4096".parse().unwrap(), destination: "10.0.0.1:443".parse().unwrap() };
        assert_eq!(parse(&bytes), Ok(Some((expected, bytes.len()))));
    }

    #[test]
    fn what_has_no_addresses_is_local() {
        for bytes in [
            header(LOCAL, UNSPECIFIED, &[]),
            header(LOCAL, TCP4, &[1, 2, 3]),
            header(PROXY, UNSPECIFIED, &[7; 20]),
            header(PROXY, UNIX_STREAM, &[b'/'; 216]),
        ] {
            assert_eq!(parse(&bytes), Ok(Some((Header::Local, bytes.len()))));
        }
    }

    #[test]
    fn anything_unusual_is_refused_as_soon_as_it_is_seen() {
        for (bytes, error) in [
            (header(0x11, TCP4, &[]), Malformed::Version),
            (header(0x22, TCP4, &[]), Malformed::Command),
            (header(PROXY, 0x12, &[0; 12]), Malformed::Family),
            (header(PROXY, 0x41, &[0; 12]), Malformed::Family),
            (header(PROXY, TCP4, &[0; 11]), Malformed::Short),
            (header(PROXY, TCP6, &[0; 35]), Malformed::Short),
            (header(PROXY, UNIX_STREAM, &[0; 215]), Malformed::Short),
            (header(LOCAL, UNSPECIFIED, &[0; LONGEST]), Malformed::Long),
        ] {
            assert_eq!(parse(&bytes), Err(error));
            assert_eq!(parse(&bytes[..FIXED]), Err(error));
        }
    }
}
