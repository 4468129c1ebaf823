//! What is at which path, and who may ask for it.

use std::cell::Cell;
use std::sync::Arc;

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use super::answer::{self, Answer, json, problem, text};
use super::visitor::Visitor;
use super::{Source, access, actions, dashboard, describe, events};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Format;
use access::{Refused, Standing};

/// Bytes of a request's body.
const LONGEST_BODY: usize = 16 << 10;

const LOOK: &[Method] = &[Method::GET, Method::HEAD];

/// Answer one request of a visitor. `streams` is told if the answer has no end.
pub async fn answer<S: Source>(
    source: &Arc<S>,
    visitor: &Visitor,
    request: Request<Incoming>,
    viewers: &events::Viewers,
    streams: &Cell<bool>,
) -> Answer {
    let Some(snapshot) = source.snapshot() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "nothing serves");
    };
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let admin = snapshot.config().admin.as_ref();
    if !visitor.fits(&snapshot) {
        return refuse(&**source, visitor, Refused::Encryption);
    }
    let standing = standing(visitor, &snapshot);
    if let Err(refused) = access::check(admin, standing, &head.method, path, &head.headers) {
        return refuse(&**source, visitor, refused);
    }
    let Some(allowed) = methods(path) else {
        return problem(StatusCode::NOT_FOUND, "there is nothing at this path; / lists what there is");
    };
    if !allowed.contains(&head.method) {
        return answer::method_not_allowed(allowed);
    }
    if !LOOK.contains(&head.method) {
        if let Err(refused) = access::may_change(admin) {
            return refuse(&**source, visitor, refused);
        }
        let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await else {
            return problem(StatusCode::BAD_REQUEST, "the body is too long, or doesn't come whole");
        };
        return act(&**source, &snapshot, visitor, path, &head.headers, &body.to_bytes()).await;
    }
    if path == "/api/v1/events" && head.method == Method::GET {
        streams.set(true);
        return events::stream(source, viewers, admin.cloned());
    }
    let answer = look(&**source, &snapshot, path, &head.headers);
    if head.method == Method::HEAD { headless(answer) } else { answer }
}

/// Counted, since somebody may be trying tokens.
fn refuse<S: Source>(source: &S, who: &Visitor, refused: Refused) -> Answer {
    source.telemetry().admin_refused(refused.name());
    tracing::debug!(%who, reason = refused.name(), "the admin API refuses a request");
    refused.answer()
}

fn standing(visitor: &Visitor, snapshot: &Snapshot) -> Standing {
    let (encrypted, vouched) = (visitor.is_encrypted(), visitor.is_vouched_for(snapshot));
    Standing { local: visitor.local, encrypted, vouched }
}

/// Answer a request at the address for those who ask for health alone.
pub fn probe<S: Source>(source: &S, visitor: &Visitor, request: &Request<Incoming>) -> Answer {
    let Some(snapshot) = source.snapshot() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "nothing serves");
    };
    let admin = snapshot.config().admin.as_ref();
    let path = request.uri().path();
    let metrics = || admin.and_then(|admin| admin.probes.as_ref()).is_some_and(|probes| probes.metrics);
    match path {
        "/healthz" | "/readyz" => {}
        "/metrics" if metrics() => {
            if let Err(refused) = access::check_metrics(admin, standing(visitor, &snapshot), request.headers()) {
                return refuse(source, visitor, refused);
            }
        }
        _ => return problem(StatusCode::NOT_FOUND, "there is nothing at this path of this address"),
    }
    if !LOOK.contains(request.method()) {
        return answer::method_not_allowed(LOOK);
    }
    let answer = look(source, &snapshot, path, request.headers());
    if request.method() == Method::HEAD { headless(answer) } else { answer }
}

fn headless(answer: Answer) -> Answer {
    answer.map(|_| http_body_util::Empty::new().boxed_unsync())
}

/// What a path takes; none if there is nothing.
fn methods(path: &str) -> Option<&'static [Method]> {
    match path {
        "/api/v1/reload" => Some(&[Method::POST]),
        "/api/v1/log" => Some(&[Method::GET, Method::HEAD, Method::PUT]),
        "/api/v1/endpoints" => Some(&[Method::PUT]),
        "/" | "/healthz" | "/readyz" | "/metrics" | "/api/v1/status" | "/api/v1/routes" | "/api/v1/plugins"
        | "/api/v1/clusters" | "/api/v1/refusals" | "/api/v1/reloads" | "/api/v1/events" => Some(LOOK),
        path => dashboard::file(path).map(|_| LOOK),
    }
}

fn look<S: Source>(source: &S, snapshot: &Snapshot, path: &str, headers: &http::HeaderMap) -> Answer {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match path {
        "/" if accept.contains("text/html") => dashboard::page(),
        "/" => text(StatusCode::OK, INDEX),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if source.is_ready() => text(StatusCode::OK, "ready\n"),
        "/readyz" => problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping, or doesn't serve yet"),
        "/metrics" => {
            let format = Format::accepted(accept);
            answer::whole(StatusCode::OK, format.content_type(), source.metrics(format))
        }
        "/api/v1/status" => json(&describe::status(source, snapshot)),
        "/api/v1/routes" => json(&describe::routes(source, snapshot)),
        "/api/v1/plugins" => json(&describe::plugins(&source.status())),
        "/api/v1/clusters" => json(&describe::clusters(snapshot)),
        "/api/v1/refusals" => json(&describe::refusals(&source.telemetry().refusals().since(0))),
        "/api/v1/reloads" => json(&describe::reloads(&source.telemetry().reload_records().since(0))),
        "/api/v1/log" => actions::log(source),
        // A stream has nothing to say to HEAD.
        "/api/v1/events" => text(StatusCode::OK, ""),
        path => match dashboard::file(path) {
            Some(file) => dashboard::answer(file),
            None => problem(StatusCode::NOT_FOUND, "there is nothing at this path; / lists what there is"),
        },
    }
}

async fn act<S: Source>(
    source: &S,
    snapshot: &Snapshot,
    who: &Visitor,
    path: &str,
    headers: &http::HeaderMap,
    body: &[u8],
) -> Answer {
    match path {
        "/api/v1/reload" => actions::reload(source, who).await,
        "/api/v1/endpoints" => actions::set_endpoint(snapshot, who, headers, body),
        _ => actions::set_log(source, who, headers, body),
    }
}

const INDEX: &str = "\
GET  /                  the dashboard, for browsers
GET  /healthz           whether the process lives
GET  /readyz            whether it serves, and means to go on
GET  /metrics           for Prometheus
GET  /api/v1/status     the configuration and what is wrong
GET  /api/v1/routes     routes, in the order of the configuration
GET  /api/v1/plugins    plugins, and files that nothing names
GET  /api/v1/clusters   clusters and their endpoints
GET  /api/v1/refusals   the last requests that were refused, and why
GET  /api/v1/reloads    the last reloads, what changed and what was refused
GET  /api/v1/events     all of it as it changes, as server-sent events
GET  /api/v1/log        what is logged
With admin.token or admin.tls.client_ca alone:
PUT  /api/v1/log        log something else: {\"filter\": \"debug\"}
PUT  /api/v1/endpoints  {\"cluster\": NAME, \"endpoint\": ADDRESS, \"state\": \"drain\"} takes one out, \"ready\" puts it back
POST /api/v1/reload     look at all files now
";
