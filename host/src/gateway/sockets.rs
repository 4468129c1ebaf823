//! The addresses that a gateway listens on. New ones are bound before a configuration is published, so
//! that a port in use refuses the change; nobody is served before it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Problem;
use crate::config::model::{Config, Listener};
use crate::reload::Prepare;
use crate::server::{Bound, bind};
use crate::snapshot::problem;

/// What tells one listening address from another. With port 0 each listener has its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(SocketAddr, Option<Arc<str>>);

impl Key {
    pub fn of(listener: &Listener) -> Self {
        Self(listener.address, (listener.address.port() == 0).then(|| listener.name.clone()))
    }
}

/// Sockets that nobody accepts from yet, and the addresses of all.
#[derive(Debug)]
pub struct Sockets {
    threads: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fresh: BTreeMap<Key, Bound>,
    /// Where what is served listens.
    serving: BTreeMap<Key, SocketAddr>,
}

/// The new sockets of one thread.
pub type Share = Vec<(Key, TcpListener)>;

impl Sockets {
    pub fn new(threads: usize) -> Self {
        Self { threads, state: Mutex::default() }
    }

    /// The new sockets for a configuration that is about to be published, by thread. Those that it doesn't
    /// need are closed.
    pub fn take(&self, config: &Config) -> Vec<Share> {
        let wanted: BTreeSet<Key> = config.listeners.iter().map(Key::of).collect();
        let mut state = self.lock();
        state.serving.retain(|key, _| wanted.contains(key));
        let mut shares: Vec<Share> = (0..self.threads).map(|_| Share::new()).collect();
        for (key, bound) in std::mem::take(&mut state.fresh) {
            if !wanted.contains(&key) {
                continue;
            }
            state.serving.insert(key.clone(), bound.address);
            for (share, socket) in shares.iter_mut().zip(bound.sockets) {
                share.push((key.clone(), socket));
            }
        }
        shares
    }

    /// For what listens where the last one does.
    pub fn none(&self) -> Vec<Share> {
        (0..self.threads).map(|_| Share::new()).collect()
    }

    /// The configuration that new sockets were bound for isn't published: nobody shall find a port open behind which
    /// nobody is.
    pub fn forget_fresh(&self) {
        self.lock().fresh.clear();
    }

    /// Where a listener can be reached; never port 0.
    pub fn address(&self, listener: &Listener) -> Option<SocketAddr> {
        self.lock().serving.get(&Key::of(listener)).copied()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prepare for Sockets {
    fn prepare(&self, config: &Config) -> Result<(), Vec<Problem>> {
        let mut state = self.lock();
        let mut bound = Vec::new();
        let mut problems = Vec::new();
        for listener in &config.listeners {
            let key = Key::of(listener);
            if state.serving.contains_key(&key) || state.fresh.contains_key(&key) {
                continue;
            }
            match bind(listener.address, self.threads) {
                Ok(sockets) => bound.push((key, sockets)),
                Err(error) => problems.push(problem(
                    &listener.place,
                    format!("listener \"{}\": address", listener.name),
                    error.to_string(),
                    "",
                )),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        state.fresh.extend(bound);
        Ok(())
    }
}
