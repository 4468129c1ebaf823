//! Idle connections of one thread. Nothing here waits or locks; a connection that ends takes itself out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::connection::{Connection, State};

/// How long a connection may stay unused. Shorter than what servers usually allow, so that we rather
/// than they close it.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Idle connections kept for one endpoint on one thread; more are closed.
const MAX_IDLE: usize = 256;

/// Where a thread's clusters, of this snapshot and the next, find the same connections.
#[derive(Default)]
pub struct Pool {
    endpoints: RefCell<HashMap<SocketAddr, Weak<EndpointPool>>>,
}

/// Idle connections to one address. They close when the last cluster that uses it is gone.
pub(super) struct EndpointPool {
    idle: RefCell<Vec<Connection>>,
}

impl Pool {
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    pub(super) fn endpoint(&self, address: SocketAddr) -> Rc<EndpointPool> {
        let mut endpoints = self.endpoints.borrow_mut();
        if let Some(known) = endpoints.get(&address).and_then(Weak::upgrade) {
            return known;
        }
        endpoints.retain(|_, pool| pool.strong_count() > 0);
        let new = Rc::new(EndpointPool { idle: RefCell::default() });
        endpoints.insert(address, Rc::downgrade(&new));
        new
    }
}

impl EndpointPool {
    /// The connection used last, since it is the least likely to be closed soon.
    pub fn take(&self) -> Option<Connection> {
        loop {
            // In a statement of its own: dropping a connection must not find the cell borrowed.
            let last = self.idle.borrow_mut().pop()?;
            if last.is_usable() {
                return Some(last);
            }
        }
    }

    pub fn put(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    /// A connection's task has ended.
    pub fn forget(&self, state: &Rc<State>) {
        let gone = {
            let mut idle = self.idle.borrow_mut();
            let index = idle.iter().position(|connection| Rc::ptr_eq(connection.state(), state));
            index.map(|index| idle.remove(index))
        };
        drop(gone);
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.idle.borrow().len()
    }
}
