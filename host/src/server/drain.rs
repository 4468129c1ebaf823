//! The open connections of one listener on one thread: so that they can be asked to end, and waited for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use tokio::sync::Notify;

use crate::telemetry::metrics::{ConnectionLife, ListenerMetrics};

/// Connections that end together, when their listener is removed or the gateway stops.
pub struct Connections {
    listener: Arc<str>,
    metrics: Arc<ListenerMetrics>,
    draining: Cell<bool>,
    next: Cell<u64>,
    members: RefCell<HashMap<u64, Option<Waker>>>,
    changed: Notify,
}

impl Connections {
    /// Of the named listener.
    pub fn new(listener: Arc<str>, metrics: Arc<ListenerMetrics>) -> Rc<Self> {
        Rc::new(Self {
            listener,
            metrics,
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

    /// Idle ones close now, the others after the answers that are on their way.
    pub fn drain(&self) {
        self.draining.set(true);
        // In a statement of its own: what is woken may register itself again.
        let wakers: Vec<Waker> = self.members.borrow().values().flatten().cloned().collect();
        wakers.iter().for_each(Waker::wake_by_ref);
        self.changed.notify_waiters();
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

    pub(super) fn join(self: &Rc<Self>) -> Membership {
        let id = self.next.get();
        self.next.set(id + 1);
        self.members.borrow_mut().insert(id, None);
        Membership { connections: Rc::clone(self), id, _life: self.metrics.connection() }
    }
}

/// A connection's place among the others, until it is dropped.
pub(super) struct Membership {
    connections: Rc<Connections>,
    id: u64,
    _life: ConnectionLife,
}

impl Membership {
    pub fn connections(&self) -> &Rc<Connections> {
        &self.connections
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
