//! One look at what DNS says of a cluster's endpoints. What isn't answered is filled in from the look before.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::model::{Dns, Endpoint, Family, Wanted};
use crate::dns::{Addresses, DnsError, Found, Name, Resolver, Service};

/// Hosts of one service that are looked at; more are left out.
const MOST_HOSTS: usize = 256;
/// Priorities that endpoints can have.
const MOST_PRIORITIES: u8 = 127;

/// Looks at one cluster's names.
pub(super) struct Lookup {
    dns: Dns,
    resolver: Resolver,
    /// The last addresses of each host and family (whether it's IPv6).
    known: HashMap<(Name, bool), Vec<IpAddr>>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Never empty; each address once, in order.
    pub endpoints: Vec<Endpoint>,
    pub ttl: Duration,
    /// Why a part of it is from the look before, or isn't there.
    pub missing: Option<DnsError>,
}

impl Lookup {
    pub fn new(dns: Dns) -> Self {
        let resolver = Resolver::new(dns.servers.clone(), dns.timeout);
        Self { dns, resolver, known: HashMap::new() }
    }

    /// # Errors
    /// There is no endpoint, or nobody knows.
    pub async fn look(&mut self) -> Result<Answer, DnsError> {
        let mut answer = match self.dns.wanted.clone() {
            Wanted::Host { name, port } => self.host(&name, port).await,
            Wanted::Service { name } => self.service(&name).await,
        }?;
        answer.endpoints.sort_by(|a, b| a.address.cmp(&b.address));
        // One that several hosts of a service have counts once, as the first of them.
        answer.endpoints.dedup_by(|a, b| a.address == b.address);
        if answer.endpoints.is_empty() {
            return Err(answer.missing.unwrap_or(DnsError::Empty));
        }
        answer.ttl = answer.ttl.clamp(self.dns.min_ttl, self.dns.max_ttl);
        Ok(answer)
    }

    async fn host(&mut self, written: &str, port: u16) -> Result<Answer, DnsError> {
        // The configuration takes no others.
        let name = Name::new(written).ok_or(DnsError::NoSuchName)?;
        let found = self.ask(&name, written.ends_with('.')).await;
        let (addresses, ttl, missing) = self.take(&name, found);
        let endpoints = addresses.into_iter().map(|address| Endpoint::from(SocketAddr::new(address, port))).collect();
        Ok(Answer { endpoints, ttl, missing })
    }

    async fn service(&mut self, written: &str) -> Result<Answer, DnsError> {
        let name = Name::new(written).ok_or(DnsError::NoSuchName)?;
        let Found { mut items, ttl } = self.resolver.services(&name, written.ends_with('.')).await?;
        items.sort_by_key(|service| service.priority);
        if items.len() > MOST_HOSTS {
            tracing::warn!(service = written, hosts = items.len(), "only the first {MOST_HOSTS} hosts are used");
            items.truncate(MOST_HOSTS);
        }
        let priorities = priorities(&items);
        let mut whole = Answer { endpoints: Vec::new(), ttl, missing: None };
        let mut hosts: HashMap<Name, Vec<IpAddr>> = HashMap::new();
        for (service, priority) in items.iter().zip(priorities) {
            if !hosts.contains_key(&service.target) {
                let found = self.ask(&service.target, true).await;
                let (addresses, ttl, missing) = self.take(&service.target, found);
                whole.ttl = whole.ttl.min(ttl);
                whole.missing = whole.missing.or(missing);
                hosts.insert(service.target.clone(), addresses);
            }
            let addresses = hosts.get(&service.target).into_iter().flatten();
            whole.endpoints.extend(addresses.map(|address| Endpoint {
                address: SocketAddr::new(*address, service.port).into(),
                // 0 is for what is hardly ever used; ours begin at 1.
                weight: u32::from(service.weight).max(1),
                priority,
                zone: None,
            }));
        }
        self.known.retain(|(host, _), _| hosts.contains_key(host));
        Ok(whole)
    }

    async fn ask(&self, name: &Name, absolute: bool) -> Addresses {
        let family = self.dns.family;
        self.resolver.addresses(name, absolute, family != Family::Ipv6, family != Family::Ipv4).await
    }

    /// The addresses, how long they hold, and why some are old or there are none.
    fn take(&mut self, name: &Name, found: Addresses) -> (Vec<IpAddr>, Duration, Option<DnsError>) {
        let (mut addresses, mut ttl) = (Vec::new(), Duration::MAX);
        let (mut old, mut nothing, mut unknown) = (None, None, None);
        for (is_v6, found) in [(false, found.v4), (true, found.v6)] {
            let key = (name.clone(), is_v6);
            match found {
                Ok(found) => {
                    let usable = |address: &IpAddr| !address.is_multicast() && !address.to_canonical().is_unspecified();
                    let items: Vec<IpAddr> = found.items.into_iter().filter(usable).collect();
                    ttl = ttl.min(found.ttl);
                    addresses.extend(&items);
                    self.known.insert(key, items);
                }
                Err(error) if error.is_negative() => {
                    nothing = nothing.filter(|known| *known == DnsError::NoSuchName).or(Some(error));
                    self.known.remove(&key);
                }
                Err(error) => match self.known.get(&key) {
                    Some(known) => {
                        addresses.extend(known);
                        old = Some(error);
                    }
                    // Some servers fail for the family that they have nothing of.
                    None => unknown = Some(error),
                },
            }
        }
        let missing = if addresses.is_empty() { old.or(unknown).or(nothing) } else { old };
        (addresses, ttl, missing)
    }
}

/// A priority of ours for each service in order: the first is 0, and each that is higher than the one before is one more.
fn priorities(services: &[Service]) -> Vec<u8> {
    let mut rank = 0_u8;
    let mut before = None;
    let of_one = |service: &Service| {
        if before.is_some_and(|before| before != service.priority) {
            rank = (rank + 1).min(MOST_PRIORITIES);
        }
        before = Some(service.priority);
        rank
    };
    services.iter().map(of_one).collect()
}
