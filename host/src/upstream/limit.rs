//! Circuit breakers: so many requests, connections and retries at once for a cluster, over all threads. Who finds no
//! room waits a little, and some may; the others are turned away at once, before a slow service drags everybody down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::places::Places;
use crate::config::model::ClusterLimits;
use crate::error::Error;

/// Room for one, until it is dropped.
pub(super) type Room = OwnedSemaphorePermit;

/// The limits of one cluster. Carried over reloads as long as they stay the same.
#[derive(Debug)]
pub(super) struct Limits {
    config: ClusterLimits,
    pub requests: Option<Gate>,
    pub connections: Option<Arc<Places>>,
    retries: Option<Arc<Semaphore>>,
}

/// One limit, and those who wait for room.
#[derive(Debug)]
pub(super) struct Gate {
    room: Arc<Semaphore>,
    waiting: AtomicU32,
    pending: u32,
    wait: Duration,
}

impl Limits {
    pub fn new(config: &ClusterLimits) -> Self {
        let room =
            |most: Option<u32>| Some(Arc::new(Semaphore::new(usize::try_from(most?).unwrap_or(usize::MAX >> 3))));
        let gate = |most| {
            Some(Gate { room: room(most)?, waiting: AtomicU32::new(0), pending: config.pending, wait: config.wait })
        };
        Self {
            requests: gate(config.requests),
            connections: config.connections.map(|most| Arc::new(Places::new(most, config.pending, config.wait))),
            retries: room(config.retries),
            config: config.clone(),
        }
    }

    pub fn is(&self, config: &ClusterLimits) -> bool {
        self.config == *config
    }

    /// Room for a retry; an error if there is none.
    pub fn retry(&self) -> Result<Option<Room>, ()> {
        match &self.retries {
            Some(retries) => Arc::clone(retries).try_acquire_owned().map(Some).map_err(|_| ()),
            None => Ok(None),
        }
    }
}

impl Gate {
    /// Come in, maybe after a while.
    ///
    /// # Errors
    /// [`Error::Overloaded`]: too many wait, or it took too long.
    pub async fn enter(&self) -> Result<Room, Error> {
        if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
            return Ok(room);
        }
        let Some(_waiting) = Waiting::join(self) else { return Err(Error::Overloaded) };
        // The semaphore is never closed.
        match tokio::time::timeout(self.wait, Arc::clone(&self.room).acquire_owned()).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Error::Overloaded),
        }
    }
}

/// One in the queue.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn join(gate: &'a Gate) -> Option<Self> {
        let this = Self(&gate.waiting);
        (gate.waiting.fetch_add(1, Relaxed) < gate.pending).then_some(this)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
