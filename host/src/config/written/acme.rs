//! `[acme]`, and the names of `tls.acme`

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;
use http::uri::Scheme;

use super::keys;
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::model::AcmeChallenge;
use crate::config::problem::{Fault, Place, quote};
use crate::config::values;

const DIRECTORY: &str = "\"https://acme-v02.api.letsencrypt.org/directory\"";

/// `[acme]`
#[derive(Default)]
pub(in crate::config) struct Acme {
    pub directory: Option<Uri>,
    pub contact: Vec<String>,
    pub storage: Option<PathBuf>,
    pub ca: Option<PathBuf>,
    pub challenge: AcmeChallenge,
    /// Where the challenge is written, if it is.
    pub challenge_place: Option<Place>,
}

impl Acme {
    pub(super) fn read(top: &Entry<'_>) -> Self {
        let Some(entry) = top.table("acme", "[acme]") else { return Self::default() };
        let entry = entry.allow(&keys::ACME);
        let path = |key| entry.read(key, values::path).map(|path| path.value);
        let contact = entry.list("contact", "contact = [\"mailto:ops@example.com\"]", contact);
        let challenge = entry.read(
            "challenge",
            values::word(&[("tls-alpn-01", AcmeChallenge::TlsAlpn01), ("http-01", AcmeChallenge::Http01)]),
        );
        Self {
            directory: entry.read("directory", directory).map(|directory| directory.value),
            contact: contact
                .map(|contact| contact.value.into_iter().map(|contact| contact.value).collect())
                .unwrap_or_default(),
            storage: path("storage"),
            ca: path("ca"),
            challenge_place: challenge.as_ref().map(|challenge| challenge.place.clone()),
            challenge: challenge.map(|challenge| challenge.value).unwrap_or_default(),
        }
    }
}

/// The names of a certificate.
pub(super) fn names(tls: &Entry<'_>) -> Option<Vec<String>> {
    const EXAMPLE: &str = "acme = [\"www.example.com\"]";
    let names = tls.list("acme", EXAMPLE, name)?;
    // Names that are wrong were reported, and aren't among them.
    if tls.node("acme")?.items()?.next().is_none() {
        tls.report(&names.place, "acme", Fault::new("expected at least one name", format!("write {EXAMPLE}")));
    }
    Some(names.value.into_iter().map(|name| name.value).collect())
}

/// A host's name in lower case.
fn name(node: Node<'_>) -> Result<String, Fault> {
    let written = values::text(node, "a name such as \"www.example.com\"", "put it in quotes")?;
    let fault = |message: &str, remedy: &str| Err(Fault::new(format!("{} {message}", quote(written)), remedy));
    if written.contains('*') {
        return fault(
            "has a wildcard, which only a challenge over DNS could prove",
            "list the names, or obtain the certificate otherwise and name its files",
        );
    }
    if written.parse::<IpAddr>().is_ok() {
        return fault("is an address, which authorities give no certificates for this way", "write a name");
    }
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if written.len() > 253 || !written.split('.').all(label) {
        return fault("is no host name", "write one such as \"www.example.com\", others than ASCII as xn--…");
    }
    Ok(written.to_ascii_lowercase())
}

fn contact(node: Node<'_>) -> Result<String, Fault> {
    let written = values::string(node)?;
    match written.strip_prefix("mailto:").and_then(|address| address.split_once('@')) {
        Some((user, host)) if !user.is_empty() && !host.is_empty() => Ok(written.to_owned()),
        _ => Err(Fault::new(
            format!("expected an address such as \"mailto:ops@example.com\", found {}", quote(written)),
            "write mailto: before it",
        )),
    }
}

fn directory(node: Node<'_>) -> Result<Uri, Fault> {
    let written = values::string(node)?;
    let fault = |message: String| Fault::new(message, format!("write the authority's, such as {DIRECTORY}"));
    let uri: Uri = written.parse().map_err(|_| fault(format!("expected a URL, found {}", quote(written))))?;
    if uri.scheme() != Some(&Scheme::HTTPS) || uri.host().is_none_or(str::is_empty) {
        return Err(fault(format!("expected a URL with https, found {}", quote(written))));
    }
    Ok(uri)
}
