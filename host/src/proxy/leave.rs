//! The way out: from an exchange that is over to the answer on the wire.

use std::rc::Rc;

use http::{HeaderValue, Method, Response, StatusCode, header};

use super::id::X_REQUEST_ID;
use super::{problem, trailers};
use crate::body::Body;
use crate::config::model::IdentityFields;
use crate::fields::set_websocket;
use crate::plugin::exchange::{Exchange, Origin, ResponseHead};

/// The answer of an exchange.
pub(super) fn leave(
    exchange: Exchange,
    body: Body,
    request_id: HeaderValue,
    identity: &Rc<IdentityFields>,
) -> Response<Body> {
    let Some(ResponseHead { status, headers, origin }) = exchange.response else {
        // The pipeline always sets one.
        let mut answer = Response::new(Body::Empty);
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return answer;
    };
    let mut answer = Response::new(trailers::checked(body, identity));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer.headers_mut().insert(X_REQUEST_ID, request_id);
    match (answer.body(), status) {
        (Body::Switched(_), StatusCode::SWITCHING_PROTOCOLS) => set_websocket(answer.headers_mut()),
        // A plugin has made another answer of it.
        (Body::Switched(_), _) => *answer.body_mut() = Body::Empty,
        _ => {}
    }
    if exchange.grpc && origin != Origin::Upstream {
        problem::tell_caller(&mut answer);
    }
    without_body_for_head(&exchange.request.method, answer)
}

/// `HEAD` is answered like `GET`, length included, without the body (RFC 9110, section 9.3.2). Nor may
/// there be one with 204, 205 and 304.
pub(super) fn without_body_for_head(method: &Method, mut answer: Response<Body>) -> Response<Body> {
    if matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
        *answer.body_mut() = Body::Empty;
    } else if method == Method::HEAD {
        if let Body::Full(bytes) = answer.body() {
            let length = HeaderValue::from(bytes.len());
            answer.headers_mut().entry(header::CONTENT_LENGTH).or_insert(length);
        }
        *answer.body_mut() = Body::Empty;
    }
    answer
}
