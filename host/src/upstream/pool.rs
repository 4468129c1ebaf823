//! Idle connections of one thread. Nothing here locks, and no request waits for it. One task for each
//! endpoint looks after connections that end or say something while nobody uses them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::connection::{Connection, Ends};
use super::http2::Sessions;
use super::places::{Keeper, Places};
use super::receiving::Scratch;
use super::sharing::Wanting;
use super::tls::Tls;
use crate::config::model::{Address, ClusterProtocol, Keepalive};
use crate::proxy_protocol::Version;

/// Idle connections kept for one endpoint on one thread; more are closed.
const MAX_IDLE: usize = 256;

/// Where a thread's clusters, of this snapshot and the next, find the same connections.
pub struct Pool {
    endpoints: RefCell<HashMap<Key, Weak<EndpointPool>>>,
    scratch: Rc<Scratch>,
}

/// What connections to an endpoint are like.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    pub tls: Option<Arc<Tls>>,
    pub protocol: ClusterProtocol,
    /// Requests at once on one connection of HTTP/2.
    pub most_streams: u32,
    pub keepalive: Keepalive,
    /// How long one may stay unused.
    pub keep_alive: Duration,
    /// What they begin with: it tells whose they are, so that they are for those alone.
    pub proxy_protocol: Option<Version>,
    /// How many there may be.
    pub places: Option<Arc<Places>>,
}

/// What is the same for connections that are alike.
pub(super) type Likeness = (usize, ClusterProtocol, u32, (Keepalive, Duration), Option<Version>);

impl Manner {
    /// Of TLS it has the place in memory, where no other can be as long as somebody holds on to it.
    pub fn likeness(&self) -> Likeness {
        let tls = self.tls.as_ref().map_or(0, |tls| Arc::as_ptr(tls).addr());
        (tls, self.protocol, self.most_streams, (self.keepalive, self.keep_alive), self.proxy_protocol)
    }

    /// The same for those who may share connections: they count against the same limit too.
    fn key(&self) -> (Likeness, usize) {
        (self.likeness(), self.places.as_ref().map_or(0, |places| Arc::as_ptr(places).addr()))
    }
}

/// An address, and what connections to it are like; a pool holds on to what is named by its place in memory.
type Key = (Address, (Likeness, usize));

/// Idle connections to one address. They close when the last cluster that uses it is gone.
pub(super) struct EndpointPool {
    address: Address,
    manner: Manner,
    /// Connections that exchanges share.
    sessions: Sessions,
    /// The one used last at the end.
    #[expect(clippy::vec_box, reason = "they come in boxes and leave in them")]
    idle: RefCell<Vec<Box<Connection>>>,
    /// What it has to do with others if there is a limit.
    pub(super) keeper: Option<Keeper>,
    /// Who waits for one of its connections.
    pub(super) wanting: Wanting,
    scratch: Rc<Scratch>,
    /// Wakes the watching task, once there is one.
    watcher: RefCell<Option<Waker>>,
    /// Its timer will ring, or it will set one when it starts.
    armed: Cell<bool>,
}

impl Pool {
    pub fn new() -> Rc<Self> {
        Rc::new(Self { endpoints: RefCell::default(), scratch: Scratch::new() })
    }

    pub(super) fn endpoint(&self, address: &Address, manner: &Manner) -> Rc<EndpointPool> {
        let mut endpoints = self.endpoints.borrow_mut();
        let key = (address.clone(), manner.key());
        if let Some(known) = endpoints.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        endpoints.retain(|_, pool| pool.strong_count() > 0);
        let new = Rc::new(EndpointPool {
            address: address.clone(),
            manner: manner.clone(),
            sessions: Sessions::default(),
            idle: RefCell::default(),
            keeper: manner.places.as_ref().map(Keeper::new),
            wanting: Wanting::default(),
            scratch: Rc::clone(&self.scratch),
            watcher: RefCell::default(),
            armed: Cell::new(false),
        });
        endpoints.insert(key, Rc::downgrade(&new));
        new
    }
}

impl EndpointPool {
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub fn tls(&self) -> Option<&Tls> {
        self.manner.tls.as_deref()
    }

    pub fn protocol(&self) -> ClusterProtocol {
        self.manner.protocol
    }

    pub fn most_streams(&self) -> u32 {
        self.manner.most_streams
    }

    pub fn proxy_protocol(&self) -> Option<Version> {
        self.manner.proxy_protocol
    }

