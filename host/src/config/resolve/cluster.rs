//! Clusters: their plugin looked up, and no endpoint that is the gateway itself.

use std::sync::Arc;

use http::HeaderValue;
use http::uri::Authority;
use rustls::pki_types::ServerName;

use super::{Context, plugin};
use crate::config::model::{Balance, Cluster, ClusterTls};
use crate::config::network::reaches;
use crate::config::problem::{Fault, Problems};
use crate::config::written::{self, Written};

/// Refuses endpoints that are the gateway's own listeners or its admin: requests would go round in
/// circles, or get at what only the operator may.
pub(super) fn check_endpoints(written: &Written, problems: &Problems) {
    for cluster in &written.clusters {
        for endpoint in &cluster.endpoints {
            let Some(target) = endpoint.value.address.socket() else { continue };
            let admin = written.admin.as_ref().and_then(|admin| admin.address.as_ref());
            let admin =
                admin.filter(|admin| reaches(target, admin.value)).map(|admin| format!("[admin], at {}", admin.place));
            let own = admin.or_else(|| {
                written.listeners.iter().find_map(|listener| {
                    let address = listener.address.as_ref().filter(|address| reaches(target, address.value))?;
                    Some(format!("{}, at {}", listener.head.subject, address.place))
                })
            });
            if let Some(own) = own {
                let fault =
                    Fault::new(format!("{target} is the address of {own}"), "name the address of an upstream server");
                problems.add(&endpoint.place, format!("{}: endpoints", cluster.head.subject), fault);
            }
        }
    }
}

/// `zone` is the gateway's own.
pub(super) fn resolve(written: &written::Cluster, zone: Option<&Arc<str>>, context: &Context<'_>) -> Option<Cluster> {
    let subject = &written.head.subject;
    let balance = match &written.balance {
        written::Balance::BuiltIn(balance) => balance.clone(),
        written::Balance::Plugin(name) => {
            Balance::Plugin(plugin::named(name, &format!("{subject}: balance.plugin"), context)?)
        }
    };
    if let Some(prefer) = written.prefer_zone.as_ref().filter(|_| zone.is_none()) {
        let fault = Fault::new("the gateway's own zone isn't known", "add server.zone = \"NAME\"");
        context.problems.add(&prefer.place, format!("{subject}: prefer_zone"), fault);
    }
    let tls = written.settled.tls.clone().map(|tls| with_name(tls, written.settled.host.as_ref()));
    if tls.as_ref().is_some_and(|tls| tls.server_name.is_none()) {
        for endpoint in written.endpoints.iter().filter(|endpoint| endpoint.value.address.ip().is_none()) {
            let message = format!("{} has no name that TLS could ask for", endpoint.value.address);
            let fault = Fault::new(message, "add server_name = \"NAME\" to tls");
            context.problems.add(&endpoint.place, format!("{subject}: endpoints"), fault);
        }
    }
    Some(Cluster {
        name: Arc::clone(&written.head.name.as_ref()?.value),
        place: written.head.place.to_string().into(),
        balance,
        zone: zone.filter(|_| written.prefer_zone.is_some()).cloned(),
        endpoints: written.endpoints.iter().map(|endpoint| endpoint.value.clone()).collect(),
        tls,
        ..written.settled.clone()
    })
}

/// Who is asked for as somebody is held to be him.
fn with_name(tls: ClusterTls, host: Option<&HeaderValue>) -> ClusterTls {
    let host = host.and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
    let host = host.map(|host| host.host().trim_start_matches('[').trim_end_matches(']').to_owned());
    let name = host.and_then(|host| ServerName::try_from(host).ok());
    ClusterTls { server_name: tls.server_name.or(name), ..tls }
}
