//! What would become of a request: the pipeline up to the point where something would be sent. Plugins are really
//! called; their own requests to clusters are not made.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Request};

use super::session::Session;
use super::{entry, id};
use crate::balance::PickContext;
use crate::body::Body;
use crate::plugin::chain::Passage;
use crate::plugin::exchange::{Exchange, Identity};
use crate::server::Connection;
use crate::snapshot::thread::{ThreadDestination, ThreadSnapshot};
use crate::telemetry::trail::HookCall;

/// The story of one request.
#[derive(Debug, Default)]
pub struct Story {
    /// The route that it found.
    pub route: Option<Arc<str>>,
    pub captures: Vec<(Arc<str>, String)>,
    /// Hook calls in their order.
    pub calls: Vec<HookCall>,
    pub identity: Option<(Identity, Option<Arc<str>>)>,
    /// What the plugins changed about the request.
    pub edits: Vec<Edit>,
    pub end: End,
}

/// One change of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Method(String),
    Target(String),
    /// Also of a field that was there.
    Set(HeaderName),
    Removed(HeaderName),
}

/// Where it ends.
#[derive(Debug, Default)]
pub enum End {
    /// It was answered before a route was found, or because a plugin failed or refused it.
    Refused {
        status: u16,
        by: Option<Arc<str>>,
        reason: String,
    },
    /// A plugin answers.
    Answered {
        status: u16,
        by: Option<Arc<str>>,
    },
    /// It would be sent there; none if no endpoint serves.
    Sent {
        cluster: Arc<str>,
        endpoint: Option<String>,
    },
    Redirected(u16),
    Fixed(u16),
    #[default]
    Nowhere,
}

/// Follow a request that came over `connection`.
pub async fn explain(snapshot: &ThreadSnapshot, connection: Connection, request: Request<Body>) -> Story {
    let session = Session::new(connection);
    let admitted = match entry::admit(snapshot, &session, &id::Ids::new(), request) {
        Ok(admitted) => admitted,
        Err(refused) => {
            let (status, reason) = (refused.answer.status().as_u16(), refused.reason);
            return Story { end: End::Refused { status, by: None, reason }, ..Story::default() };
        }
    };
    let entry::Admitted { exchange, route, mut body, .. } = admitted;
    let before = exchange.request.clone();
    exchange.trail.keep_steps();
    let mut run = route.chain.start();
    let (mut exchange, passage) = route.chain.request(&mut run, exchange, &mut body, route.anonymous).await;
    let by = exchange.trail.author();
    let end = match passage {
        Passage::Continue => destination(&route.destination, &exchange),
        Passage::Answer(answer) if answer.status.as_u16() < 400 => End::Answered { status: answer.status.as_u16(), by },
        Passage::Answer(answer) => {
            let reason = exchange.trail.take_reason().unwrap_or_else(|| "answered by the plugin".into());
            End::Refused { status: answer.status.as_u16(), by, reason: reason.into() }
        }
        Passage::Failed(error) => {
            let status = super::problem::render(&error, &exchange).status.as_u16();
            End::Refused { status, by, reason: error.to_string() }
        }
    };
    let identity = exchange.identity.take().map(|identity| (identity, exchange.identified_by.take()));
    Story {
        route: Some(Arc::clone(&exchange.route)),
        captures: std::mem::take(&mut exchange.captures),
        calls: exchange.trail.take_steps().map(|steps| steps.calls).unwrap_or_default(),
        identity,
        edits: edits(&before, &exchange.request),
        end,
    }
}

fn destination(destination: &ThreadDestination, exchange: &Exchange) -> End {
    match destination {
        ThreadDestination::Clusters { clusters, choice } => {
            let Some(cluster) = choice.choose().and_then(|index| clusters.get(index)) else { return End::Nowhere };
            let name = Rc::clone(cluster).cluster().name().clone();
            let context =
                PickContext { cluster: &name, attempt: 1, tried: &[], client: Some(exchange.client), request: None };
            let endpoint = cluster.choose(&context).map(|member| member.endpoint.text().to_owned());
            End::Sent { cluster: name.clone(), endpoint }
        }
        ThreadDestination::Redirect(redirect) => End::Redirected(redirect.status.as_u16()),
        ThreadDestination::Respond(respond) => End::Fixed(respond.status.as_u16()),
        ThreadDestination::Chain => End::Nowhere,
    }
}

fn edits(before: &crate::plugin::exchange::RequestHead, after: &crate::plugin::exchange::RequestHead) -> Vec<Edit> {
    let mut edits = Vec::new();
    if before.method != after.method {
        edits.push(Edit::Method(after.method.to_string()));
    }
    if before.target != after.target {
        edits.push(Edit::Target(after.target.to_string()));
    }
    let values = |headers: &HeaderMap, name: &HeaderName| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
    let set = |name: &&HeaderName| values(&before.headers, name) != values(&after.headers, name);
    edits.extend(after.headers.keys().filter(set).cloned().map(Edit::Set));
    let gone = before.headers.keys().filter(|name| !after.headers.contains_key(*name));
    edits.extend(gone.cloned().map(Edit::Removed));
    edits
}
