//! Room for open connections to the endpoints of one cluster, over all threads. Who finds none waits his turn; pools with
//! idle connections are woken, so that they close some for those who wait. Nothing here connects or closes anything.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::Error;

/// Byte streams, which aren't kept by any pool.
const NO_POOL: u64 = 0;

/// The part of the longest wait for which pools may pass connections on among their own.
const PATIENCE: u32 = 4;

/// How many connections there may be. Locked only to open and to close one, and while somebody waits.
#[derive(Debug)]
pub(super) struct Places {
    pending: usize,
    wait: Duration,
    state: Mutex<State>,
    /// How many wait, for those who look before they lock.
    waiting: AtomicU32,
}

#[derive(Debug)]
struct State {
    free: u32,
    queue: VecDeque<Waiter>,
    keepers: Vec<Kept>,
    /// The last number given to anybody.
    last: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    pool: u64,
    since: Instant,
    sender: oneshot::Sender<Place>,
}

/// A pool as others see it.
#[derive(Debug)]
struct Kept {
    pool: u64,
    idle: Arc<AtomicU32>,
    waker: Option<Waker>,
}

impl Places {
    /// `most` connections; `pending` may wait, each as long as `wait`.
    pub fn new(most: u32, pending: u32, wait: Duration) -> Self {
        let state = State { free: most, queue: VecDeque::new(), keepers: Vec::new(), last: NO_POOL };
        let pending = usize::try_from(pending).unwrap_or(usize::MAX);
        Self { pending, wait, state: Mutex::new(state), waiting: AtomicU32::new(0) }
    }

    /// Room for a byte stream, maybe after a while.
    ///
    /// # Errors
    /// [`Error::Overloaded`]: too many wait, or it took too long.
    pub async fn enter(self: &Arc<Self>) -> Result<Place, Error> {
        match self.join(NO_POOL)? {
            Turn::Now(place) => Ok(place),
            Turn::Later(mut ticket) => {
                tokio::time::timeout(self.wait, ticket.called()).await.map_err(|_| Error::Overloaded)
            }
        }
    }

    fn join(self: &Arc<Self>, pool: u64) -> Result<Turn, Error> {
        let mut state = self.lock();
        if state.free > 0 {
            state.free -= 1;
            return Ok(Turn::Now(Place { places: Some(Arc::clone(self)), after: NO_POOL }));
        }
        if state.queue.len() >= self.pending {
            return Err(Error::Overloaded);
        }
        state.last += 1;
        let number = state.last;
        let (sender, receiver) = oneshot::channel();
        state.queue.push_back(Waiter { number, pool, since: Instant::now(), sender });
        self.tell(&state);
        // Either these see somebody waiting when they become idle, or we see that they are.
        let idle = state.keepers.iter().filter(|kept| kept.idle.load(SeqCst) > 0);
        idle.filter_map(|kept| kept.waker.as_ref()).for_each(Waker::wake_by_ref);
        Ok(Turn::Later(Ticket { places: Arc::clone(self), number, receiver }))
    }

    /// A place is free: the first who waits gets it, but one of the pool `after` only if nobody else does.
    fn release(self: Arc<Self>, after: u64) {
        let mut place = Place { places: Some(Arc::clone(&self)), after: NO_POOL };
        loop {
            let mut state = self.lock();
            let other = state.queue.iter().position(|waiter| waiter.pool != after || after == NO_POOL);
            let Some(next) = state.queue.remove(other.unwrap_or_default()) else {
                state.free += 1;
                // It isn't released a second time.
                place.places = None;
                return;
            };
            self.tell(&state);
            // Who has gone meanwhile takes the lock when it drops what it was sent.
            drop(state);
            match next.sender.send(place) {
                Ok(()) => return,
                Err(back) => place = back,
            }
        }
    }

