//! The open connections of one listener on one thread: so that they can be asked to end, and waited for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use tokio::sync::Notify;

use super::gate::{Gate, Place};
use crate::telemetry::metrics::{ConnectionLife, ListenerMetrics};

/// Connections that end together, when their listener is removed or the gateway stops.
pub struct Connections {
    listener: Arc<str>,
    metrics: Arc<ListenerMetrics>,
    gate: Arc<Gate>,
    leaving: Cell<bool>,
    draining: Cell<bool>,
    next: Cell<u64>,
    members: RefCell<HashMap<u64, Option<Waker>>>,
    changed: Notify,
}

impl Connections {
    /// Of the named listener, without limits.
    pub fn new(listener: Arc<str>, metrics: Arc<ListenerMetrics>) -> Rc<Self> {
        Self::with_gate(listener, metrics, Arc::default())
    }

    /// Of the named listener, as many as its gate lets in.
    pub fn with_gate(listener: Arc<str>, metrics: Arc<ListenerMetrics>, gate: Arc<Gate>) -> Rc<Self> {
        Rc::new(Self {
            listener,
            metrics,
            gate,
            leaving: Cell::default(),
            draining: Cell::default(),
            next: Cell::default(),
            members: RefCell::default(),
            changed: Notify::default(),
        })
    }

    pub(super) fn metrics(&self) -> &ListenerMetrics {
        &self.metrics
    }

    pub(super) fn listener(&self) -> &Arc<str> {
        &self.listener
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ask clients to go, and serve them as long as they stay: answers of HTTP/1 are the last of their connections,
    /// and clients of HTTP/2 are told to open no more streams. Idle ones stay, since their next requests may be on
    /// their way.
    pub fn leave(&self) {
        self.leaving.set(true);
        self.wake();
    }

    /// Idle ones close now, the others after the answers that are on their way.
    pub fn drain(&self) {
        self.leaving.set(true);
        self.draining.set(true);
        self.wake();
        self.changed.notify_waiters();
    }

    fn wake(&self) {
        // In a statement of its own: what is woken may register itself again.
        let wakers: Vec<Waker> = self.members.borrow().values().flatten().cloned().collect();
        wakers.iter().for_each(Waker::wake_by_ref);
    }

    /// Wait until the last one is closed.
    pub async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Whether an answer has to be the last of its connection, on which so many requests were served.
    pub(super) fn is_last(&self, served: u64) -> bool {
        let most = self.gate.requests();
        self.leaving.get() || (most > 0 && served >= most)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Wait for [`Self::drain`], and for a turn in which what was received until then can be read.
    pub(super) async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_draining() {
                break;
            }
            changed.await;
        }
        tokio::task::yield_now().await;
    }

    /// A place for a new connection, if there is one. `client` is whose it is, unless that isn't known yet.
    pub(super) fn join(self: &Rc<Self>, client: Option<IpAddr>) -> Option<Membership> {
        let life = self.metrics.connection();
        let entered = self.gate.enter().and_then(|mut place| {
            client.map_or(Ok(()), |client| place.belongs_to(client))?;
            Ok(place)
        });
        let place = match entered {
            Ok(place) => place,
            Err(reason) => {
                self.metrics.refused(reason);
                return None;
            }
        };
        let id = self.next.get();
        self.next.set(id + 1);
        self.members.borrow_mut().insert(id, None);
        Some(Membership { connections: Rc::clone(self), id, place, _life: life })
    }
}

/// A connection's place among the others, until it is dropped.
pub(super) struct Membership {
    connections: Rc<Connections>,
    id: u64,
    place: Place,
    _life: ConnectionLife,
}

impl Membership {
    pub fn connections(&self) -> &Rc<Connections> {
        &self.connections
    }

    /// Whose connection it turned out to be.
    ///
    /// # Errors
    /// The client has as many as it may have.
    pub fn belongs_to(&mut self, client: IpAddr) -> Result<(), &'static str> {
        self.place.belongs_to(client)
    }

    /// Whom to wake when draining starts.
    pub fn set_waker(&self, waker: &Waker) {
        self.connections.members.borrow_mut().insert(self.id, Some(waker.clone()));
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.connections.members.borrow_mut().remove(&self.id);
        if self.connections.is_empty() {
            self.connections.changed.notify_waiters();
        }
    }
}
