//! How the connections of a cluster with a limit get from those who have them to those who need them. A pool passes its own
//! on to its own, which costs nothing, until somebody of another thread or endpoint has waited for long; it closes idle
//! ones when anybody waits.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

use tokio::sync::oneshot;

use super::connection::Connection;
use super::http2::Session;
use super::places::{Keeper, Place, Ticket, Turn};
use super::pool::EndpointPool;
use crate::error::Error;

/// Those who wait for a connection of one pool, in their order.
pub(super) type Wanting = RefCell<VecDeque<oneshot::Sender<Box<Connection>>>>;

/// What there is for who needs a connection.
pub(super) enum Entry {
    /// One that was in use meanwhile.
    Used(Box<Connection>),
    /// Room for a new one; none where there is no limit.
    New(Option<Place>),
}

impl EndpointPool {
    /// Room for one more connection, or one that has become free meanwhile, unless it has to be `fresh`.
    ///
    /// # Errors
    /// [`Error::Overloaded`]: too many wait, or it took too long.
    pub async fn enter(&self, fresh: bool) -> Result<Entry, Error> {
        let Some(keeper) = &self.keeper else { return Ok(Entry::New(None)) };
        match keeper.join()? {
            Turn::Now(place) => Ok(Entry::New(Some(place))),
            // Apart, so that others don't pay for it.
            Turn::Later(ticket) => Box::pin(self.wait(keeper, ticket, fresh)).await,
        }
    }

    async fn wait(&self, keeper: &Keeper, mut ticket: Ticket, fresh: bool) -> Result<Entry, Error> {
        let (sender, receiver) = oneshot::channel();
        if !fresh {
            let mut wanting = self.wanting.borrow_mut();
            wanting.retain(|sender| !sender.is_closed());
            wanting.push_back(sender);
        }
        let passed_on = async {
            match receiver.await {
                Ok(connection) => connection,
                // It isn't wanted.
                Err(_) => std::future::pending().await,
            }
        };
        let waiting = async {
            tokio::select! {
                biased;
                connection = passed_on => Entry::Used(connection),
                place = ticket.called() => Entry::New(Some(place)),
            }
        };
        tokio::time::timeout(keeper.wait(), waiting).await.map_err(|_| Error::Overloaded)
    }

    /// Hand a connection that is free to whom it is due to. None if it is handed over, or closed for somebody elsewhere.
    pub(super) fn pass_on(&self, mut connection: Box<Connection>) -> Option<Box<Connection>> {
        let Some(keeper) = self.keeper.as_ref().filter(|keeper| keeper.is_wanted()) else { return Some(connection) };
        if keeper.is_overdue_elsewhere() || !connection.is_silent(&mut Context::from_waker(Waker::noop())) {
            return None;
        }
        loop {
            // In a statement of its own: what is dropped must not find the cell borrowed.
            let next = self.wanting.borrow_mut().pop_front();
            let Some(next) = next else { break };
            match next.send(connection) {
                Ok(()) => return None,
                Err(back) => connection = back,
            }
        }
        if keeper.is_wanted() { None } else { Some(connection) }
    }

    /// Close idle connections as long as anybody waits, and be told when somebody does.
    pub(super) fn give_way(&self, waker: &Waker) {
        let Some(keeper) = &self.keeper else { return };
        keeper.watch(waker);
        while keeper.is_wanted()
            && let Some(oldest) = self.oldest()
        {
            drop(oldest);
        }
        if keeper.is_wanted_elsewhere() {
            self.sessions().retire_idle();
        }
        // Not more than was told before: who begins to wait now wakes us.
        let _ = keeper.set_idle(self.len() + self.sessions().idle());
    }

    /// Say what others may have if they need it.
    pub(super) fn tell_idle(&self) {
        if let Some(keeper) = &self.keeper
            && keeper.set_idle(self.len() + self.sessions().idle())
        {
            self.wake_watcher();
        }
    }

    /// A stream is over that went over `session`: keep it, or close it for those who wait elsewhere.
    pub(super) fn stream_over(self: &Rc<Self>, session: &Session) {
        let Some(keeper) = &self.keeper else { return };
        let is_idle = session.is_idle();
        if keeper.is_overdue_elsewhere() || is_idle && keeper.is_wanted_elsewhere() {
            session.retire();
        } else if is_idle {
            if !self.is_watched() {
                self.begin_to_watch();
            }
            self.tell_idle();
        }
    }
}
