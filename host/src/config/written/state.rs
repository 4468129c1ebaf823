//! `[state]`

use std::sync::Arc;
use std::time::Duration;

use super::{authorities, keys};
use crate::config::document::Node;
use crate::config::entry::Entry;
use crate::config::files::Surroundings;
use crate::config::model::{Authorities, OnAway, Redis, Secret, State};
use crate::config::problem::{Fault, quote};
use crate::config::{redis_url, secrets, values};

const REDIS: bool = true;
const MEMORY: bool = false;

const TIMEOUT: Duration = Duration::from_millis(100);
const EXAMPLE: &str = "\"redis://127.0.0.1:6379\"";

/// Reads the table; the path of a socket is still relative.
pub(super) fn read(top: &Entry<'_>, surroundings: &Surroundings<'_>) -> State {
    let Some(entry) = top.table("state", "[state]") else { return State::Memory };
    let entry = entry.allow(&keys::STATE);
    let backends = entry.require("backend", "\"redis\"", values::word(&[("memory", MEMORY), ("redis", REDIS)]));
    let Some(backend) = backends else { return State::Memory };
    if backend.value == MEMORY {
        for (name, place, _) in entry.iter().filter(|(name, ..)| *name != "backend" && keys::STATE.known.contains(name))
        {
            let fault =
                Fault::new("means nothing with backend = \"memory\"", "remove it, or write backend = \"redis\"");
            entry.report(&place, name, fault);
        }
        return State::Memory;
    }
    let url = entry.require("url", EXAMPLE, |node| {
        // What is wrong is never quoted: there may be a password in it.
        redis_url::parse(&secrets::text(node, surroundings)?)
            .map_err(|error| Fault::new(error.to_string(), format!("write {EXAMPLE}")))
    });
    let password = entry.read("password", |node| {
        let text = secrets::text(node, surroundings)?;
        if text.is_empty() { Err(Fault::new("is empty", "remove it, or write the password")) } else { Ok(text) }
    });
    let username = entry.read("username", |node| values::name(node).map(|name| name.to_string()));
    let database = entry.read("database", values::count(0, 1 << 20));
    let prefix = entry.read("prefix", prefix);
    let timeout = entry.read("timeout", values::duration(Duration::from_millis(1), Duration::from_secs(10)));
    let on_error = entry.read("on_error", values::word(&OnAway::ALL));
    let ca = entry.read("ca", |node| authorities(node, surroundings));
    let Some(url) = url.map(|url| url.value) else { return State::Memory };
    if let (Some(ca), false) = (&ca, url.tls) {
        let fault = Fault::new("means nothing without TLS", "write rediss:// in the URL, or remove it");
        entry.report(&ca.place, "ca", fault);
    }
    if password.is_some() && url.password.is_some() {
        let fault = Fault::new("there is a password in the URL too", "write it in one of both places");
        entry.report(&entry.place, "password", fault);
    }
    State::Redis(Arc::new(Redis {
        address: url.address,
        tls: url.tls.then(|| ca.map_or(Authorities::System, |ca| ca.value)),
        username: username.map(|username| username.value).or(url.username),
        password: password.map(|password| password.value).or(url.password).map(Secret::new),
        database: database.map(|database| database.value).or(url.database).unwrap_or(0),
        prefix: prefix.map_or_else(|| "sluice:".into(), |prefix| prefix.value),
        timeout: timeout.map_or(TIMEOUT, |timeout| timeout.value),
        on_error: on_error.map(|on_error| on_error.value).unwrap_or_default(),
    }))
}

/// What keys begin with: short, and without what would be a nuisance at a terminal.
fn prefix(node: Node<'_>) -> Result<Arc<str>, Fault> {
    let written = values::string(node)?;
    if written.len() <= 64 && written.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(written.into());
    }
    let message = format!("expected at most 64 visible ASCII characters without blanks, found {}", quote(written));
    Err(Fault::new(message, "write prefix = \"sluice:\""))
}