    fn tell(&self, state: &State) {
        self.waiting.store(u32::try_from(state.queue.len()).unwrap_or(u32::MAX), SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Option<Arc<Places>>,
    /// The pool that comes last for it.
    after: u64,
}

impl Place {
    /// When it is free, others than `keeper` get it first.
    pub fn for_others_than(mut self, keeper: &Keeper) -> Self {
        self.after = keeper.pool;
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.places.take() {
            places.release(self.after);
        }
    }
}

/// When there is room.
pub(super) enum Turn {
    Now(Place),
    Later(Ticket),
}

/// A turn in the queue, given up when dropped.
pub(super) struct Ticket {
    places: Arc<Places>,
    number: u64,
    receiver: oneshot::Receiver<Place>,
}

impl Ticket {
    /// Wait for the turn. May be dropped and called again, as long as it wasn't ready.
    pub async fn called(&mut self) -> Place {
        match (&mut self.receiver).await {
            Ok(place) => place,
            // Nobody in the queue is left out of it.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        if let Some(index) = state.queue.iter().position(|waiter| waiter.number == self.number) {
            drop(state.queue.remove(index));
            self.places.tell(&state);
        }
    }
}

/// A pool of one thread that keeps connections with places.
#[derive(Debug)]
pub(super) struct Keeper {
    places: Arc<Places>,
    pool: u64,
    idle: Arc<AtomicU32>,
}

impl Keeper {
    pub fn new(places: &Arc<Places>) -> Self {
        let mut state = places.lock();
        state.last += 1;
        let (pool, idle) = (state.last, Arc::new(AtomicU32::new(0)));
        state.keepers.push(Kept { pool, idle: Arc::clone(&idle), waker: None });
        drop(state);
        Self { places: Arc::clone(places), pool, idle }
    }

    /// Room for one more connection, now or later.
    ///
    /// # Errors
    /// [`Error::Overloaded`]: too many wait.
    pub fn join(&self) -> Result<Turn, Error> {
        self.places.join(self.pool)
    }

    /// How long anybody may wait.
    pub fn wait(&self) -> Duration {
        self.places.wait
    }

    /// How many may wait.
    pub fn pending(&self) -> usize {
        self.places.pending
    }

    /// Say how many idle connections there are. True if somebody waits for the place of one.
    pub fn set_idle(&self, count: usize) -> bool {
        self.idle.store(u32::try_from(count).unwrap_or(u32::MAX), SeqCst);
        count > 0 && self.is_wanted()
    }

    /// Wake this when somebody waits and this pool has idle connections.
    pub fn watch(&self, waker: &Waker) {
        let mut state = self.places.lock();
        if let Some(own) = state.keepers.iter_mut().find(|kept| kept.pool == self.pool) {
            own.waker = Some(waker.clone());
        }
    }

    /// Whether anybody waits.
    pub fn is_wanted(&self) -> bool {
        self.places.waiting.load(SeqCst) > 0
    }

    /// Whether anybody waits but those of this pool.
    pub fn is_wanted_elsewhere(&self) -> bool {
        self.is_wanted() && self.places.lock().queue.iter().any(|waiter| waiter.pool != self.pool)
    }

    /// Whether one of them has waited for so long that it is his turn.
    pub fn is_overdue_elsewhere(&self) -> bool {
        let long = self.places.wait / PATIENCE;
        let others = |waiter: &&Waiter| waiter.pool != self.pool;
        // The first of them has waited longest.
        self.is_wanted()
            && self.places.lock().queue.iter().find(others).is_some_and(|waiter| waiter.since.elapsed() >= long)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.places.lock().keepers.retain(|kept| kept.pool != self.pool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(places: &Arc<Places>, keeper: &Keeper) -> Place {
        assert!(Arc::ptr_eq(places, &keeper.places));
        match keeper.join().unwrap() {
            Turn::Now(place) => place,
            Turn::Later(_) => panic!("there is room"),
        }
    }

    fn later(keeper: &Keeper) -> Ticket {
        match keeper.join().unwrap() {
            Turn::Later(ticket) => ticket,
            Turn::Now(_) => panic!("there is no room"),
        }
    }

    #[tokio::test]
    async fn places_go_to_those_who_wait_in_their_order() {
        let places = Arc::new(Places::new(1, 2, Duration::from_secs(5)));
        let (here, there) = (Keeper::new(&places), Keeper::new(&places));
        let place = now(&places, &here);
        let (gone, mut first) = (later(&here), later(&there));
        assert!(here.join().is_err(), "two may wait");
        drop(gone);
        let mut second = later(&here);
        drop(place);
        let place = first.called().await;
        drop(place);
        let place = second.called().await;
        assert!(!here.is_wanted());
        drop(place);
        drop(now(&places, &there));
    }

    #[tokio::test]
    async fn a_place_may_be_meant_for_others_first() {
        let places = Arc::new(Places::new(1, 9, Duration::from_secs(5)));
        let (here, there) = (Keeper::new(&places), Keeper::new(&places));
        let place = now(&places, &here).for_others_than(&here);
        let (mut own, mut other) = (later(&here), later(&there));
        assert!(here.is_wanted_elsewhere() && !here.is_overdue_elsewhere());
        drop(place);
        drop(other.called().await);
        drop(own.called().await);
    }

    #[tokio::test]
    async fn a_turn_that_nobody_takes_is_passed_on() {
        let places = Arc::new(Places::new(1, 9, Duration::ZERO));
        let here = Keeper::new(&places);
        let place = now(&places, &here);
        let (missed, mut next) = (later(&here), later(&here));
        drop(place);
        drop(missed);
        drop(next.called().await);
        drop(now(&places, &here));
        let _place = now(&places, &here);
        assert_eq!(places.enter().await.err(), Some(Error::Overloaded), "who may not wait at all");
    }

    #[test]
    fn who_has_idle_ones_is_woken() {
        struct Count(AtomicU32);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let places = Arc::new(Places::new(1, 9, Duration::from_secs(5)));
        let (here, there) = (Keeper::new(&places), Keeper::new(&places));
        let count = Arc::new(Count(AtomicU32::new(0)));
        here.watch(&Waker::from(Arc::clone(&count)));
        let _place = now(&places, &here);
        let first = later(&there);
        assert_eq!(count.0.load(SeqCst), 0, "it is in use");
        drop(first);
        assert!(!here.set_idle(1));
        let _second = later(&there);
        assert_eq!(count.0.load(SeqCst), 1);
        assert!(here.set_idle(1), "somebody waits");
    }
}
