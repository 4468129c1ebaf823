//! Listening sockets that a process didn't open itself: a predecessor's, or those of a supervisor.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The name of the socket for those who ask for health alone; the admin API's own has none.
pub const PROBES: &str = "probes";

/// What sockets are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The admin API.
    Admin,
    Listener,
}

/// One address and all sockets that listen on it.
#[derive(Debug)]
pub struct Handed {
    pub role: Role,
    /// A listener's name, or what a supervisor calls its socket. Empty if there is none.
    pub name: Arc<str>,
    /// As it is configured: the port may be 0, where the sockets have another.
    pub address: SocketAddr,
    pub sockets: Vec<TcpListener>,
}

/// All that a process was handed, until it is taken.
#[derive(Debug, Clone, Default)]
pub struct Inherited {
    /// Whose name counts more than its address: a supervisor's names are given for that.
    by_name: bool,
    all: Arc<Mutex<Vec<Handed>>>,
}

impl Inherited {
    /// From a gateway that ran before: sockets are known by the addresses that are configured.
    pub fn from_predecessor(all: Vec<Handed>) -> Self {
        Self { by_name: false, all: Arc::new(Mutex::new(all)) }
    }

    /// From a supervisor: sockets are known by name, or else by where they listen.
    pub fn from_supervisor(all: Vec<Handed>) -> Self {
        Self { by_name: true, all: Arc::new(Mutex::new(all)) }
    }

    /// The sockets of the listener with that name and configured address; none if there are none.
    pub fn take_listener(&self, name: &str, address: SocketAddr) -> Vec<TcpListener> {
        let by_name = self.by_name;
        if by_name {
            let named = self.take(|handed| &*handed.name == name);
            if !named.is_empty() {
                return named;
            }
        }
        self.take(|handed| {
            let same = handed.address == address && handed.role == Role::Listener;
            // With port 0 each listener has an address of its own.
            same && (address.port() != 0 || (!by_name && &*handed.name == name))
        })
    }

    /// The sockets of the admin API.
    pub fn take_admin(&self, address: SocketAddr) -> Vec<TcpListener> {
        self.take_own("admin", "", address)
    }

    /// The sockets for those who ask for health alone, which a predecessor hands on as [`PROBES`].
    pub fn take_probes(&self, address: SocketAddr) -> Vec<TcpListener> {
        self.take_own(PROBES, PROBES, address)
    }

    /// By what a supervisor calls them, and what a predecessor does.
    fn take_own(&self, by_supervisor: &str, by_predecessor: &str, address: SocketAddr) -> Vec<TcpListener> {
        if self.by_name {
            let named = self.take(|handed| &*handed.name == by_supervisor);
            if !named.is_empty() {
                return named;
            }
            return self.take(|handed| handed.address == address && address.port() != 0);
        }
        self.take(|handed| handed.role == Role::Admin && &*handed.name == by_predecessor && handed.address == address)
    }

    /// What nobody took.
    pub fn rest(&self) -> Vec<Handed> {
        std::mem::take(&mut *self.lock())
    }

    fn take(&self, is_meant: impl Fn(&Handed) -> bool) -> Vec<TcpListener> {
        let mut all = self.lock();
        let (taken, rest): (Vec<Handed>, Vec<Handed>) = std::mem::take(&mut *all).into_iter().partition(is_meant);
        *all = rest;
        taken.into_iter().flat_map(|handed| handed.sockets).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Handed>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed(role: Role, name: &str, address: &str) -> Handed {
        let sockets = vec![TcpListener::bind("127.0.0.1:0").unwrap()];
        Handed { role, name: name.into(), address: address.parse().unwrap(), sockets }
    }

    #[test]
    fn a_predecessors_sockets_are_known_by_what_is_configured() {
        let inherited = Inherited::from_predecessor(vec![
            handed(Role::Listener, "a", "127.0.0.1:80"),
            handed(Role::Listener, "b", "127.0.0.1:0"),
            handed(Role::Listener, "c", "127.0.0.1:0"),
            handed(Role::Admin, "", "127.0.0.1:0"),
            handed(Role::Admin, PROBES, "127.0.0.1:0"),
        ]);
        let any = "127.0.0.1:0".parse().unwrap();
        assert_eq!(inherited.take_listener("other", "127.0.0.1:80".parse().unwrap()).len(), 1, "names may change");
        assert_eq!(inherited.take_listener("a", "127.0.0.1:80".parse().unwrap()).len(), 0, "once");
        assert_eq!(inherited.take_listener("other", any).len(), 0);
        assert_eq!(inherited.take_listener("b", any).len(), 1);
        assert_eq!(inherited.take_admin(any).len(), 1);
        assert_eq!(inherited.take_probes(any).len(), 1);
        assert_eq!(inherited.rest().iter().map(|handed| &*handed.name).collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn a_supervisors_sockets_are_known_by_name_and_else_by_address() {
        let inherited = Inherited::from_supervisor(vec![
            handed(Role::Listener, "public", "0.0.0.0:443"),
            handed(Role::Listener, "sluice.socket", "127.0.0.1:80"),
            handed(Role::Listener, "admin", "127.0.0.1:9901"),
        ]);
        assert_eq!(inherited.take_listener("public", "127.0.0.1:1".parse().unwrap()).len(), 1);
        assert_eq!(inherited.take_listener("plain", "127.0.0.1:80".parse().unwrap()).len(), 1);
        assert_eq!(inherited.take_admin("127.0.0.1:1".parse().unwrap()).len(), 1);
        assert!(inherited.rest().is_empty());
    }
}
