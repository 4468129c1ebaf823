//! Addresses of hosts, and the hosts of services.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::DnsError;
use super::client::Client;
use super::hosts;
use super::message::{Data, Kind, Reply};
use super::name::Name;
use super::system::System;

/// How long it holds what this machine knows by itself, which doesn't say so.
const KNOWN: Duration = Duration::from_secs(5);

/// Asks the servers that it was made with, or the system's, as they are at each question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    timeout: Duration,
}

/// What was found, and how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// Never empty.
    pub items: Vec<T>,
    pub ttl: Duration,
}

/// A host's addresses of both families. One can be known without the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub v4: Result<Found<IpAddr>, DnsError>,
    pub v6: Result<Found<IpAddr>, DnsError>,
}

/// One record of a service (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Lower ones first.
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub target: Name,
}

impl Addresses {
    /// Those that nobody had to be asked for.
    fn known(all: &[IpAddr]) -> Self {
        let of = |is_v4: bool| {
            let items: Vec<IpAddr> = all.iter().filter(|address| address.is_ipv4() == is_v4).copied().collect();
            if items.is_empty() { Err(DnsError::Empty) } else { Ok(Found { items, ttl: KNOWN }) }
        };
        Self { v4: of(true), v6: of(false) }
    }
}

impl Resolver {
    /// Without `servers`, those of `resolv.conf`, and only then its domains for short names, and `/etc/hosts`. `timeout` is for one answer of
    /// one server; all are asked twice.
    pub fn new(servers: Vec<SocketAddr>, timeout: Duration) -> Self {
        Self { servers, timeout }
    }

    /// The addresses of a host. `absolute`: it is never short for another one. Families that aren't wanted count as empty.
    pub async fn addresses(&self, name: &Name, absolute: bool, v4: bool, v6: bool) -> Addresses {
        let wanted = |address: &IpAddr| if address.is_ipv4() { v4 } else { v6 };
        let known: Vec<IpAddr> = if self.servers.is_empty() { hosts::find(name) } else { Vec::new() };
        let known: Vec<IpAddr> = known.into_iter().filter(wanted).collect();
        if !known.is_empty() {
            return Addresses::known(&known);
        }
        let (client, candidates) = self.ways(name, absolute);
        let mut last = Addresses { v4: Err(DnsError::Empty), v6: Err(DnsError::Empty) };
        for candidate in candidates {
            let one = async |wanted: bool, kind| {
                if wanted {
                    client.ask(&candidate, kind).await.and_then(|reply| addresses(&reply, &candidate, kind))
                } else {
                    Err(DnsError::Empty)
                }
            };
            let (v4, v6) = tokio::join!(one(v4, Kind::A), one(v6, Kind::Aaaa));
            last = Addresses { v4, v6 };
            let nothing = |found: &Result<_, DnsError>| found.as_ref().is_err_and(|error| error.is_negative());
            // A server that fails might have known: to go on could lead to somebody else.
            if !nothing(&last.v4) || !nothing(&last.v6) {
                break;
            }
        }
        last
    }

    /// Where a service is.
    ///
    /// # Errors
    /// There is no such service, or nobody knows.
    pub async fn services(&self, name: &Name, absolute: bool) -> Result<Found<Service>, DnsError> {
        let (client, candidates) = self.ways(name, absolute);
        let mut last = DnsError::Empty;
        for candidate in candidates {
            let found = client.ask(&candidate, Kind::Srv).await.and_then(|reply| services(&reply, &candidate));
            match found {
                Err(error) if error.is_negative() => last = error,
                found => return found,
            }
        }
        Err(last)
    }

    fn ways(&self, name: &Name, absolute: bool) -> (Client, Vec<Name>) {
        let client = |servers| Client { servers, timeout: self.timeout };
        if !self.servers.is_empty() {
            return (client(self.servers.clone()), vec![name.clone()]);
        }
        let system = System::read();
        let candidates = if absolute { vec![name.clone()] } else { system.candidates(name) };
        (client(system.servers), candidates)
    }
}

/// The records of one kind.
fn records<'a>(reply: &'a Reply, name: &Name, kind: Kind) -> Result<(Vec<&'a Data>, Duration), DnsError> {
    let (found, ttl) = reply.find(name, kind);
    match reply.code {
        3 => Err(DnsError::NoSuchName),
        _ if found.is_empty() => Err(DnsError::Empty),
        _ => Ok((found, Duration::from_secs(ttl.into()))),
    }
}

fn addresses(reply: &Reply, name: &Name, kind: Kind) -> Result<Found<IpAddr>, DnsError> {
    let (found, ttl) = records(reply, name, kind)?;
    let address = |data: &&Data| if let Data::Address(address) = data { Some(*address) } else { None };
    Ok(Found { items: found.iter().filter_map(address).collect(), ttl })
}

fn services(reply: &Reply, name: &Name) -> Result<Found<Service>, DnsError> {
    let (found, ttl) = records(reply, name, Kind::Srv)?;
    let service = |data: &&Data| match data {
        Data::Service { priority, weight, port, target: Some(target) } if *port > 0 => {
            Some(Service { priority: *priority, weight: *weight, port: *port, target: target.clone() })
        }
        _ => None,
    };
    let items: Vec<Service> = found.iter().filter_map(service).collect();
    if items.is_empty() { Err(DnsError::Empty) } else { Ok(Found { items, ttl }) }
}
