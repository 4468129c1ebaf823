//! What is done to every request before any plugin sees it: one `Host`, one spelling of the path, no
//! fields that the client has no right to send, the gateway's own fields set; then the route.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body::Body as _;

use super::id::{Ids, X_REQUEST_ID};
use super::session::Session;
use super::{authority, problem};
use crate::body::Body;
use crate::config::model::EncodedSlashes;
use crate::error::Error;
use crate::fields::{
    asks_for_websocket, grpc_timeout, is_grpc, remove_client_fields, remove_hop_by_hop, set_forwarding,
};
use crate::plugin::exchange::{Exchange, RequestHead};
use crate::route::{Outcome, RouteRequest, check_query, normalize_with};
use crate::server::Refusal;
use crate::server::tls::Facts;
use crate::snapshot::thread::{ThreadRoute, ThreadSnapshot};
use crate::telemetry::trail::Trail;

/// A request that found its route.
pub(super) struct Admitted {
    pub exchange: Box<Exchange>,
    pub route: Rc<ThreadRoute>,
    pub body: Body,
    /// The exchange's id as a field's value.
    pub request_id: HeaderValue,
    /// Nothing more is to be read from the client's connection.
    pub closes: bool,
}

/// A request that didn't, and its answer.
pub(super) struct Refused {
    pub id: Arc<str>,
    pub method: Method,
    /// Without the query.
    pub path: String,
    pub reason: String,
    /// A call of gRPC, which wants it told in its way.
    pub grpc: bool,
    pub answer: Response<Body>,
}

/// Let a request in.
///
/// # Errors
/// The answer, if it is malformed, not for us, or for no route.
pub(super) fn admit(
    snapshot: &ThreadSnapshot,
    session: &Session,
    ids: &Ids,
    request: Request<Body>,
) -> Result<Admitted, Box<Refused>> {
    let (mut parts, body) = request.into_parts();
    let peer = session.peer(snapshot);
    let (id, request_id) = ids.name(&parts.headers, peer.is_trusted());
    let is_http1 = parts.version < Version::HTTP_2;
    let grpc = is_grpc(&parts.headers);
    let refuse = |method: Method, path: &str, error: &Error| {
        let mut answer = problem::respond(error, &id, &method, &request_id);
        if is_http1 && matches!(error, Error::BadRequest(_) | Error::RequestTooLarge) {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Box::new(Refused {
            id: Arc::clone(&id),
            method,
            path: path.to_owned(),
            reason: error.to_string(),
            grpc,
            answer,
        })
    };

    // What this gateway takes for a body, others on the way may have taken for a request (RFC 9110, section 9.3.1).
    let closes = is_http1 && has_unexpected_body(&parts.method, &body);
    let connection = &session.connection;
    let checked = match parts.method {
        Method::CONNECT => Err(Error::Connect),
        _ if is_too_large(snapshot, &body) => Err(Error::RequestTooLarge),
        _ => authority::settle(&mut parts, connection.local),
    };
    if let Err(error) = checked {
        return Err(refuse(parts.method, parts.uri.path(), &error));
    }
    let websocket = matches!(body, Body::Empty) && asks_for_websocket(&parts.method, parts.version, &parts.headers);
    let client = peer.client(&parts.headers, &snapshot.trusted_proxies);
    let cleaned =
        clean(snapshot, &mut parts, peer.is_trusted()).and_then(|()| target(&parts.uri, snapshot.http.encoded_slashes));
    let target = match cleaned {
        Ok(target) => target,
        Err(error) => return Err(refuse(parts.method, parts.uri.path(), &error)),
    };
    let headers = &mut parts.headers;
    set_forwarding(headers, &peer, connection.scheme);
    snapshot.pseudonym.append_via(headers, parts.version);
    snapshot.pseudonym.append_cdn_loop(headers);
    headers.insert(X_REQUEST_ID, request_id.clone());

    let request = RequestHead { method: parts.method, scheme: connection.scheme, target, headers: parts.headers };
    let (route, captures) = match find(snapshot, &connection.listener, &request) {
        Ok(found) => found,
        Err(error) => return Err(refuse(request.method.clone(), request.target.path(), &error)),
    };
    let deadline = if grpc { grpc_timeout(&request.headers) } else { None };
    let deadline = deadline.and_then(|limit| Instant::now().checked_add(limit));
    let exchange = Box::new(Exchange {
        id: Arc::clone(&id),
        route: Arc::clone(&route.name),
        listener: Arc::clone(&connection.listener),
        client,
        ends: Some((connection.peer, connection.local)),
        request,
        response: None,
        identity: None,
        identified_by: None,
        captures,
        attributes: connection.tls.as_deref().map(Facts::attributes).unwrap_or_default(),
        states: Vec::new(),
        calls: Vec::new(),
        websocket,
        grpc,
        deadline,
        trail: Trail::default(),
    });
    Ok(Admitted { exchange, route: Rc::clone(route), body, request_id, closes })
}

/// Whether a body says by itself that it is larger than allowed.
fn is_too_large(snapshot: &ThreadSnapshot, body: &Body) -> bool {
    snapshot.http.max_body.is_some_and(|most| body.size_hint().lower() > most)
}

/// A body with a method for which it means nothing, so that servers may overlook it, and read it as the next request.
pub(super) fn has_unexpected_body(method: &Method, body: &Body) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && !matches!(body, Body::Empty)
}

