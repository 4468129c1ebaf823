//! One connection that many exchanges share, and the task that drives it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{Ping, SendStream};
use http::Request;
use tokio::time::Sleep;

use super::{MAX_HEAD, SEND_BUFFER, STREAM_WINDOW};
use crate::error::Error;
use crate::io::Transport;
use crate::upstream::pool::{EndpointPool, IDLE_TIMEOUT};

/// A connection. It ends when nobody has it any more and its streams have ended.
pub(in crate::upstream) struct Session {
    /// None once nothing new may be sent.
    sender: RefCell<Option<SendRequest<Bytes>>>,
    leases: Cell<u32>,
    /// Streams at once.
    most: u32,
    idle_since: Cell<Instant>,
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
    pub async fn start(transport: Transport, most: u32, pool: &Rc<EndpointPool>) -> Result<Rc<Self>, Error> {
        let handshake = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW.saturating_mul(most).min(MOST_WINDOW))
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(MAX_HEAD)
            .handshake(transport)
            .await;
        let (sender, mut connection) = handshake.map_err(|error| failure(&error))?;
        let ping = connection.ping_pong();
        let session = Rc::new(Self {
            sender: RefCell::new(Some(sender)),
            leases: Cell::new(0),
            most,
            idle_since: Cell::new(Instant::now()),
            broken: RefCell::default(),
            pool: Rc::downgrade(pool),
        });
        let timer = Box::pin(tokio::time::sleep(IDLE_TIMEOUT));
        tokio::task::spawn_local(Driver { connection: Box::pin(connection), session: Rc::downgrade(&session), timer });
        if let Some(mut ping) = ping
            && ping.ping(Ping::opaque()).await.is_err()
        {
            return Err(session.broken.take().unwrap_or(Error::Reset));
        }
        Ok(session)
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
            self.leases.set(self.leases.get() + 1);
            Lease(Rc::clone(self))
        })
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
    fn idle_since(&self) -> Option<Instant> {
        (self.leases.get() == 0).then(|| self.idle_since.get())
    }
}

/// The most that the windows of a connection's streams are together.
const MOST_WINDOW: u32 = 64 << 20;

/// Why a connection ended.
fn failure(error: &h2::Error) -> Error {
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
        }
    }
}

/// The task.
struct Driver {
    connection: Pin<Box<Connection<Transport, Bytes>>>,
    session: Weak<Session>,
    timer: Pin<Box<Sleep>>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
            if let Some(session) = this.session.upgrade() {
                session.broken.replace(ended.err().as_ref().map(failure));
                session.retire();
            }
            return Poll::Ready(());
        }
        while this.timer.as_mut().poll(cx).is_ready() {
            let Some(session) = this.session.upgrade() else { return Poll::Pending };
            let since = session.idle_since().unwrap_or_else(Instant::now);
            if since.elapsed() >= IDLE_TIMEOUT {
                session.retire();
                // That may be the end of it.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            this.timer.as_mut().reset((since + IDLE_TIMEOUT).into());
        }
        Poll::Pending
    }
}
