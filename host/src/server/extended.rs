//! WebSockets over HTTP/2 (RFC 8441): an extended CONNECT becomes the handshake of HTTP/1.1 that routes, plugins and
//! endpoints know, and what they answer becomes the answer to a CONNECT. Nothing else makes a CONNECT a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use crate::body::Body;
use crate::fields::set_websocket;
use crate::io::Switched;

/// Make a handshake of an extended CONNECT for a WebSocket. None if it isn't one.
pub(super) fn translate<B>(request: &mut Request<B>) -> Option<OnUpgrade> {
    let protocol = request.extensions().get::<Protocol>()?;
    if *request.method() != Method::CONNECT || !protocol.as_str().eq_ignore_ascii_case("websocket") {
        return None;
    }
    // Whoever could guess it couldn't do anything with it: it shows that the endpoint has read this handshake.
    let mut key = [0; 16];
    getrandom::fill(&mut key).ok()?;
    let key = HeaderValue::try_from(STANDARD.encode(key)).ok()?;
    let upgrade = hyper::upgrade::on(&mut *request);
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    set_websocket(headers);
    headers.insert(header::SEC_WEBSOCKET_KEY, key);
    Some(upgrade)
}

/// What a handshake came to.
pub(super) enum Outcome {
    /// The client may begin, and so may the endpoint.
    Agreed(Response<Body>, Box<Switched>),
    Refused(Response<Body>),
    /// The endpoint took it for a usual request, and did it. To a CONNECT that would be an agreement.
    Misunderstood,
}

/// Judge the answer to a handshake.
pub(super) fn answer(answer: Response<Body>) -> Outcome {
    let (mut head, body) = answer.into_parts();
    match body {
        Body::Switched(switched) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
            head.status = StatusCode::OK;
            for name in [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT, header::CONTENT_LENGTH] {
                head.headers.remove(name);
            }
            Outcome::Agreed(Response::from_parts(head, Body::Empty), switched)
        }
        _ if head.status.is_success() || head.status.is_informational() => Outcome::Misunderstood,
        body => Outcome::Refused(Response::from_parts(head, body)),
    }
}
