//! How many connections a listener has, over all threads, and each client of them: counted, and refused beyond the
//! limits. It knows nothing of sockets.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ipnet::IpNet;
use rustc_hash::FxBuildHasher;

use crate::config::model::ConnectionLimits;

/// Enough that threads seldom meet in one.
const SHARDS: usize = 16;

/// Open connections of one client, unless something is configured: more than any network behind one address was seen to
/// need, and less than one address can open.
const OF_CLIENT: u64 = 10_000;

/// The gates of all listeners of one gateway.
#[derive(Debug)]
pub struct Gates {
    files: u64,
    by_listener: Mutex<HashMap<Arc<str>, Arc<Gate>>>,
}

impl Gates {
    /// Of a process that may have so many files open.
    pub fn new(files: u64) -> Self {
        Self { files, by_listener: Mutex::default() }
    }

    /// The gate of the listener with that name, with these limits from now on. What is open stays open. Connections from
    /// `proxies` are those of many clients, and only counted together.
    pub fn gate(&self, name: &Arc<str>, limits: ConnectionLimits, proxies: &[IpNet]) -> Arc<Gate> {
        let mut gates = self.by_listener.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|known, gate| known == name || Arc::strong_count(gate) > 1);
        let gate = gates.entry(name.clone()).or_default().clone();
        gate.set(limits, self.files);
        gate.set_proxies(proxies);
        gate
    }
}

/// The connections of one listener.
#[derive(Debug, Default)]
pub struct Gate {
    connections: AtomicU64,
    per_address: AtomicU64,
    requests: AtomicU64,
    open: AtomicU64,
    proxies: RwLock<Vec<IpNet>>,
    clients: [Mutex<HashMap<Client, u64, FxBuildHasher>>; SHARDS],
}

/// Whom a limit is for: an address, or what one subscriber has of IPv6, a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// Which limit is used up, as metrics name it.
pub const TOO_MANY: &str = "connections";
pub const TOO_MANY_OF_CLIENT: &str = "connections-per-address";

