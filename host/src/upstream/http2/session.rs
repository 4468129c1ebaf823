//! One connection that many exchanges share, as they see it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;

use super::driver::Driver;
use super::{MAX_HEAD, SEND_BUFFER, STREAM_WINDOW};
use crate::config::model::Keepalive;
use crate::error::Error;
use crate::io::Transport;
use crate::upstream::places::Place;
use crate::upstream::pool::EndpointPool;

/// A connection. It ends when nobody has it any more and its streams have ended.
pub(in crate::upstream) struct Session {
    /// None once nothing new may be sent.
    sender: RefCell<Option<SendRequest<Bytes>>>,
    leases: Cell<u32>,
    /// Streams at once.
    most: u32,
    idle_since: Cell<Instant>,
    /// Something of an answer has come since this was last looked at.
    heard: Cell<bool>,
    /// A stream begins after a silence, in which the endpoint may have gone without a word.
    in_doubt: Cell<bool>,
    /// Wakes the task.
    driver: RefCell<Option<Waker>>,
    keepalive: Keepalive,
    keep_alive: Duration,
    /// Why it broke, until that is told.
    broken: RefCell<Option<Error>>,
    pool: Weak<EndpointPool>,
}

impl Session {
    /// Begin on an open connection, with at most `most` streams at once, and wait until the endpoint has shown that it
    /// speaks HTTP/2: its answer to a ping comes behind its settings.
    ///
    /// # Errors
    /// [`Error::Malformed`]: it speaks something else.
    pub async fn start(transport: Transport, pool: &Rc<EndpointPool>, place: Option<Place>) -> Result<Rc<Self>, Error> {
        let most = pool.most_streams();
        let handshake = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW.saturating_mul(most).min(MOST_WINDOW))
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(MAX_HEAD)
            .handshake(transport)
            .await;
        let (sender, connection) = handshake.map_err(|error| failure(&error))?;
        let session = Rc::new(Self {
            sender: RefCell::new(Some(sender)),
            leases: Cell::new(0),
            most,
            idle_since: Cell::new(Instant::now()),
            heard: Cell::new(false),
            in_doubt: Cell::new(false),
            driver: RefCell::default(),
            keepalive: pool.keepalive(),
            keep_alive: pool.keep_alive(),
            broken: RefCell::default(),
            pool: Rc::downgrade(pool),
        });
        // Who waits elsewhere needs it more than those who have one already.
        let place = place.map(|place| pool.keeper.iter().fold(place, Place::for_others_than));
        let greeted = Driver::start(connection, &session, place);
        match greeted.await {
            Ok(()) => Ok(session),
            Err(_) => Err(session.broken.take().unwrap_or(Error::Reset)),
        }
    }

    /// Room for one stream, if there is some.
    pub fn lease(self: &Rc<Self>) -> Option<Lease> {
        let mut sender = self.sender.borrow_mut();
        let ready = sender.as_mut()?.poll_ready(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Err(_)) = ready {
            // It has said that it goes away, or is gone.
            drop(sender.take());
            return None;
        }
        let most = sender.as_ref().map_or(0, SendRequest::current_max_send_streams);
        let fits = u32::try_from(most).unwrap_or(u32::MAX).min(self.most) > self.leases.get();
        (ready.is_ready() && fits).then(|| {
            if self.is_idle() && self.idle_since.get().elapsed() > self.keepalive.interval {
                self.in_doubt.set(true);
                self.wake();
            }
            self.leases.set(self.leases.get() + 1);
            Lease(Rc::clone(self))
        })
    }

    /// Something has come that isn't an answer to a ping.
    pub fn hear(&self) {
        self.heard.set(true);
    }

    /// Whether anything was heard since the last time.
    pub(super) fn was_heard(&self) -> bool {
        self.heard.take()
    }

    /// Whether a sign of life is wanted at once.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.take()
    }

    pub(super) fn keepalive(&self) -> Keepalive {
        self.keepalive
    }

    /// How long it may stay unused.
    pub(super) fn keep_alive(&self) -> Duration {
        self.keep_alive
    }

    pub(super) fn driven_by(&self, waker: &Waker) {
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *driver = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(driver) = &*self.driver.borrow() {
            driver.wake_by_ref();
        }
    }

    /// It has ended, for that reason.
    pub(super) fn end(&self, reason: Option<Error>) {
        self.broken.replace(reason);
        self.retire();
    }

    /// Whether it has no streams.
    pub fn is_idle(&self) -> bool {
        self.leases.get() == 0
    }

    /// Send nothing new on it.
    pub fn retire(&self) {
        // In a statement of its own: dropping it must not find the cell borrowed.
        let sender = self.sender.take();
        drop(sender);
    }

    pub fn is_retired(&self) -> bool {
        self.sender.borrow().is_none()
    }

    /// Since when it has no streams; none if it has some.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.is_idle().then(|| self.idle_since.get())
    }
}

/// The most that the windows of a connection's streams are together.
const MOST_WINDOW: u32 = 64 << 20;

/// Why a connection ended.
pub(super) fn failure(error: &h2::Error) -> Error {
    match error.get_io().map(crate::upstream::tls::fault) {
        Some(Some(fault)) => Error::Tls(fault),
        Some(None) => Error::Reset,
        None => Error::Malformed,
    }
}

/// Room for one stream, until it is dropped.
pub(in crate::upstream) struct Lease(Rc<Session>);

impl Lease {
    pub fn session(&self) -> &Rc<Session> {
        &self.0
    }

    /// Open the stream.
    ///
    /// # Errors
    /// The connection has ended, or ends; nothing was sent.
    pub(super) fn send(&self, head: Request<()>, ends: bool) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        match &mut *self.0.sender.borrow_mut() {
            Some(sender) => sender.send_request(head, ends),
            None => Err(h2::Reason::REFUSED_STREAM.into()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.leases.set(self.0.leases.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
        if let Some(pool) = self.0.pool.upgrade() {
            pool.sessions().serve();
            pool.stream_over(&self.0);
        }
    }
}
