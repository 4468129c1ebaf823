//! From an exchange to the request that goes to a cluster, and from the cluster's answer back.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};

use super::entry::has_unexpected_body;
use super::limited::limited;
use super::trailers;
use crate::balance::IdentityView;
use crate::body::Body;
use crate::config::model::IdentityFields;
use crate::error::Error;
use crate::fields::set_websocket;
use crate::plugin::exchange::{Exchange, Identity, Origin, ResponseHead};
use crate::snapshot::thread::{ThreadRoute, ThreadSnapshot};
use crate::upstream::{Caller, ThreadCluster};

/// Send the exchange's request to a cluster. The answer's head is the exchange's then.
///
/// # Errors
/// What [`ThreadCluster::send`] says, and an identity that can't be told.
pub(super) async fn forward(
    snapshot: &ThreadSnapshot,
    route: &ThreadRoute,
    cluster: &ThreadCluster,
    exchange: &mut Exchange,
    body: Body,
) -> Result<Body, Error> {
    let (body, is_too_long) = limited(body, snapshot.http.max_body);
    let request = outgoing(snapshot, route, cluster, exchange, body)?;
    let identity = exchange.identity.as_ref().map(view);
    let caller = Caller {
        client: Some(exchange.client),
        ends: exchange.ends,
        identity,
        deadline: exchange.deadline,
        trail: Some(&exchange.trail),
    };
    let answer = cluster.send(request, caller).await.map_err(|error| match error {
        Error::RequestBody if is_too_long.is_some_and(|passed| passed.get()) => Error::RequestTooLarge,
        error => error,
    })?;
    let version = answer.version();
    let (parts, body) = answer.into_parts();
    let mut headers = parts.headers;
    snapshot.pseudonym.append_via(&mut headers, version);
    exchange.response = Some(ResponseHead { status: parts.status, headers, origin: Origin::Upstream });
    Ok(body)
}

fn outgoing(
    snapshot: &ThreadSnapshot,
    route: &ThreadRoute,
    cluster: &ThreadCluster,
    exchange: &mut Exchange,
    body: Body,
) -> Result<Request<Body>, Error> {
    let head = &mut exchange.request;
    let mut headers =
        if route.chain.reads_request_again() { head.headers.clone() } else { std::mem::take(&mut head.headers) };
    // This gateway has answered, or will answer, the client's expectation itself.
    headers.remove(header::EXPECT);
    // `TE` is for the next hop only (RFC 9110, section 10.1.4).
    let options = match (headers.contains_key(header::TE), has_unexpected_body(&head.method, &body)) {
        (true, true) => Some("te, close"),
        (true, false) => Some("te"),
        (false, true) => Some("close"),
        (false, false) => None,
    };
    if let Some(options) = options {
        headers.insert(header::CONNECTION, HeaderValue::from_static(options));
    }
    if exchange.websocket {
        set_websocket(&mut headers);
    }
    if let Some(host) = cluster.cluster().host() {
        headers.insert(header::HOST, host.clone());
    }
    if let Some(identity) = &exchange.identity {
        tell_identity(&mut headers, &snapshot.identity, identity)?;
    }
    if route.chain.reads_pieces_of_answers() {
        ask_for_readable_answer(&mut headers, false);
    } else if route.chain.reads_answers() {
        ask_for_readable_answer(&mut headers, true);
    }
    let mut request = Request::new(trailers::checked(body, &snapshot.identity));
    request.method_mut().clone_from(&head.method);
    *request.uri_mut() = Uri::from(head.target.clone());
    *request.headers_mut() = headers;
    Ok(request)
}

/// Set the fields that carry the identity upstream.
///
/// # Errors
/// A value can't stand in a field. Leaving it out could make somebody anonymous, or take him for another.
fn tell_identity(headers: &mut HeaderMap, fields: &IdentityFields, identity: &Identity) -> Result<(), Error> {
    let mut tell = |name: &Option<HeaderName>, value: Option<&str>| {
        if let (Some(name), Some(value)) = (name, value) {
            let value = HeaderValue::from_str(value)
                .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
                .map_err(|_| Error::Internal("an identity can't be written into its field"))?;
            headers.insert(name, value);
        }
        Ok(())
    };
    tell(&fields.subject, Some(&identity.subject))?;
    tell(&fields.issuer, identity.issuer.as_deref())?;
    tell(&fields.claims, Some(&identity.claims))
}

/// A plugin may want the answer's body: all of it, in a coding that can be undone here. That is none for one who
/// sees it in pieces.
fn ask_for_readable_answer(headers: &mut HeaderMap, decodes: bool) {
    let takes_gzip = decodes
        && headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .any(|member| member.trim_ascii().eq_ignore_ascii_case(b"gzip"));
    let coding = HeaderValue::from_static(if takes_gzip { "gzip" } else { "identity" });
    headers.insert(header::ACCEPT_ENCODING, coding);
    // Who sees the pieces of a body one by one could get them past a plugin that looks for something.
    headers.remove(header::RANGE);
    headers.remove(header::IF_RANGE);
}

fn view(identity: &Identity) -> IdentityView<'_> {
    IdentityView {
        subject: &identity.subject,
        issuer: identity.issuer.as_deref(),
        expires_at: identity.expires_at,
        claims: &identity.claims,
    }
}
