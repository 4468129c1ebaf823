//! The configuration as written: every key read and checked by itself, names not yet looked up. What
//! couldn't be read is `None` and has been reported, so that the rest can be checked all the same.
//!
//! Read by hand rather than derived, because a derived reader stops at an entry's first error and
//! quotes values that may be secret.

mod access;
mod acme;
mod balance;
mod cluster;
mod cluster_tls;
mod discovery;
mod endpoints;
mod health;
mod http;
pub(super) mod keys;
mod limits;
mod listener;
mod plugin;
mod resilience;
mod route;
mod server;
mod state;
mod tls;
mod tracing;

use std::sync::Arc;

pub(super) use acme::Acme;
pub(super) use balance::{Balance, POLICIES};
pub(super) use cluster::Cluster;
pub(super) use listener::{Listener, Protocol};
pub(super) use plugin::Plugin;
pub(super) use route::{Destination, Route};
pub(super) use server::{Admin, Identity, Plugins, Server};
pub(super) use tls::{Certificates, Tls};

use super::document::{Document, Node};
use super::entry::Entry;
use super::files::Surroundings;
use super::model::{AccessLog, Authorities, Http, Overload, State, Tracing};
use super::problem::{At, Fault, Place, Problems};
use super::values;
use crate::tls::Contents;

/// All files of a configuration, taken together.
#[derive(Default)]
pub(super) struct Written {
    pub admin: Option<Admin>,
    pub access_log: Option<AccessLog>,
    pub server: Server,
    pub overload: Overload,
    pub http: Http,
    pub identity: Identity,
    pub plugins: Plugins,
    pub state: State,
    pub acme: Acme,
    pub tracing: Option<Tracing>,
    pub listeners: Vec<Listener>,
    pub plugin: Vec<Plugin>,
    pub routes: Vec<Route>,
    pub clusters: Vec<Cluster>,
    /// Kinds of entries that may be there under a key that was reported as misspelt.
    pub misspelt: Vec<&'static str>,
}

/// What each entry of an array has.
pub(super) struct Head {
    /// `None` if it is missing or wrong, which has been reported.
    pub name: Option<At<Arc<str>>>,
    /// What messages call it: `route "users"`.
    pub subject: String,
    pub place: Place,
}

/// What only the main file may have: there is one of each.
const SINGLE: [&str; 11] =
    ["include", "admin", "access_log", "server", "http", "overload", "identity", "plugins", "state", "acme", "tracing"];

impl Written {
    /// Reads a file's tables. `include` is left to the caller.
    pub fn add(&mut self, document: &Document<'_>, main: bool, surroundings: &Surroundings<'_>, problems: &Problems) {
        let top = Entry::root(document.root(), &document.source, problems).allow(&keys::TOP);
        if main {
            self.admin = Admin::read(&top, surroundings);
            self.access_log = access::read(&top);
            self.server = Server::read(&top);
            self.overload = limits::read_overload(&top);
            self.http = http::read(&top);
            self.identity = Identity::read(&top);
            self.plugins = Plugins::read(&top);
            self.state = state::read(&top, surroundings);
            self.acme = Acme::read(&top);
            self.tracing = tracing::read(&top, surroundings);
        } else {
            refuse_single(&top);
        }
        let kinds = ["listener", "plugin", "route", "cluster"];
        self.misspelt.extend(kinds.into_iter().filter(|kind| top.is_misspelt(kind)));
        each(&top, "listener", |entry| self.listeners.push(Listener::read(&entry)));
        each(&top, "plugin", |entry| self.plugin.push(Plugin::read(&entry, surroundings)));
        each(&top, "route", |entry| self.routes.push(Route::read(&entry)));
        each(&top, "cluster", |entry| self.clusters.push(Cluster::read(&entry, surroundings)));
    }
}

/// Of a file of certificates, in bytes.
const LARGEST_CA: u64 = 1 << 20;

/// The certificates in a file.
fn authorities(node: Node<'_>, surroundings: &Surroundings<'_>) -> Result<Authorities, Fault> {
    let path = surroundings.base.join(values::path(node)?);
    let wrong = |error: &dyn std::fmt::Display| Fault::new(error.to_string(), "name a PEM file of certificates");
    let read = surroundings.read(&path, LARGEST_CA);
    let contents = Contents::from([(path.clone(), read.map(String::into_bytes))]);
    crate::tls::authorities(&contents, &path).map_err(|error| wrong(&error))?;
    let bytes = crate::tls::content(&contents, &path).map_err(|error| wrong(&error))?;
    Ok(Authorities::These(String::from_utf8_lossy(bytes).into()))
}

fn refuse_single(top: &Entry<'_>) {
    for (name, place, _) in top.iter().filter(|(name, ..)| SINGLE.contains(name)) {
        let fault = Fault::new(
            "belongs in the main file alone",
            "move it there; included files hold listeners, plugins, routes and clusters",
        );
        top.report(&place, name, fault);
    }
}

/// Hands each table of the array `name` to `read`.
fn each<'a>(top: &Entry<'a>, name: &str, mut read: impl FnMut(Entry<'a>)) {
    let Some(node) = top.node(name) else { return };
    let wrong =
        |found: &str| Fault::new(format!("expected an array of tables, found {found}"), format!("write [[{name}]]"));
    let Some(items) = node.items() else {
        return top.report(&node.place(), name, wrong(node.kind()));
    };
    for item in items {
        match Entry::named(item, name, top.problems()) {
            Some(entry) => read(entry),
            None => top.report(&item.place(), name, wrong(&format!("{} in it", item.kind()))),
        }
    }
}

impl Head {
    fn read(entry: &Entry<'_>, example: &str) -> Self {
        Self {
            name: entry.require("name", example, super::values::name),
            subject: entry.subject.clone(),
            place: entry.place.clone(),
        }
    }
}
