//! The connections to one endpoint that exchanges of one thread share. A new one is opened, in a task of its own, when
//! those that there are have no room; who comes meanwhile waits for it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::session::{Lease, Session};
use crate::config::model::ClusterProtocol;
use crate::error::{Error, TlsFault};
use crate::upstream::connect::connect;
use crate::upstream::connection::Connection;
use crate::upstream::places::Place;
use crate::upstream::pool::EndpointPool;
use crate::upstream::sharing::Entry;

/// What an exchange goes over.
pub(in crate::upstream) enum Channel {
    Http1(Box<Connection>),
    Http2(Lease),
}

/// Those of one endpoint.
#[derive(Default)]
pub(in crate::upstream) struct Sessions {
    open: RefCell<Vec<Rc<Session>>>,
    opening: Cell<usize>,
    waiting: RefCell<VecDeque<Waiting>>,
    /// The endpoint has chosen HTTP/1.1 the last time that it could choose.
    speaks_http1: Cell<bool>,
}

/// One who waits for a connection.
struct Waiting {
    sender: oneshot::Sender<Outcome>,
    /// The one that has failed him.
    avoid: Option<Rc<Session>>,
    since: Instant,
}

/// What comes of waiting.
enum Outcome {
    Channel(Channel),
    Failed(Error),
    /// It has become clear that connections can't be shared.
    Alone,
}

/// What a new connection turned out to be.
enum Opened {
    Http1(Box<Connection>),
    Http2(Rc<Session>),
}

impl Sessions {
    /// Room on one of them, but not on `avoid`.
    fn lease(&self, avoid: Option<&Rc<Session>>) -> Option<Lease> {
        let mut open = self.open.borrow_mut();
        let lease = open
            .iter()
            .filter(|session| avoid.is_none_or(|avoid| !Rc::ptr_eq(avoid, session)))
            .find_map(|session| session.lease());
        open.retain(|session| !session.is_retired());
        lease
    }

    /// Those that have no streams.
    pub fn idle(&self) -> usize {
        self.open.borrow().iter().filter(|session| session.is_idle() && !session.is_retired()).count()
    }

    /// Close those that have no streams.
    pub fn retire_idle(&self) {
        // Apart, so that nothing is dropped while the cell is borrowed.
        let mut open = self.open.take();
        open.retain(|session| {
            if session.is_idle() {
                session.retire();
            }
            !session.is_retired()
        });
        self.open.replace(open);
    }

    /// Whether anybody waits for one.
    fn is_wanted(&self) -> bool {
        self.waiting.borrow().iter().any(|waiting| !waiting.sender.is_closed())
    }

    /// Hand room that there is to those who wait.
    pub fn serve(&self) {
        let mut left = VecDeque::new();
        while let Some(first) = self.next() {
            match self.lease(first.avoid.as_ref()) {
                // Who has gone meanwhile leaves it to the next, by dropping it.
                Some(lease) => drop(first.sender.send(Outcome::Channel(Channel::Http2(lease)))),
                None => {
                    let none_at_all = first.avoid.is_none();
                    left.push_back(first);
                    if none_at_all {
                        break;
                    }
                }
            }
        }
        let mut waiting = self.waiting.borrow_mut();
        while let Some(last) = left.pop_back() {
            waiting.push_front(last);
        }
    }

    /// The first who still waits.
    fn next(&self) -> Option<Waiting> {
        loop {
            let first = self.waiting.borrow_mut().pop_front()?;
            if !first.sender.is_closed() {
                return Some(first);
            }
        }
    }
}

impl EndpointPool {
    /// Something to send a request over, and whether it was used before. What was just opened counts as new, and so
    /// does what there was to wait for. Never `avoid`, which has just failed.
    ///
    /// # Errors
    /// What [`connect`] says, within `limit`; or the endpoint doesn't speak HTTP/2 where it has to.
    pub async fn channel(
        self: &Rc<Self>,
        limit: Duration,
        avoid: Option<&Rc<Session>>,
        fresh: bool,
    ) -> Result<(Channel, bool), Error> {
        let sessions = self.sessions();
        loop {
            if sessions.speaks_http1.get() {
                if let Some(connection) = (!fresh).then(|| self.take(None)).flatten() {
                    return Ok((Channel::Http1(connection), true));
                }
                let place = match self.enter(fresh).await? {
                    Entry::Used(connection) => return Ok((Channel::Http1(connection), true)),
                    Entry::New(place) => place,
                };
                match open(self, limit, place).await? {
                    Opened::Http1(connection) => return Ok((Channel::Http1(connection), false)),
                    Opened::Http2(session) => sessions.keep(session),
                }
            }
            if let Some(lease) = sessions.lease(avoid) {
                return Ok((Channel::Http2(lease), true));
            }
            let (sender, receiver) = oneshot::channel();
            let waiting = {
                let mut waiting = sessions.waiting.borrow_mut();
                waiting.retain(|waiting| !waiting.sender.is_closed());
                if self.keeper.as_ref().is_some_and(|keeper| waiting.len() >= keeper.pending()) {
                    return Err(Error::Overloaded);
                }
                waiting.push_back(Waiting { sender, avoid: avoid.cloned(), since: Instant::now() });
                waiting.len()
            };
            self.open_for(waiting, limit);
            match receiver.await {
                Ok(Outcome::Channel(channel)) => return Ok((channel, false)),
                Ok(Outcome::Failed(error)) => return Err(error),
                Ok(Outcome::Alone) => {}
                Err(_) => return Err(Error::ConnectFailed),
            }
        }
    }

