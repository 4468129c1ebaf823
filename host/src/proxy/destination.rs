//! Where a request goes once its chain let it pass.

use bytes::Bytes;
use http::{HeaderValue, header};

use super::forward::forward;
use super::problem;
use crate::body::Body;
use crate::config::model::{Redirect, Respond};
use crate::error::Error;
use crate::plugin::exchange::{Exchange, LocalResponse, Origin};
use crate::route::encode_segment;
use crate::snapshot::thread::{ThreadDestination, ThreadRoute, ThreadSnapshot};

/// Get the exchange its response, from the route's destination or as a problem; its body is returned.
pub(super) async fn answer(
    snapshot: &ThreadSnapshot,
    route: &ThreadRoute,
    exchange: &mut Exchange,
    body: Body,
) -> Body {
    let local = match &route.destination {
        ThreadDestination::Clusters { clusters, choice } => {
            let cluster = choice.choose().and_then(|index| clusters.get(index)).ok_or(Error::NoEndpoint);
            let outcome = match cluster {
                Ok(cluster) => forward(snapshot, route, cluster, exchange, body).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(body) => return body,
                Err(error) => problem::render(&error, exchange),
            }
        }
        ThreadDestination::Redirect(redirect) => redirected(redirect, exchange),
        ThreadDestination::Respond(respond) => fixed(respond),
        ThreadDestination::Chain => {
            problem::render(&Error::Internal("the chain of a route without a destination made no answer"), exchange)
        }
    };
    exchange.answer_with(local, Origin::Gateway)
}

fn fixed(respond: &Respond) -> LocalResponse {
    LocalResponse { status: respond.status, headers: respond.headers.clone(), body: respond.body.clone() }
}

fn redirected(redirect: &Redirect, exchange: &Exchange) -> LocalResponse {
    match HeaderValue::try_from(location(redirect, exchange)) {
        Ok(location) => {
            LocalResponse { status: redirect.status, headers: vec![(header::LOCATION, location)], body: Bytes::new() }
        }
        Err(_) => problem::render(&Error::Internal("a redirect's location is no legal field value"), exchange),
    }
}

/// A reference that is only as absolute as it has to be (RFC 9110, section 10.2.2): what the configuration
/// doesn't change, the client fills in as it knows it, which proxies before this gateway may not.
fn location(redirect: &Redirect, exchange: &Exchange) -> String {
    let request = &exchange.request;
    let mut out = String::new();
    let host = redirect.host.as_deref();
    match (redirect.scheme.as_deref(), host) {
        (Some(scheme), host) => {
            out.push_str(scheme);
            out.push_str("://");
            out.push_str(host.unwrap_or(request.authority()));
        }
        (None, Some(host)) => {
            out.push_str("//");
            out.push_str(host);
        }
        (None, None) => {}
    }
    match &redirect.path {
        Some(template) => fill(template, &exchange.captures, &mut out),
        None => out.push_str(request.target.path()),
    }
    let has_query = redirect.path.as_ref().is_some_and(|path| path.contains('?'));
    if let Some(query) = request.target.query().filter(|_| !has_query) {
        out.push('?');
        out.push_str(query);
    }
    out
}

/// Put captures into `{name}`, each as one segment. The configuration was checked: all names are known.
fn fill(template: &str, captures: &[(std::sync::Arc<str>, String)], out: &mut String) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        if let Some((_, value)) = captures.iter().find(|(known, _)| **known == *name) {
            out.push_str(&encode_segment(value));
        }
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_one_segment_again() {
        let captures = [("id".into(), "a/b?c".to_owned()), ("x".into(), "7".to_owned())];
        let mut out = String::new();
        fill("/new/{id}/{x}?v={x}", &captures, &mut out);
        assert_eq!(out, "/new/a%2Fb%3Fc/7?v=7");
    }
}
