//! Whose requests are counted together.

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};

use serde::de::{self, Deserializer};
use sha2::{Digest, Sha256};
use sluice_plugin::prelude::*;

/// The longest key that is passed on as it is; the limiter takes 256 bytes.
const LONGEST: usize = 200;

/// What is counted by.
#[derive(Debug, PartialEq, Eq, Default)]
pub enum Key {
    #[default]
    Identity,
    ClientAddress,
    Header(String),
    Route,
}

impl Key {
    /// The limiter's key for a request. Each kind has a prefix, so that no client can choose a header's value
    /// to spend another's tokens.
    pub fn of(&self, request: &Request, exchange: &Exchange) -> String {
        let own = match self {
            Self::Identity => exchange.identity().map(|identity| {
                let issuer = identity.issuer.unwrap_or_default();
                bounded("identity", &format!("{issuer}\n{}", identity.subject))
            }),
            Self::Header(name) => request.header(name).map(|value| bounded("header", &String::from_utf8_lossy(&value))),
            Self::Route => Some(bounded("route", &exchange.route())),
            Self::ClientAddress => None,
        };
        own.unwrap_or_else(|| format!("client {}", network(&exchange.client_address())))
    }
}

/// A client on IPv6 has at least a /64 of its own to send from.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(v6)) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).to_string(),
        _ => address.to_owned(),
    }
}

fn bounded(kind: &str, value: &str) -> String {
    if value.len() <= LONGEST {
        return format!("{kind} {value}");
    }
    let mut key = format!("{kind}-digest ");
    for byte in Sha256::digest(value) {
        // Writing to a string can't fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "identity" => Ok(Self::Identity),
            "client-address" => Ok(Self::ClientAddress),
            "route" => Ok(Self::Route),
            other => match other.strip_prefix("header:") {
                Some(name) if !name.is_empty() => Ok(Self::Header(name.to_ascii_lowercase())),
                _ => Err(de::Error::custom("must be \"identity\", \"client-address\", \"route\" or \"header:NAME\"")),
            },
        }
    }
}
