//! `tls` of a cluster

use std::path::PathBuf;

use rustls::pki_types::ServerName;

use super::keys;
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::files::{Surroundings, absolute};
use crate::config::model::{CertificateFiles, ClusterProtocol, ClusterTls, Versions};
use crate::config::problem::{Fault, quote};
use crate::config::values;

const EXAMPLE: &str = "tls = { ca = \"FILE\" }, or tls = {} for the authorities that the system trusts";

pub(super) fn read(
    cluster: &Entry<'_>,
    surroundings: &Surroundings<'_>,
    protocol: ClusterProtocol,
) -> Option<ClusterTls> {
    let node = cluster.node("tls")?;
    let entry = cluster.table("tls", EXAMPLE)?.allow(&keys::CLUSTER_TLS);
    let path = |key| entry.read(key, values::path).map(|path| absolute(&surroundings.base.join(path.value)));
    let verify = entry.read("verify", values::boolean).is_none_or(|verify| verify.value);
    if !verify && let Some(ca) = entry.node("ca") {
        let fault = Fault::new("means nothing where nothing is verified", "remove it, or remove verify = false");
        entry.report(&ca.place(), "ca", fault);
    }
    let versions = entry.read("min_version", values::word(&[("1.2", Versions::Tls12And13), ("1.3", Versions::Tls13)]));
    Some(ClusterTls {
        authorities: path("ca"),
        verify,
        certificate: read_certificate(&entry, path("certificate"), path("key")),
        server_name: entry.read("server_name", server_name).map(|name| name.value),
        versions: versions.map(|versions| versions.value).unwrap_or_default(),
        protocol,
        place: node.place().to_string().into(),
    })
}

/// Both or neither.
fn read_certificate(entry: &Entry<'_>, certificate: Option<PathBuf>, key: Option<PathBuf>) -> Option<CertificateFiles> {
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if let Some(node) = entry.node(one).filter(|_| !entry.has(other) && !entry.is_misspelt(other)) {
            let fault = Fault::new(format!("stands without {other}"), format!("add {other} = \"FILE\""));
            entry.report(&node.place(), one, fault);
        }
    }
    Some(CertificateFiles { certificate: certificate?, key: key? })
}

/// A host name, or an IP address.
fn server_name(node: Node<'_>) -> Result<ServerName<'static>, Fault> {
    let written = values::text(node, "a host name such as \"api.example.com\"", "put it in quotes")?;
    ServerName::try_from(written.to_owned()).map_err(|_| {
        let message = format!("expected a host name such as \"api.example.com\", found {}", quote(written));
        Fault::new(message, "write a host name or an IP address, without port")
    })
}
