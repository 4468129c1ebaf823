//! `sluice explain`: which route takes a request and why the others don't, what its plugins decide, and where it
//! would go. Nothing is bound or sent.

use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Value, json};
use sluice::config::model::{Config, Route};
use sluice::gateway::{Explanation, Options, Question, explain_request};
use sluice::proxy::{Edit, End};
use sluice::route::{Verdict, by_rank};

use super::{fail, print};

/// Routes that don't serve and are told of.
const MOST_ROUTES: usize = 20;

pub struct Asked<'a> {
    pub config: &'a Path,
    /// `GET https://api.example.com/users/7`, or the URL alone.
    pub request: &'a str,
    /// `name: value`
    pub headers: &'a [String],
    pub listener: Option<String>,
    pub client: Option<IpAddr>,
    pub json: bool,
}

pub fn explain(asked: Asked<'_>) -> ExitCode {
    let json = asked.json;
    let config = asked.config.to_owned();
    let question = match question(asked) {
        Ok(question) => question,
        Err(error) => return fail(error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("can't start: {error}")),
    };
    match runtime.block_on(explain_request(&Options::new(config), question.clone())) {
        Ok(explanation) if json => print(&format!("{:#}\n", as_json(&explanation, &question))),
        Ok(explanation) => print(&as_text(&explanation, &question)),
        Err(error) => fail(error),
    }
}

fn question(asked: Asked<'_>) -> Result<Question, String> {
    let (method, url) = asked.request.trim().split_once(' ').unwrap_or(("GET", asked.request.trim()));
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is no method"))?;
    let url: Uri = url.trim().parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
    let mut headers = HeaderMap::new();
    for text in asked.headers {
        let malformed = || "expected a header field as \"NAME: VALUE\"".to_owned();
        let (name, value) = text.split_once(':').ok_or_else(malformed)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| malformed())?;
        headers.append(name, HeaderValue::from_str(value.trim()).map_err(|_| malformed())?);
    }
    Ok(Question { method, url, headers, listener: asked.listener, client: asked.client })
}

/// Why each route that doesn't serve doesn't, the most specific first.
fn others(explanation: &Explanation, question: &Question) -> Vec<(String, String)> {
    let routes = &explanation.snapshot.config().routes;
    let host = question.headers.get("host").and_then(|host| host.to_str().ok());
    let host = host.or(question.url.authority().map(|own| own.as_str())).unwrap_or_default();
    let name = |index: usize| routes.get(index).map_or("?", |route: &Route| &route.name);
    let mut told = Vec::new();
    for index in by_rank(routes) {
        let (Some(route), Some(verdict)) = (routes.get(index), explanation.verdicts.get(index)) else { continue };
        let why = match verdict {
            Verdict::Serves => continue,
            Verdict::LessSpecific(other) => format!("fits, but {} is more specific", name(*other)),
            Verdict::Shadowed => "fits, but a more specific route lacks the method".to_owned(),
            Verdict::Differs(differences) => {
                let describe = |difference: &sluice::route::Difference| {
                    difference.describe(route, host, question.url.path(), &question.method)
                };
                differences.iter().map(describe).collect::<Vec<_>>().join("; ")
            }
        };
        told.push((route.name.to_string(), why));
    }
    told
}

fn as_text(explanation: &Explanation, question: &Question) -> String {
    let (config, story) = (explanation.snapshot.config(), &explanation.story);
    let mut lines = vec![format!("{} {}", question.method, question.url)];
    let mut line = |key: &str, text: String| lines.push(format!("  {key:<11} {text}"));
    line("listener", explanation.listener.to_string());
    match config.routes.iter().find(|route| Some(&route.name) == story.route.as_ref()) {
        Some(route) => line("route", format!("{} ({}): {}", route.name, route.place, route.matcher)),
        None => line("route", "none".to_owned()),
    }
    let others = others(explanation, question);
    for (name, why) in others.iter().take(MOST_ROUTES) {
        line("  not", format!("{name}: {why}"));
    }
    if others.len() > MOST_ROUTES {
        line("  not", format!("and {} more", others.len() - MOST_ROUTES));
    }
    for (name, value) in &story.captures {
        line("capture", format!("{name} = {value:?}"));
    }
    for call in &story.calls {
        line("plugin", format!("{} {}: {} ({} µs)", call.plugin, call.hook, call.outcome, call.duration.as_micros()));
    }
    if let Some((identity, by)) = &story.identity {
        line("identity", format!("{} by {}", identity.subject, by.as_deref().unwrap_or("?")));
    }
    for edit in &story.edits {
        line("edit", describe_edit(edit));
    }
    line("then", describe_end(&story.end, explanation.snapshot.config()));
    lines.join("\n") + "\n"
}

/// Names alone: values may be secret.
fn describe_edit(edit: &Edit) -> String {
    match edit {
        Edit::Method(method) => format!("method is {method}"),
        Edit::Target(target) => format!("target is {}", target.split('?').next().unwrap_or_default()),
        Edit::Set(name) => format!("header field {name} is set"),
        Edit::Removed(name) => format!("header field {name} is removed"),
    }
}

fn describe_end(end: &End, config: &Config) -> String {
    let asks_dns =
        |name: &str| config.clusters.iter().any(|cluster| *cluster.name == *name && cluster.discovery.is_some());
    let by = |by: &Option<std::sync::Arc<str>>| by.as_ref().map_or(String::new(), |name| format!(" by plugin {name}"));
    match end {
        End::Refused { status, by: name, reason } => format!("refused{}: {status}, {reason}", by(name)),
        End::Answered { status, by: name } => format!("answered{}: {status}", by(name)),
        End::Sent { cluster, endpoint: Some(endpoint) } => format!("sent to cluster {cluster}, endpoint {endpoint}"),
        End::Sent { cluster, endpoint: None } if asks_dns(cluster) => {
            format!("sent to cluster {cluster}, to an endpoint that DNS tells")
        }
        End::Sent { cluster, endpoint: None } => format!("cluster {cluster} has no endpoint that serves: 503"),
        End::Redirected(status) => format!("redirected: {status}"),
        End::Fixed(status) => format!("a fixed answer: {status}"),
        End::Nowhere => "no answer: the chain made none".to_owned(),
    }
}

fn as_json(explanation: &Explanation, question: &Question) -> Value {
    let story = &explanation.story;
    let others = others(explanation, question);
    json!({
        "listener": &*explanation.listener,
        "route": story.route.as_deref(),
        "other_routes": others.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect::<Vec<_>>(),
        "captures": story.captures.iter().map(|(name, value)| (name.to_string(), value.clone().into())).collect::<serde_json::Map<String, Value>>(),
        "calls": story.calls.iter().map(|call| json!({
            "plugin": &*call.plugin,
            "hook": call.hook,
            "outcome": call.outcome,
            "microseconds": u64::try_from(call.duration.as_micros()).unwrap_or(u64::MAX),
        })).collect::<Vec<_>>(),
        "identity": story.identity.as_ref().map(|(identity, by)| json!({ "subject": identity.subject, "by": by.as_deref() })),
        "edits": story.edits.iter().map(describe_edit).collect::<Vec<_>>(),
        "end": describe_end(&story.end, explanation.snapshot.config()),
    })
}
