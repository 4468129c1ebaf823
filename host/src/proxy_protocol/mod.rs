//! The PROXY protocol, versions 1 and 2, as HAProxy's specification defines it: a header before the
//! first byte of a connection that says whom it was opened for. Pure: it reads and writes bytes, and never
//! decides whom to believe.

mod v1;
mod v2;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

/// The largest header that is read, in bytes: version 2 allows 64 KiB of extensions, which nobody sends.
pub const LONGEST: usize = 4096;

/// How a header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// One line of text.
    V1,
    /// Binary.
    V2,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Opened for somebody: his address, and the address that he called.
    Proxied { source: SocketAddr, destination: SocketAddr },
    /// Opened by the proxy for itself, as for a health check, or for somebody whose address isn't known: the
    /// connection's own addresses count.
    Local,
}

/// Bytes that are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("doesn't begin with a PROXY protocol header")]
    Signature,
    #[error("the line is longer than 107 bytes")]
    LongLine,
    #[error("the line is malformed")]
    Line,
    #[error("the version isn't 2")]
    Version,
    #[error("the command is unknown")]
    Command,
    #[error("the address family or protocol is none for a byte stream")]
    Family,
    #[error("shorter than its addresses")]
    Short,
    #[error("longer than {LONGEST} bytes")]
    Long,
}

/// Read a header from the beginning of `bytes`, with its length. None if more bytes are needed, which is
/// never so with [`LONGEST`] of them.
///
/// # Errors
/// The bytes can't become a header, whatever follows.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    if starts_like(bytes, v2::SIGNATURE) {
        return v2::parse(bytes);
    }
    if starts_like(bytes, v1::SIGNATURE) {
        return v1::parse(bytes);
    }
    Err(Malformed::Signature)
}

/// Whether `bytes` begin with `signature`, as far as there are any.
fn starts_like(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(byte, expected)| byte == expected)
}

/// Write a header.
pub fn encode(version: Version, header: &Header) -> Bytes {
    match version {
        Version::V1 => v1::encode(header),
        Version::V2 => v2::encode(header),
    }
}

/// Both addresses in one family: the IPv4 one mapped into IPv6 if they differ. An IPv4 address that is mapped
/// already counts as what it is.
fn one_family(a: SocketAddr, b: SocketAddr) -> (SocketAddr, SocketAddr) {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (a, b) = (canonical(a), canonical(b));
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    if a.is_ipv4() == b.is_ipv4() { (a, b) } else { (mapped(a), mapped(b)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address() -> impl Strategy<Value = SocketAddr> {
        let ip = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
        (ip, any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
    }

    fn header() -> impl Strategy<Value = Header> {
        prop_oneof![
            Just(Header::Local),
            (address(), address()).prop_map(|(source, destination)| Header::Proxied { source, destination }),
        ]
    }

    fn canonical(header: Header) -> Header {
        match header {
            Header::Proxied { source, destination } => {
                let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
                Header::Proxied { source: plain(source), destination: plain(destination) }
            }
            Header::Local => Header::Local,
        }
    }

    fn version() -> impl Strategy<Value = Version> {
        prop_oneof![Just(Version::V1), Just(Version::V2)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(version in version(), header in header(), rest in any::<Vec<u8>>()) {
            let encoded = encode(version, &header);
            let bytes = [&encoded[..], &rest].concat();
            let (read, length) = parse(&bytes).unwrap().unwrap();
            prop_assert_eq!(canonical(read), canonical(header));
            prop_assert_eq!(length, encoded.len());
        }

        #[test]
        fn a_part_of_a_header_is_never_refused(version in version(), header in header()) {
            let encoded = encode(version, &header);
            for end in 0..encoded.len() {
                prop_assert_eq!(parse(&encoded[..end]), Ok(None));
            }
        }

        #[test]
        fn any_bytes_are_judged_within_the_bound(bytes in proptest::collection::vec(any::<u8>(), 0..200), how in 0..3) {
            let bytes = match how {
                0 => bytes,
                1 => [v1::SIGNATURE, &bytes].concat(),
                _ => [v2::SIGNATURE, &bytes].concat(),
            };
            if let Ok(Some((_, length))) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
            let mut whole = bytes;
            whole.resize(LONGEST, b' ');
            prop_assert_ne!(parse(&whole), Ok(None));
        }
    }

    #[test]
    fn something_else_is_no_header() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"PROXX", b"\r\n\r\n\0\r\nQUITx", b"\x16\x03\x01"] {
            assert_eq!(parse(bytes), Err(Malformed::Signature), "{bytes:?}");
        }
        assert_eq!(parse(b""), Ok(None));
    }
}
