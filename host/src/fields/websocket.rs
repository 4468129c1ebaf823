//! The handshake by which a connection changes from HTTP/1.1 to the WebSocket protocol (RFC 6455, section 4), as a
//! proxy has to judge and repeat it: `Connection` and `Upgrade` are for one connection alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};

use super::list::{members, put};

const CONNECTION: HeaderValue = HeaderValue::from_static("upgrade");
const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");

/// Whether a request, which has no body, asks for a WebSocket. Ask before [`super::remove_hop_by_hop`]. Other
/// protocols, other methods and older versions ask for nothing: a server may ignore `Upgrade` (RFC 9110, section 7.8).
/// From a client of HTTP/2 the field can't come (RFC 9113, section 8.2.2); there it says that this was an extended CONNECT.
pub fn asks_for_websocket(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
        && *method == Method::GET
        && version >= Version::HTTP_11
        && has_member(headers, &header::UPGRADE, b"websocket")
        && has_member(headers, &header::CONNECTION, b"upgrade")
}

/// Say to the next hop that the connection is to change, or that it has changed.
pub fn set_websocket(headers: &mut HeaderMap) {
    put(headers, &header::CONNECTION, CONNECTION);
    put(headers, &header::UPGRADE, PROTOCOL);
}

/// Whether a `101` says what it has to say to this request: that it is a WebSocket, and that the endpoint has read the
/// request's key.
pub fn agrees_to_websocket(answer: &HeaderMap, request: &HeaderMap) -> bool {
    let mut keys = request.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else { return false };
    let mut accepts = answer.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
    let (Some(accept), None) = (accepts.next(), accepts.next()) else { return false };
    has_member(answer, &header::UPGRADE, b"websocket")
        && has_member(answer, &header::CONNECTION, b"upgrade")
        && accept.as_bytes() == accept_of(key).as_bytes()
}

fn has_member(headers: &HeaderMap, name: &HeaderName, wanted: &[u8]) -> bool {
    headers.get_all(name).iter().flat_map(members).any(|member| member.eq_ignore_ascii_case(wanted))
}

/// The answer to a key (section 4.2.2).
fn accept_of(key: &HeaderValue) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let text = [key.as_bytes(), GUID].concat();
    STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &text))
}

#[cfg(test)]
mod tests {
    use super::super::tests::map;
    use super::*;

    #[test]
    fn only_a_get_asks_for_it() {
        let good = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]);
        assert!(asks_for_websocket(&Method::GET, Version::HTTP_11, &good));
        assert!(!asks_for_websocket(&Method::POST, Version::HTTP_11, &good));
        assert!(!asks_for_websocket(&Method::GET, Version::HTTP_10, &good));
        assert!(asks_for_websocket(&Method::GET, Version::HTTP_2, &good));
        for other in [
            &[("upgrade", "websocket")][..],
            &[("connection", "upgrade")],
            &[("connection", "upgrade"), ("upgrade", "h2c")],
            &[("connection", "keep-alive"), ("upgrade", "websocket")],
        ] {
            assert!(!asks_for_websocket(&Method::GET, Version::HTTP_11, &map(other)), "{other:?}");
        }
    }

    #[test]
    fn the_answer_to_a_key_is_that_of_the_standard() {
        // RFC 6455, section 1.3.
        let request = map(&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]);
        let good = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        assert!(agrees_to_websocket(&map(&good), &request));
        assert!(!agrees_to_websocket(&map(&good), &map(&[])));
        assert!(!agrees_to_websocket(&map(&[&good[..], &good[2..]].concat()), &request));
        for wrong in [
            &good[..2],
            &good[1..],
            &[good[0], good[2]],
            &[("upgrade", "h2c"), good[1], good[2]],
            &[good[0], good[1], ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")],
        ] {
            assert!(!agrees_to_websocket(&map(wrong), &request), "{wrong:?}");
        }
    }
}