impl Gate {
    /// Let a connection in, until the place is dropped.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub fn enter(self: &Arc<Self>) -> Result<Place, &'static str> {
        // A limit that is exceeded by none at any moment: who comes too late takes himself back.
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let place = Place { gate: self.clone(), client: None };
        let most = self.connections.load(Ordering::Relaxed);
        if most > 0 && open >= most { Err(TOO_MANY) } else { Ok(place) }
    }

    /// How many requests one connection may bring; 0 is no limit.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn set(&self, limits: ConnectionLimits, files: u64) {
        // Each takes a second file, for its endpoint; and no client everything.
        let connections = limits.connections.unwrap_or((files / 2).max(1));
        let per_address = limits.per_address.unwrap_or((files / 4).clamp(1, OF_CLIENT));
        self.connections.store(connections, Ordering::Relaxed);
        self.per_address.store(per_address, Ordering::Relaxed);
        self.requests.store(limits.requests, Ordering::Relaxed);
    }

    fn set_proxies(&self, networks: &[IpNet]) {
        let mut proxies = self.proxies.write().unwrap_or_else(PoisonError::into_inner);
        if *proxies != networks {
            *proxies = networks.to_vec();
        }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        let proxies = self.proxies.read().unwrap_or_else(PoisonError::into_inner);
        proxies.iter().any(|network| network.contains(&address.to_canonical()))
    }

    fn shard(&self, client: Client) -> Option<MutexGuard<'_, HashMap<Client, u64, FxBuildHasher>>> {
        let hash = FxBuildHasher.hash_one(client) >> 32;
        let shard = self.clients.get(usize::try_from(hash).unwrap_or_default() % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One connection's place.
#[derive(Debug)]
pub struct Place {
    gate: Arc<Gate>,
    /// As whose it is counted.
    client: Option<Client>,
}

impl Place {
    /// Whose connection it is, once that is known. Nobody is counted while there is no limit.
    ///
    /// # Errors
    /// The client has as many as it may have.
    pub fn belongs_to(&mut self, address: IpAddr) -> Result<(), &'static str> {
        let most = self.gate.per_address.load(Ordering::Relaxed);
        if most == 0 || self.client.is_some() || self.gate.is_proxy(address) {
            return Ok(());
        }
        let client = Client::from(address);
        let Some(mut clients) = self.gate.shard(client) else { return Ok(()) };
        let count = clients.entry(client).or_default();
        if *count >= most {
            return Err(TOO_MANY_OF_CLIENT);
        }
        *count += 1;
        drop(clients);
        self.client = Some(client);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        let Some(mut clients) = self.gate.shard(client) else { return };
        if let Entry::Occupied(mut count) = clients.entry(client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: u64, per_address: u64) -> ConnectionLimits {
        ConnectionLimits { connections: Some(connections), per_address: Some(per_address), requests: 9 }
    }

    fn gate(connections: u64, per_address: u64) -> Arc<Gate> {
        Gates::new(1024).gate(&"public".into(), limits(connections, per_address), &[])
    }

    fn enter(gate: &Arc<Gate>, address: &str) -> Result<Place, &'static str> {
        let mut place = gate.enter()?;
        place.belongs_to(address.parse().unwrap())?;
        Ok(place)
    }

    #[test]
    fn no_more_than_the_limit_are_open_and_places_come_back() {
        let gate = gate(2, 0);
        let first = enter(&gate, "192.0.2.1").unwrap();
        let _second = enter(&gate, "192.0.2.1").unwrap();
        assert_eq!(enter(&gate, "192.0.2.2").unwrap_err(), TOO_MANY);
        assert_eq!(enter(&gate, "192.0.2.2").unwrap_err(), TOO_MANY, "a refusal takes no place");
        drop(first);
        assert!(enter(&gate, "192.0.2.2").is_ok());
    }

    #[test]
    fn a_client_is_an_address_or_a_64() {
        let gate = gate(0, 1);
        let first = enter(&gate, "192.0.2.1").unwrap();
        assert_eq!(enter(&gate, "::ffff:192.0.2.1").unwrap_err(), TOO_MANY_OF_CLIENT);
        let _other = enter(&gate, "192.0.2.2").unwrap();
        let _sixth = enter(&gate, "2001:db8::1").unwrap();
        assert_eq!(enter(&gate, "2001:db8::ffff:1").unwrap_err(), TOO_MANY_OF_CLIENT);
        let _network = enter(&gate, "2001:db8:0:1::1").unwrap();
        drop(first);
        assert!(enter(&gate, "192.0.2.1").is_ok());
        drop((_other, _sixth, _network));
        assert!(gate.clients.iter().all(|shard| shard.lock().unwrap().is_empty()), "nobody is kept");
    }

    #[test]
    fn by_default_files_are_the_measure_and_no_client_takes_all() {
        for (files, most, of_client) in [(1024, 512, 256), (1 << 20, 1 << 19, OF_CLIENT), (0, 1, 1)] {
            let gate = Gates::new(files).gate(&"public".into(), ConnectionLimits::default(), &[]);
            assert_eq!(gate.connections.load(Ordering::Relaxed), most);
            assert_eq!(gate.per_address.load(Ordering::Relaxed), of_client);
            assert_eq!(gate.requests(), 100_000);
        }
    }

    #[test]
    fn connections_of_a_proxy_are_those_of_many() {
        let gates = Gates::new(1024);
        let name = "public".into();
        let gate = gates.gate(&name, limits(9, 1), &["192.0.2.0/28".parse().unwrap()]);
        let _places: Vec<Place> = (0..3).map(|_| enter(&gate, "::ffff:192.0.2.1").unwrap()).collect();
        let _place = enter(&gate, "192.0.2.99").unwrap();
        assert_eq!(enter(&gate, "192.0.2.99").unwrap_err(), TOO_MANY_OF_CLIENT);
        gates.gate(&name, limits(9, 1), &[]);
        let _first = enter(&gate, "192.0.2.1").unwrap();
        assert_eq!(enter(&gate, "192.0.2.1").unwrap_err(), TOO_MANY_OF_CLIENT, "a proxy no more");
    }

    #[test]
    fn limits_change_under_open_connections() {
        let gates = Gates::new(1024);
        let name = "public".into();
        let gate = gates.gate(&name, limits(0, 0), &[]);
        let places: Vec<Place> = (0..3).map(|_| enter(&gate, "192.0.2.1").unwrap()).collect();
        let again = gates.gate(&name, limits(3, 1), &[]);
        assert!(Arc::ptr_eq(&gate, &again) && gate.requests() == 9);
        assert_eq!(enter(&gate, "192.0.2.1").unwrap_err(), TOO_MANY);
        drop(places);
        let _place = enter(&gate, "192.0.2.1").unwrap();
        assert_eq!(enter(&gate, "192.0.2.1").unwrap_err(), TOO_MANY_OF_CLIENT);
    }
}
