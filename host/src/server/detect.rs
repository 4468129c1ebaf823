//! Telling HTTP/1 from HTTP/2 with prior knowledge (RFC 9113, section 3.3) by the first bytes.

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The connection preface of HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Room for the whole head of most requests, so that telling costs no extra read.
const FIRST_READ: usize = 2048;

/// What a connection speaks, with the bytes that said so.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1(Bytes),
    Http2(Bytes),
}

/// Read until it is clear; `seen` was read before. None if the client closes, or the connection breaks, before.
pub(super) async fn detect(stream: &mut TcpStream, mut seen: BytesMut) -> Option<Protocol> {
    loop {
        match judge(&seen) {
            Some(true) => return Some(Protocol::Http2(seen.freeze())),
            Some(false) => return Some(Protocol::Http1(seen.freeze())),
            None => {}
        }
        seen.reserve(FIRST_READ);
        if stream.read_buf(&mut seen).await.ok()? == 0 {
            return None;
        }
    }
}

/// Whether it is HTTP/2; none if more bytes are needed. `PRI` alone decides nothing: it might be a method. A
/// preface that goes wrong later isn't HTTP/1 either, but HTTP/1 refuses it with a clear answer.
fn judge(seen: &[u8]) -> Option<bool> {
    if seen.len() >= PREFACE.len() {
        return Some(seen.starts_with(PREFACE));
    }
    if PREFACE.starts_with(seen) { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_preface_is_http2() {
        assert_eq!(judge(b""), None);
        assert_eq!(judge(b"PRI * HTTP/2.0\r\n"), None);
        assert_eq!(judge(PREFACE), Some(true));
        assert_eq!(judge(&[PREFACE, b"more"].concat()), Some(true));
        assert_eq!(judge(b"GET"), Some(false));
        assert_eq!(judge(b"PRI /"), Some(false));
        assert_eq!(judge(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"), Some(false));
    }
}
