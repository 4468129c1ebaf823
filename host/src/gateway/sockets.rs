//! The addresses that a gateway listens on. New ones are bound before a configuration is published, so
//! that a port in use refuses the change; nobody is served before it is. Those that the process was handed are taken
//! instead of new ones, and all can be handed on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Problem;
use crate::config::model::{Admin, Config, Listener, Probes};
use crate::process::{Handed, Inherited, PROBES, Role};
use crate::reload::Prepare;
use crate::server::{Bound, adopt, bind};
use crate::snapshot::problem;

/// What tells one listening address from another. With port 0 each listener has its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(SocketAddr, Option<Arc<str>>);

impl Key {
    pub fn of(listener: &Listener) -> Self {
        Self::new(listener.address, &listener.name)
    }

    /// Of the listener with that name and configured address.
    pub fn new(address: SocketAddr, name: &str) -> Self {
        Self(address, (address.port() == 0).then(|| name.into()))
    }
}

/// Sockets that nobody accepts from yet, and the addresses of all.
#[derive(Debug)]
pub struct Sockets {
    threads: usize,
    inherited: Inherited,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fresh: BTreeMap<Key, Fresh>,
    /// Where what is served listens.
    serving: BTreeMap<Key, Serving>,
    /// The admin API's.
    admin: Vec<Handed>,
}

#[derive(Debug)]
struct Fresh {
    bound: Bound,
    kept: Handed,
}

#[derive(Debug)]
struct Serving {
    address: SocketAddr,
    /// The same sockets that threads accept from, to be handed on.
    kept: Handed,
}

/// The new sockets of one thread.
pub type Share = Vec<(Key, TcpListener)>;

impl Sockets {
    /// For so many threads; what is in `inherited` is used before anything new.
    pub fn new(threads: usize, inherited: Inherited) -> Self {
        Self { threads, inherited, state: Mutex::default() }
    }

    /// The new sockets for a configuration that is about to be published, by thread. Those that it doesn't
    /// need are closed.
    pub fn take(&self, config: &Config) -> Vec<Share> {
        let wanted: BTreeSet<Key> = config.listeners.iter().map(Key::of).collect();
        let mut state = self.lock();
        state.serving.retain(|key, _| wanted.contains(key));
        let mut shares: Vec<Share> = (0..self.threads).map(|_| Share::new()).collect();
        for (key, Fresh { bound, kept }) in std::mem::take(&mut state.fresh) {
            if !wanted.contains(&key) {
                continue;
            }
            state.serving.insert(key.clone(), Serving { address: bound.address, kept });
            for (index, socket) in bound.sockets.into_iter().enumerate() {
                // A predecessor may have had more threads; its sockets are open, and somebody waits behind each.
                if let Some(share) = shares.get_mut(index % self.threads.max(1)) {
                    share.push((key.clone(), socket));
                }
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
        self.lock().serving.get(&Key::of(listener)).map(|serving| serving.address)
    }

    /// The socket of the admin API.
    ///
    /// # Errors
    /// The address can't be had.
    pub fn bind_admin(&self, admin: &Admin) -> Result<Bound, Problem> {
        let bound = self.bind_own(self.inherited.take_admin(admin.address), admin.address, "");
        bound.map_err(|error| problem(&admin.place, "admin.address".to_owned(), error, ""))
    }

    /// The socket for those who ask for health alone.
    ///
    /// # Errors
    /// The address can't be had.
    pub fn bind_probes(&self, probes: &Probes) -> Result<Bound, Problem> {
        let bound = self.bind_own(self.inherited.take_probes(probes.address), probes.address, PROBES);
        bound.map_err(|error| problem(&probes.place, "admin.probes.address".to_owned(), error, ""))
    }

    fn bind_own(&self, inherited: Vec<TcpListener>, address: SocketAddr, name: &str) -> Result<Bound, String> {
        let bound = if inherited.is_empty() {
            bind(address, 1).map_err(|error| error.to_string())?
        } else {
            adopt(inherited, 1).map_err(|error| error.to_string())?
        };
        let sockets = keep(&bound).map_err(|error| error.to_string())?;
        self.lock().admin.push(Handed { role: Role::Admin, name: name.into(), address, sockets });
        Ok(bound)
    }

    /// What the process was handed and has no use for.
    pub fn unused(&self) -> Vec<Handed> {
        self.inherited.rest()
    }

    /// All sockets once more, for a process that shall accept on them too.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn hand_on(&self) -> io::Result<Vec<Handed>> {
        let state = self.lock();
        let all = state.serving.values().map(|serving| &serving.kept).chain(&state.admin);
        all.map(|handed| {
            let sockets = handed.sockets.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
            Ok(Handed { role: handed.role, name: handed.name.clone(), address: handed.address, sockets })
        })
        .collect()
    }

    /// Keep none of them open any more; threads have theirs.
    pub fn let_go(&self) {
        let mut state = self.lock();
        state.admin.clear();
        state.serving.values_mut().for_each(|serving| serving.kept.sockets.clear());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, listener: &Listener) -> Result<Fresh, String> {
        let inherited = self.inherited.take_listener(&listener.name, listener.address);
        let bound = if inherited.is_empty() {
            bind(listener.address, self.threads).map_err(|error| error.to_string())?
        } else {
            adopt(inherited, self.threads).map_err(|error| format!("the socket that was handed over: {error}"))?
        };
        let sockets = keep(&bound).map_err(|error| error.to_string())?;
        let (name, address) = (listener.name.clone(), listener.address);
        Ok(Fresh { bound, kept: Handed { role: Role::Listener, name, address, sockets } })
    }
}

fn keep(bound: &Bound) -> io::Result<Vec<TcpListener>> {
    bound.sockets.iter().map(TcpListener::try_clone).collect()
}

impl Prepare for Sockets {
    fn prepare(&self, config: &Config) -> Result<(), Vec<Problem>> {
        let mut state = self.lock();
        let mut opened = Vec::new();
        let mut problems = Vec::new();
        for listener in &config.listeners {
            let key = Key::of(listener);
            if state.serving.contains_key(&key) || state.fresh.contains_key(&key) {
                continue;
            }
            match self.open(listener) {
                Ok(fresh) => opened.push((key, fresh)),
                Err(error) => problems.push(problem(
                    &listener.place,
                    format!("listener \"{}\": address", listener.name),
                    error,
                    "",
                )),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        state.fresh.extend(opened);
        Ok(())
    }
}
