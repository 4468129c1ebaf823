//! The name that a TLS client asks for (RFC 6066, section 3), read from its first message without answering
//! it. Pure, and bounded by [`LONGEST`].

/// Bytes of a ClientHello, records and all, that are looked at.
pub const LONGEST: usize = 16 << 10;

/// What the first bytes of a stream are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// The beginning of a ClientHello; more bytes are needed, which is never so with [`LONGEST`] of them.
    Incomplete,
    /// A ClientHello; the name in lower case, if it has one.
    Tls(Option<String>),
    /// Something else.
    Other,
}

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// Judge the first bytes of a stream.
pub fn read(bytes: &[u8]) -> Hello {
    let (message, whole) = match handshake(bytes) {
        Some(found) => found,
        None => return Hello::Other,
    };
    match message.split_first_chunk::<4>() {
        Some((&[kind, ..], _)) if kind != CLIENT_HELLO => Hello::Other,
        Some((&[_, a, b, c], rest)) => {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            match rest.get(..length) {
                Some(body) => server_name(body).map_or(Hello::Other, Hello::Tls),
                None if length > LONGEST || !whole || bytes.len() >= LONGEST => Hello::Other,
                None => Hello::Incomplete,
            }
        }
        None if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) || bytes.len() >= LONGEST => Hello::Other,
        None => Hello::Incomplete,
    }
}

/// What the records at the beginning hold, put together, and whether more of them may follow. None if the
/// first isn't a handshake record.
fn handshake(bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        match rest.first() {
            Some(&HANDSHAKE_RECORD) | None => {}
            Some(_) if message.is_empty() => return None,
            Some(_) => return Some((message, false)),
        }
        // Major version 3, whatever the minor one.
        if rest.get(1).is_some_and(|major| *major != 3) {
            return if message.is_empty() { None } else { Some((message, false)) };
        }
        let Some((&[_, _, _, high, low], after)) = rest.split_first_chunk::<5>() else { return Some((message, true)) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > LONGEST {
            return if message.is_empty() { None } else { Some((message, false)) };
        }
        let (content, next) = after.split_at_checked(length).unwrap_or((after, &[]));
        message.extend_from_slice(content);
        if content.len() < length {
            return Some((message, true));
        }
        rest = next;
    }
}

/// The name in the body of a ClientHello. None if it is malformed; an inner none if there is no name.
fn server_name(body: &[u8]) -> Option<Option<String>> {
    // Version and random.
    let rest = body.get(34..)?;
    let (_session, rest) = prefixed::<1>(rest)?;
    let (_suites, rest) = prefixed::<2>(rest)?;
    let (_compressions, rest) = prefixed::<1>(rest)?;
    if rest.is_empty() {
        return Some(None);
    }
    let (mut extensions, _) = prefixed::<2>(rest)?;
    while !extensions.is_empty() {
        let (kind, rest) = extensions.split_first_chunk::<2>()?;
        let (content, rest) = prefixed::<2>(rest)?;
        if u16::from_be_bytes(*kind) == SERVER_NAME {
            return host_name(content).map(Some);
        }
        extensions = rest;
    }
    Some(None)
}

fn host_name(content: &[u8]) -> Option<String> {
    let (list, _) = prefixed::<2>(content)?;
    let (&HOST_NAME, rest) = list.split_first()? else { return None };
    let (name, _) = prefixed::<2>(rest)?;
    let name = str::from_utf8(name).ok()?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let plain = !name.is_empty() && name.len() <= 253 && name.bytes().all(fits);
    plain.then(|| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
}

/// A vector whose length is written in `N` bytes before it, and what follows.
fn prefixed<const N: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<N>()?;
    let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    /// What rustls sends first.
    fn hello(name: &str) -> Vec<u8> {
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// The same message in records of `size` bytes.
    fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| [&[22, 3, 1], &u16::try_from(part.len()).unwrap().to_be_bytes()[..], part].concat();
        hello[5..].chunks(size).flat_map(record).collect()
    }

    #[test]
    fn the_name_is_found_however_the_message_is_cut() {
        let bytes = hello("Api.Example.com");
        let expected = Hello::Tls(Some("api.example.com".to_owned()));
        assert_eq!(read(&bytes), expected);
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Hello::Incomplete, "{end}");
        }
        for size in [1, 3, 100] {
            assert_eq!(read(&in_records(&bytes, size)), expected, "{size}");
        }
        assert_eq!(read(&[&bytes[..], b"more"].concat()), expected);
    }

    #[test]
    fn a_hello_without_name_is_tls_and_anything_else_is_not() {
        assert_eq!(read(&hello("192.0.2.7")), Hello::Tls(None));
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), Hello::Other);
        assert_eq!(read(b"SSH-2.0-x\r\n"), Hello::Other);
        assert_eq!(read(&[22, 3, 1, 0, 1, 2]), Hello::Other, "another message");
        assert_eq!(read(&[22, 3, 1, 0, 4, 1, 255, 255, 255]), Hello::Other, "larger than anything");
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_within_the_bound(bytes in proptest::collection::vec(any::<u8>(), 0..300), tls in any::<bool>()) {
            let mut bytes = if tls { [&[22, 3, 1, 1, 0, 1, 0, 0], &bytes[..]].concat() } else { bytes };
            let _ = read(&bytes);
            bytes.resize(LONGEST, 0);
            prop_assert_ne!(read(&bytes), Hello::Incomplete);
        }

        #[test]
        fn a_damaged_hello_is_judged(at in 0_usize..200, byte in any::<u8>()) {
            let mut bytes = hello("api.example.com");
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _ = read(&bytes);
        }
    }
}
