//! What an authority asks before it gives a certificate: whether a name is the gateway's own (RFC 8555, section 8.3).
//! Comes before routes, since no route may stand in its way; requests for what nobody has offered go on to them.

use http::{HeaderValue, Method, Request, Response, header};

use crate::body::Body;
use crate::tls::Challenges;

const PREFIX: &str = "/.well-known/acme-challenge/";

/// The answer, if one is offered.
pub(super) fn answer(challenges: &Challenges, request: &Request<Body>) -> Option<Response<Body>> {
    if challenges.is_empty() || request.method() != Method::GET {
        return None;
    }
    let text = challenges.find(request.uri().path().strip_prefix(PREFIX)?)?;
    tracing::debug!("an authority asked for a challenge, and was answered");
    let mut answer = Response::new(Body::Full(text.into()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Some(answer)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn only_what_is_offered_is_answered() {
        let challenges = Arc::new(Challenges::default());
        let ask = |path: &str| {
            let request = Request::get(path).body(Body::Empty).unwrap();
            answer(&challenges, &request).map(|answer| answer.into_body())
        };
        assert!(ask("/.well-known/acme-challenge/token").is_none());
        let open = challenges.answer("token".to_owned(), "token.key".to_owned());
        assert!(ask("/.well-known/acme-challenge/token").is_some());
        for other in ["/.well-known/acme-challenge/other", "/.well-known/acme-challenge/", "/token", "/"] {
            assert!(ask(other).is_none(), "{other}");
        }
        drop(open);
        assert!(ask("/.well-known/acme-challenge/token").is_none());
    }
}
