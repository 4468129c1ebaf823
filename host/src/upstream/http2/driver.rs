//! The task behind a shared connection: it moves frames, asks an endpoint that is silent for a sign of life, and ends what is
//! dead or was idle for too long.

use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::Connection;
use h2::{Ping, PingPong};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::session::{Session, failure};
use crate::config::model::Keepalive;
use crate::error::Error;
use crate::io::Transport;
use crate::upstream::places::Place;

/// How long a connection that nobody uses any more may take to say farewell.
const FAREWELL: Duration = Duration::from_secs(5);

/// Pings of one silence come so many times later each time: servers of gRPC take those that come often for an attack.
const SPREAD: u32 = 4;

/// The task.
pub(super) struct Driver {
    connection: Pin<Box<Connection<Transport, Bytes>>>,
    session: Weak<Session>,
    pulse: Pulse,
    /// Told when the endpoint has answered for the first time.
    greeted: Option<oneshot::Sender<()>>,
    /// Since when nobody uses it any more.
    unused_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// Last, so that others come in when the connection is closed.
    _place: Option<Place>,
}

/// What is known of the endpoint's life.
struct Pulse {
    /// None if somebody else sends pings.
    pings: Option<PingPong>,
    /// When the ping was sent that isn't answered yet.
    asked: Option<Instant>,
    /// Streams have been waiting since then, and nothing has come.
    silent_since: Instant,
    /// Pings in this silence.
    count: u32,
}

impl Driver {
    /// Start the task; it tells when the endpoint has answered for the first time.
    pub fn start(
        mut connection: Connection<Transport, Bytes>,
        session: &Rc<Session>,
        place: Option<Place>,
    ) -> oneshot::Receiver<()> {
        let (greeted, greeting) = oneshot::channel();
        let mut pulse = Pulse { pings: connection.ping_pong(), asked: None, silent_since: Instant::now(), count: 0 };
        // Whoever waits for the greeting has a time limit of his own.
        let asked = pulse.pings.as_mut().is_some_and(|pings| pings.send_ping(Ping::opaque()).is_ok());
        let mut greeted = Some(greeted);
        if !asked && let Some(greeted) = greeted.take() {
            // The receiver is here.
            let _ = greeted.send(());
        }
        tokio::task::spawn_local(Self {
            connection: Box::pin(connection),
            session: Rc::downgrade(session),
            pulse,
            greeted,
            unused_since: None,
            timer: Box::pin(tokio::time::sleep(session.keepalive().interval.min(session.keep_alive()))),
            _place: place,
        });
        greeting
    }

    /// What comes next: when to look again; none if it is over.
    fn judge(&mut self, now: Instant) -> Option<Instant> {
        let session = self.session.upgrade().filter(|session| !(session.is_retired() && session.is_idle()));
        let Some(session) = session else {
            let since = *self.unused_since.get_or_insert(now);
            return (now < since + FAREWELL).then_some(since + FAREWELL);
        };
        let idle_until = session.idle_since().map(|since| Instant::from_std(since) + session.keep_alive());
        if idle_until.is_some_and(|end| end <= now) {
            session.retire();
            // That may be the end of it.
            return Some(now);
        }
        let next = self.pulse.judge(&session, now);
        let next = next.map(|next| idle_until.map_or(next, |end| end.min(next)));
        if next.is_none() {
            tracing::debug!("an endpoint is silent; closing its connection");
            session.end(Some(Error::Reset));
        }
        next
    }
}

impl Pulse {
    /// Ask if need be. When to look again; none if the endpoint is dead.
    fn judge(&mut self, session: &Session, now: Instant) -> Option<Instant> {
        let Keepalive { interval, timeout } = session.keepalive();
        if session.was_heard() || session.is_idle() {
            (self.silent_since, self.count) = (now, 0);
            // An answer is an answer.
            self.asked = self.asked.map(|_| now);
        }
        if let Some(asked) = self.asked {
            return (now < asked + timeout).then_some(asked + timeout);
        }
        let due = self.silent_since + interval.saturating_mul(SPREAD.saturating_pow(self.count));
        if now < due && !session.is_in_doubt() {
            return Some(due.min(now + interval));
        }
        if self.pings.as_mut().is_some_and(|pings| pings.send_ping(Ping::opaque()).is_ok()) {
            self.asked = Some(now);
            self.count = self.count.saturating_add(1);
            return Some(now + timeout.min(interval));
        }
        Some(now + interval)
    }

    /// Take an answer, if there is one.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let answered = self.pings.as_mut().is_some_and(|pings| matches!(pings.poll_pong(cx), Poll::Ready(Ok(_))));
        if answered {
            self.asked = None;
        }
        answered
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(session) = this.session.upgrade() {
            session.driven_by(cx.waker());
        }
        loop {
            if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
                if let Some(session) = this.session.upgrade() {
                    session.end(ended.err().as_ref().map(failure));
                }
                return Poll::Ready(());
            }
            if this.pulse.poll(cx)
                && let Some(greeted) = this.greeted.take()
            {
                // Who waited may have gone.
                let _ = greeted.send(());
            }
            if this.greeted.as_mut().is_some_and(|greeted| greeted.poll_closed(cx).is_ready()) {
                // Nobody waits any longer for an endpoint that has said nothing.
                return Poll::Ready(());
            }
            let Some(next) = this.judge(Instant::now()) else { return Poll::Ready(()) };
            if this.timer.deadline() > next || this.timer.is_elapsed() {
                this.timer.as_mut().reset(next);
            }
            if this.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
