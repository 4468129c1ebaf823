//! Listeners: their addresses have to differ from each other's and the admin's; clusters looked up.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Context, acme};
use crate::config::files::absolute;
use crate::config::model::{
    Acme, CertificateFiles, Certificates, ClientCertificates, Listener, Protocol, Streams, Tls,
};
use crate::config::network::collide;
use crate::config::problem::{Fault, Problem, Problems};
use crate::config::written::{self, Written};

pub(super) fn check(written: &Written, path: &Path, problems: &Problems) {
    if written.listeners.is_empty() && !written.misspelt.contains(&"listener") {
        // A file cut off while it is being written must not become a gateway that hears nothing.
        problems.push(Problem {
            file: path.to_path_buf(),
            line: 0,
            key: String::new(),
            message: "there is no listener".to_owned(),
            remedy: "add [[listener]] with a name and an address".to_owned(),
        });
    }
    for (index, listener) in written.listeners.iter().enumerate() {
        let Some(address) = &listener.address else { continue };
        let key = || format!("{}: address", listener.head.subject);
        let mut earlier = written.listeners.iter().take(index);
        let taken = earlier.find_map(|other| {
            let there = other.address.as_ref().filter(|there| collide(there.value, address.value))?;
            Some(format!("{} is taken by {}, at {}", address.value, other.head.subject, there.place))
        });
        if let Some(message) = taken {
            problems.add(&address.place, key(), Fault::new(message, "give each listener its own address or port"));
        }
        let admin = written.admin.as_ref();
        let own = [
            ("[admin]", admin.and_then(|admin| admin.address.as_ref())),
            ("admin.probes", admin.and_then(|admin| admin.probes.as_ref()?.address.as_ref())),
        ];
        for (whose, other) in own {
            if let Some(other) = other.filter(|other| collide(other.value, address.value)) {
                let message = format!("{} is the address of {whose}, at {}", address.value, other.place);
                problems.add(&address.place, key(), Fault::new(message, "give each its own address or port"));
            }
        }
    }
}

/// Only those that are whole: all, unless something was reported.
pub(super) fn resolve(
    listeners: &[written::Listener],
    base: &Path,
    acme: &Acme,
    context: &Context<'_>,
) -> Vec<Listener> {
    let whole = listeners.iter().filter_map(|listener| {
        let protocol = resolve_protocol(listener, context);
        let address = listener.address.as_ref()?;
        Some(Listener {
            name: Arc::clone(&listener.head.name.as_ref()?.value),
            address: address.value,
            protocol: protocol?,
            proxy_protocol: listener.proxy_protocol.clone(),
            place: address.place.to_string().into(),
            tls: listener.tls.as_ref().map(|tls| {
                let is_http = matches!(listener.protocol, written::Protocol::Http);
                Tls { is_http, ..resolve_tls(tls, base, acme, address.value) }
            }),
            limits: listener.limits,
        })
    });
    whole.collect()
}

pub(super) fn resolve_tls(written: &written::Tls, base: &Path, acme: &Acme, address: SocketAddr) -> Tls {
    let whole = |path: &Path| absolute(&base.join(path));
    let files =
        |(certificate, key): &(PathBuf, PathBuf)| CertificateFiles { certificate: whole(certificate), key: whole(key) };
    let certificates = match &written.certificates {
        written::Certificates::SelfSigned => Certificates::SelfSigned(own_names(address)),
        written::Certificates::Files(pairs) => Certificates::Files(pairs.iter().map(files).collect()),
        written::Certificates::Acme(names) => Certificates::Acme(acme::certificate(names, acme)),
    };
    let required = written.client_required;
    let client = written.client_ca.as_ref().map(|path| ClientCertificates { authorities: whole(path), required });
    let place = written.place.to_string().into();
    Tls { certificates, client, versions: written.versions, is_http: true, place }
}

/// By what clients on this machine may call a listener, and its own address.
fn own_names(address: SocketAddr) -> Vec<String> {
    let own = (!address.ip().is_unspecified()).then(|| address.ip().to_string());
    let names: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into_iter().chain(own).collect();
    names.into_iter().collect()
}

fn resolve_protocol(listener: &written::Listener, context: &Context<'_>) -> Option<Protocol> {
    let written::Protocol::Tcp(streams) = &listener.protocol else { return Some(Protocol::Http) };
    let find = |name, key: &str| {
        context.clusters.resolve(name, &format!("{}: {key}", listener.head.subject), context.problems)
    };
    // Everything is looked up before anything is given up.
    let cluster = streams.cluster.as_ref().map(|name| find(name, "cluster"));
    let sni: Vec<_> = streams.sni.iter().map(|(pattern, name)| Some((pattern.clone(), find(name, "sni")?))).collect();
    Some(Protocol::Tcp(Streams {
        cluster: match cluster {
            Some(found) => Some(found?),
            None => None,
        },
        sni: sni.into_iter().collect::<Option<_>>()?,
        idle_timeout: streams.idle_timeout,
    }))
}
