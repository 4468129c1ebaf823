//! `[[listener]]`

use std::net::SocketAddr;

use super::{Head, keys};
use crate::config::entry::Entry;
use crate::config::network;
use crate::config::problem::{At, Fault, quote};
use crate::config::{suggest, values};

pub(in crate::config) struct Listener {
    pub head: Head,
    pub address: Option<At<SocketAddr>>,
}

impl Listener {
    pub(super) fn read(entry: &Entry<'_>) -> Self {
        let entry = entry.clone().allow(&keys::LISTENER);
        entry.read("protocol", |node| match values::text(node, "\"http\"", "write it in quotes")? {
            "http" => Ok(()),
            later @ ("tcp" | "https" | "udp") => {
                Err(Fault::unsupported(quote(later), "write protocol = \"http\", or leave it out"))
            }
            other => {
                let message = format!("expected \"http\", found {}", quote(other));
                Err(Fault::new(message, suggest::remedy(other, "valid", &["http"])))
            }
        });
        Self {
            head: Head::read(&entry, "\"public\""),
            address: entry.require("address", "\"127.0.0.1:8080\"", network::listen_address),
        }
    }
}
