//! A snapshot on one data thread: what the pipeline reads for each exchange. Everything here was looked
//! up and checked when the snapshot was built; exchanges keep the one that they started with.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::mpsc::UnboundedSender;

use super::Snapshot;
use crate::balance::WeightedChoice;
use crate::config::model::{HostPattern, Http, IdentityFields, Redirect, Respond};
use crate::fields::Pseudonym;
use crate::plugin::chain::Chain;
use crate::route::Table;
use crate::telemetry::access;
use crate::telemetry::metrics::RouteMetrics;
use crate::telemetry::refusals::Refusals;
use crate::tls::Challenges;
use crate::upstream::ThreadCluster;

/// What one thread serves by.
pub struct ThreadSnapshot {
    /// Different for each published snapshot of this gateway.
    pub version: u64,
    /// The gateway's name in `Via` and `CDN-Loop`.
    pub pseudonym: Pseudonym,
    pub trusted_proxies: Vec<IpNet>,
    /// How requests are taken.
    pub http: Http,
    /// Apart from the snapshot, since long streams need it to the end.
    pub identity: Rc<IdentityFields>,
    /// Where byte streams go, by listener.
    pub streams: HashMap<Arc<str>, Rc<ThreadStreams>>,
    /// Names, by the index that [`Table::find`] wants.
    pub listeners: Vec<Arc<str>>,
    pub table: Arc<Table>,
    /// By the index that [`Table::find`] gives.
    pub routes: Vec<Rc<ThreadRoute>>,
    /// Of requests that no route matched.
    pub unmatched: Arc<RouteMetrics>,
    /// Requests that were refused go there.
    pub refusals: Arc<Refusals>,
    pub access_log: Option<Rc<access::Log>>,
    /// What authorities are answered.
    pub challenges: Arc<Challenges>,
    /// Last, so that it outlives the rest.
    pub retirement: Retirement,
}

/// Sends away the snapshot that a view was made of when the view ends: to free compiled code takes a
/// while, and a data thread has better things to do.
#[derive(Default)]
pub struct Retirement(Option<(Arc<Snapshot>, UnboundedSender<Arc<Snapshot>>)>);

impl Retirement {
    pub fn new(snapshot: Arc<Snapshot>, to: UnboundedSender<Arc<Snapshot>>) -> Self {
        Self(Some((snapshot, to)))
    }
}

impl Drop for Retirement {
    fn drop(&mut self) {
        if let Some((snapshot, to)) = self.0.take() {
            // If nobody is there any more, the gateway has stopped.
            let _ = to.send(snapshot);
        }
    }
}

/// Where the byte streams of a listener go, on one thread.
pub struct ThreadStreams {
    pub cluster: Option<Rc<ThreadCluster>>,
    /// By the name that a TLS client asks for.
    pub names: Vec<(HostPattern, Rc<ThreadCluster>)>,
    pub idle_timeout: Duration,
}

/// A route on one thread.
pub struct ThreadRoute {
    pub name: Arc<str>,
    pub chain: Chain,
    pub destination: ThreadDestination,
    /// Let requests without identity pass.
    pub anonymous: bool,
    pub metrics: Arc<RouteMetrics>,
}

/// Where a route's requests go, with the names resolved.
pub enum ThreadDestination {
    /// One cluster or several with weights; `choice` has as many weights as there are clusters.
    Clusters {
        clusters: Vec<Rc<ThreadCluster>>,
        choice: WeightedChoice,
    },
    Redirect(Redirect),
    Respond(Respond),
    /// The chain ends in an aggregate plugin.
    Chain,
}