    /// Open connections if those that are being opened don't suffice for so many.
    fn open_for(self: &Rc<Self>, waiting: usize, limit: Duration) {
        let sessions = self.sessions();
        let expected = sessions.opening.get().saturating_mul(usize::try_from(self.most_streams()).unwrap_or(1));
        if waiting <= expected {
            return;
        }
        sessions.opening.set(sessions.opening.get() + 1);
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let begun = Instant::now();
            let opened = match pool.enter(true).await {
                // Room on those that there are may have been enough.
                Ok(_) if !pool.sessions().is_wanted() => None,
                Ok(Entry::New(place)) => Some(open(&pool, limit, place).await),
                Ok(Entry::Used(connection)) => Some(Ok(Opened::Http1(connection))),
                Err(error) => Some(Err(error)),
            };
            let sessions = pool.sessions();
            sessions.opening.set(sessions.opening.get() - 1);
            match opened {
                None => {}
                Some(Ok(opened)) => pool.serve_with(opened, limit),
                Some(Err(Error::Overloaded)) => {
                    let left = sessions.fail_before(begun);
                    pool.open_for(left, limit);
                }
                Some(Err(error)) => sessions.fail(&error),
            }
        });
    }

    /// A new connection serves those who wait.
    fn serve_with(self: &Rc<Self>, opened: Opened, limit: Duration) {
        let sessions = self.sessions();
        match opened {
            Opened::Http2(session) => {
                sessions.keep(Rc::clone(&session));
                let before = sessions.waiting.borrow().len();
                sessions.serve();
                let after = sessions.waiting.borrow().len();
                if before > 0 && after == before && sessions.opening.get() == 0 {
                    // It takes none at all, and a further one wouldn't either.
                    return sessions.fail(&Error::ConnectFailed);
                }
                self.open_for(after, limit);
            }
            Opened::Http1(connection) => {
                sessions.speaks_http1.set(true);
                let mut spare = Some(connection);
                while let Some(next) = sessions.next() {
                    let outcome = spare.take().map_or(Outcome::Alone, |first| Outcome::Channel(Channel::Http1(first)));
                    if let Err(Outcome::Channel(Channel::Http1(back))) = next.sender.send(outcome) {
                        spare = Some(back);
                    }
                }
                if let Some(spare) = spare {
                    self.put(spare);
                }
            }
        }
    }
}

impl Sessions {
    fn keep(&self, session: Rc<Session>) {
        self.speaks_http1.set(false);
        self.open.borrow_mut().push(session);
    }

    /// There is no room for another connection: who has waited since then, or for longer, hears it. How many are left.
    fn fail_before(&self, then: Instant) -> usize {
        self.serve();
        let late = |first: &Waiting| first.since <= then;
        loop {
            let first = {
                let mut waiting = self.waiting.borrow_mut();
                if waiting.front().is_some_and(late) { waiting.pop_front() } else { None }
            };
            let Some(first) = first else { return self.waiting.borrow().len() };
            let _ = first.sender.send(Outcome::Failed(Error::Overloaded));
        }
    }

    /// Nobody else will serve those who wait.
    fn fail(&self, error: &Error) {
        self.serve();
        while self.opening.get() == 0
            && let Some(next) = self.next()
        {
            let _ = next.sender.send(Outcome::Failed(error.clone()));
        }
    }
}

async fn open(pool: &Rc<EndpointPool>, limit: Duration, place: Option<Place>) -> Result<Opened, Error> {
    let deadline = Instant::now() + limit;
    let tls = pool.tls();
    let transport = connect(pool.address(), b"", tls.map(|tls| tls.for_requests()), limit).await?;
    if tls.is_some() && !transport.speaks_http2() {
        return match pool.protocol() {
            ClusterProtocol::Http2 => Err(Error::Tls(TlsFault::NoProtocol)),
            ClusterProtocol::Http1 | ClusterProtocol::Auto => {
                Ok(Opened::Http1(Connection::over(transport, pool, place)))
            }
        };
    }
    match tokio::time::timeout_at(deadline, Session::start(transport, pool, place)).await {
        Ok(session) => Ok(Opened::Http2(session?)),
        Err(_) => Err(Error::ConnectTimeout),
    }
}