    /// How long a connection may stay unused.
    pub fn keep_alive(&self) -> Duration {
        self.manner.keep_alive
    }

    pub fn keepalive(&self) -> Keepalive {
        self.manner.keepalive
    }

    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub fn scratch(&self) -> &Rc<Scratch> {
        &self.scratch
    }

    /// The connection used last, since it is the least likely to be closed soon. If it tells whose it is, one of these.
    pub fn take(&self, ends: Option<Ends>) -> Option<Box<Connection>> {
        loop {
            // In a statement of its own: dropping a connection must not find the cell borrowed.
            let mut last = match self.manner.proxy_protocol {
                None => self.idle.borrow_mut().pop()?,
                Some(_) => self.last_of(ends)?,
            };
            // The watcher may not have had its turn since the connection ended.
            if last.is_silent(&mut Context::from_waker(Waker::noop())) {
                return Some(last);
            }
        }
    }

    /// Keep a connection for the next one who needs it.
    pub fn put(self: &Rc<Self>, connection: Box<Connection>) {
        if self.keeper.is_none() {
            return self.keep(connection);
        }
        if let Some(connection) = self.pass_on(connection) {
            self.keep(connection);
            self.tell_idle();
        }
    }

    fn last_of(&self, ends: Option<Ends>) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        let index = idle.iter().rposition(|connection| connection.ends() == ends)?;
        Some(idle.remove(index))
    }

    fn keep(self: &Rc<Self>, mut connection: Box<Connection>) {
        if self.idle.borrow().len() >= MAX_IDLE {
            match self.manner.proxy_protocol {
                None => return,
                // Those of clients that have gone are of no use to anybody.
                Some(_) => drop(self.oldest()),
            }
        }
        let watcher = self.watcher.borrow();
        let Some(watcher) = &*watcher else {
            // It will look at the connection when it starts.
            self.idle.borrow_mut().push(connection);
            self.begin_to_watch();
            return;
        };
        // Whatever ends the connection from now on wakes the watcher, which had no turn for it yet.
        if connection.is_silent(&mut Context::from_waker(watcher)) {
            self.idle.borrow_mut().push(connection);
            if !self.armed.get() {
                watcher.wake_by_ref();
            }
        }
    }

    /// Start the task that watches, unless it runs.
    pub(super) fn begin_to_watch(self: &Rc<Self>) {
        if !self.armed.replace(true) {
            tokio::task::spawn_local(Watch { pool: Rc::downgrade(self), timer: None });
        }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watcher.borrow().is_some()
    }

    /// Have the task look at once.
    pub(super) fn wake_watcher(&self) {
        if let Some(watcher) = &*self.watcher.borrow() {
            watcher.wake_by_ref();
        }
    }

    /// The connection that has been idle for longest.
    pub(super) fn oldest(&self) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() { None } else { Some(idle.remove(0)) }
    }

    /// Idle connections that nobody shares.
    pub fn len(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Close what has ended, what speaks out of turn, and what nobody used for too long. The moment when the
    /// next will have been idle for too long.
    fn sweep(&self, cx: &mut Context<'_>) -> Option<Instant> {
        let (now, most) = (Instant::now(), self.keep_alive());
        // Apart, so that connections are dropped while the cell isn't borrowed.
        let mut kept = self.idle.take();
        kept.retain_mut(|connection| {
            now.saturating_duration_since(connection.idle_since()) < most && connection.is_silent(cx)
        });
        let first = kept.first().map(|connection| connection.idle_since() + most);
        self.idle.replace(kept);
        first
    }
}

impl Drop for EndpointPool {
    fn drop(&mut self) {
        // The task finds nothing to watch, and ends.
        if let Some(watcher) = self.watcher.take() {
            watcher.wake();
        }
    }
}

/// The task that watches the idle connections to one endpoint.
struct Watch {
    pool: Weak<EndpointPool>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Future for Watch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pool) = self.pool.upgrade() else { return Poll::Ready(()) };
        pool.watcher.replace(Some(cx.waker().clone()));
        pool.give_way(cx.waker());
        let mut next = pool.sweep(cx);
        // The timer rings when the first of those that are idle now will have been so for too long; it is
        // set again only then.
        while let Some(deadline) = next {
            let deadline = tokio::time::Instant::from_std(deadline);
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            pool.armed.set(true);
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            next = pool.sweep(cx);
        }
        pool.armed.set(self.timer.as_ref().is_some_and(|timer| !timer.is_elapsed()));
        Poll::Pending
    }
}