/// Answer a request whose head isn't accepted.
pub(super) fn refuse(ids: &Ids, refusal: Refusal) -> Refused {
    let Refusal { error, method, path, grpc } = refusal;
    let (id, request_id) = ids.name(&HeaderMap::new(), false);
    let mut answer = problem::respond(&error, &id, &method, &request_id);
    // Whatever comes after such a head, nobody knows where it begins.
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Refused { id, method, path, reason: error.to_string(), grpc, answer }
}

/// Remove what belongs to the connection and what the client has no right to say.
fn clean(snapshot: &ThreadSnapshot, parts: &mut Parts, trusted: bool) -> Result<(), Error> {
    let headers = &mut parts.headers;
    remove_hop_by_hop(headers).map_err(|error| Error::BadRequest(error.to_string().into()))?;
    remove_client_fields(headers, &snapshot.identity, snapshot.http.underscores, trusted);
    if snapshot.pseudonym.is_in_cdn_loop(headers) {
        return Err(Error::Loop);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(headers);
    }
    Ok(())
}

/// HTTP/2 clients may send cookies in pieces; everyone else wants one field (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let pieces = headers.get_all(header::COOKIE);
    if pieces.iter().nth(1).is_none() {
        return;
    }
    let whole = pieces.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(whole) = HeaderValue::from_maybe_shared(bytes::Bytes::from(whole)) {
        headers.insert(header::COOKIE, whole);
    }
}

/// The normalized path with the query.
fn target(uri: &Uri, slashes: EncodedSlashes) -> Result<PathAndQuery, Error> {
    let path = uri.path();
    let normal = normalize_with(path, slashes).map_err(|error| Error::BadRequest(error.to_string().into()))?;
    let query = uri.query();
    if let Some(query) = query {
        check_query(query).map_err(|error| Error::BadRequest(error.to_string().into()))?;
    }
    let built = match (uri.path_and_query(), &normal, query) {
        // That of `http://a?b` has no slash.
        (Some(as_it_is), std::borrow::Cow::Borrowed(same), _)
            if same.len() == path.len() && as_it_is.as_str().starts_with('/') =>
        {
            return Ok(as_it_is.clone());
        }
        (_, normal, None) => PathAndQuery::try_from(&**normal),
        (_, normal, Some(query)) => PathAndQuery::try_from(format!("{normal}?{query}")),
    };
    built.map_err(|_| Error::BadRequest("the target is malformed".into()))
}

type Found<'a> = (&'a Rc<ThreadRoute>, Vec<(Arc<str>, String)>);

fn find<'a>(snapshot: &'a ThreadSnapshot, listener: &Arc<str>, request: &RequestHead) -> Result<Found<'a>, Error> {
    // A listener that was removed serves its last connections; its routes are gone.
    let Some(index) = snapshot.listeners.iter().position(|name| name == listener) else {
        return Err(Error::NotFound);
    };
    let wanted = RouteRequest {
        host: request.authority(),
        path: request.target.path(),
        method: &request.method,
        headers: &request.headers,
        query: request.target.query(),
    };
    match snapshot.table.find(index, &wanted) {
        Outcome::Found { route, captures } => {
            let route =
                snapshot.routes.get(route).ok_or(Error::Internal("the table knows a route that isn't there"))?;
            Ok((route, captures))
        }
        Outcome::MethodNotAllowed { allow } => Err(Error::MethodNotAllowed(allow.to_value())),
        Outcome::Undecodable => Err(Error::BadRequest("a segment of the path isn't UTF-8".into())),
        Outcome::NotFound => Err(Error::NotFound),
    }
}
