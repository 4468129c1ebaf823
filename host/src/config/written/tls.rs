//! `tls` of a listener

use std::path::PathBuf;

use toml::de::DeValue;

use super::{acme, keys};
use crate::config::entry::Entry;
use crate::config::model::Versions;
use crate::config::problem::{Fault, Place, quote};
use crate::config::values;

pub(in crate::config) struct Tls {
    pub certificates: Certificates,
    pub client_ca: Option<PathBuf>,
    pub client_required: bool,
    pub versions: Versions,
    pub place: Place,
}

/// What is shown to clients.
pub(in crate::config) enum Certificates {
    SelfSigned,
    /// Certificates and keys.
    Files(Vec<(PathBuf, PathBuf)>),
    /// The names of one.
    Acme(Vec<String>),
}

const EXAMPLE: &str = "tls = { certificate = \"FILE\", key = \"FILE\" }, or tls = \"self-signed\"";
const SEVERAL: &str = "certificates = [{ certificate = \"FILE\", key = \"FILE\" }]";

impl Tls {
    pub(super) fn read(listener: &Entry<'_>) -> Option<Self> {
        let node = listener.node("tls")?;
        if let DeValue::String(word) = node.value {
            if word == "self-signed" {
                let (versions, place) = (Versions::default(), node.place());
                let certificates = Certificates::SelfSigned;
                return Some(Self { certificates, client_ca: None, client_required: false, versions, place });
            }
            let message = format!("expected a table or \"self-signed\", found {}", quote(word));
            listener.report(&node.place(), "tls", Fault::new(message, format!("write {EXAMPLE}")));
            return None;
        }
        let entry = listener.table("tls", EXAMPLE)?.allow(&keys::TLS);
        let client_ca = entry.read("client_ca", values::path).map(|path| path.value);
        if client_ca.is_none() && entry.has("client_auth") && !entry.has("client_ca") {
            let fault = Fault::new("means nothing without client_ca", "add client_ca = \"FILE\", or remove it");
            entry.report(&entry.place, "client_auth", fault);
        }
        let required = entry.read("client_auth", values::word(&[("required", true), ("optional", false)]));
        let versions =
            entry.read("min_version", values::word(&[("1.2", Versions::Tls12And13), ("1.3", Versions::Tls13)]));
        Some(Self {
            certificates: match acme::names(&entry) {
                Some(names) => {
                    beside(&entry, &["certificate", "key", "certificates"], "acme", "remove one of both");
                    Certificates::Acme(names)
                }
                None if entry.has("acme") => Certificates::Acme(Vec::new()),
                None => Certificates::Files(read_certificates(&entry)),
            },
            client_ca,
            client_required: required.is_none_or(|required| required.value),
            versions: versions.map(|versions| versions.value).unwrap_or_default(),
            place: node.place(),
        })
    }
}

/// `certificate` and `key`, or several of them in `certificates`.
fn read_certificates(entry: &Entry<'_>) -> Vec<(PathBuf, PathBuf)> {
    let pair = |entry: &Entry<'_>| {
        let certificate = entry.require("certificate", "\"FILE\"", values::path);
        let key = entry.require("key", "\"FILE\"", values::path);
        Some((certificate?.value, key?.value))
    };
    if !entry.has("certificates") {
        return pair(entry).into_iter().collect();
    }
    beside(entry, &["certificate", "key"], "certificates", "put it into certificates");
    let Some(items) = entry.items("certificates", SEVERAL) else { return Vec::new() };
    if items.value.is_empty() {
        entry.report(&items.place, "certificates", Fault::new("expected at least one", format!("write {SEVERAL}")));
    }
    let tables = items.value.into_iter().filter_map(|node| entry.inner(node, "certificates", SEVERAL));
    tables.filter_map(|table| pair(&table.allow(&keys::CERTIFICATE))).collect()
}

/// Report those of `keys` that are there, since `other` is.
fn beside(entry: &Entry<'_>, keys: &[&'static str], other: &str, remedy: &str) {
    for key in keys.iter().filter(|key| entry.has(key)) {
        let place = entry.node(key).map_or_else(|| entry.place.clone(), |node| node.place());
        entry.report(&place, key, Fault::new(format!("stands beside {other}"), remedy));
    }
}
