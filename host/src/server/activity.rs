//! Whether a client connection is busy, and for how long it has been something it mustn't be for ever.
//! Moments are written down as they happen; only the connection's task compares them with the clock.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::Settings;
use super::taking::Taking;
use crate::body::{Body, BodyError};
use crate::io::{Switched, Traffic};
use crate::overload::Permit;

/// What goes on on a connection.
pub(super) struct Activity {
    /// Requests whose answers haven't ended.
    in_flight: Cell<u32>,
    /// Requests that came.
    served: Cell<u64>,
    /// When the last answer ended.
    idle_since: Cell<Instant>,
    /// Bytes read when the last request began or ended; more of them are the beginning of the next.
    mark: Cell<u64>,
    head_since: Cell<Option<Instant>>,
    /// Since when the client takes nothing, and how much it had taken by then.
    blocked: Cell<Option<(Instant, u64)>>,
    /// The other end of the protocol that the connection changes to after the answer that was made last.
    pub switched: Cell<Option<Box<Switched>>>,
    pub traffic: Rc<Traffic>,
    /// What the client did that ends the connection, as metrics name it.
    fault: Cell<Option<&'static str>>,
}

impl Activity {
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            in_flight: Cell::new(0),
            served: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            mark: Cell::new(0),
            head_since: Cell::new(None),
            blocked: Cell::new(None),
            switched: Cell::new(None),
            traffic: Rc::default(),
            fault: Cell::new(None),
        })
    }

    /// The client has done something that ends the connection. The first is what counts.
    pub fn blame(&self, reason: &'static str) {
        self.fault.set(self.fault.get().or(Some(reason)));
    }

    pub fn fault(&self) -> Option<&'static str> {
        self.fault.get()
    }

    pub fn is_idle(&self) -> bool {
        self.in_flight.get() == 0
    }

    /// How many requests came on this connection.
    pub fn served(&self) -> u64 {
        self.served.get()
    }

    /// Idle, with nothing of a next request seen.
    pub fn is_waiting(&self) -> bool {
        self.is_idle() && self.head_since.get().is_none()
    }

    /// Look at what the counters say after the connection did some work. `shared`: requests overlap, as in
    /// HTTP/2, where bytes between requests needn't be the beginning of one.
    pub fn observe(&self, shared: bool) {
        if self.traffic.blocked.get() {
            let written = self.traffic.written.get();
            if self.blocked.get().is_none_or(|(_, before)| before != written) {
                self.blocked.set(Some((Instant::now(), written)));
            }
        } else {
            self.blocked.set(None);
        }
        if shared || !self.is_idle() || self.traffic.read.get() == self.mark.get() {
            self.head_since.set(None);
        } else if self.head_since.get().is_none() {
            self.head_since.set(Some(Instant::now()));
        }
    }

    /// When the connection has to be given up if nothing changes.
    pub fn deadline(&self, settings: &Settings) -> Option<Instant> {
        if let Some((since, _)) = self.blocked.get() {
            return Some(since + settings.stalled);
        }
        if let Some(since) = self.head_since.get() {
            return Some(since + settings.head);
        }
        self.is_idle().then(|| self.idle_since.get() + settings.keep_alive)
    }
}

/// A request that isn't over; the connection is idle when the last one is dropped.
pub(super) struct InFlight {
    activity: Rc<Activity>,
    /// Another request may come in its place when it is over.
    _permit: Permit,
}

impl InFlight {
    pub fn new(activity: &Rc<Activity>, permit: Permit) -> Self {
        activity.in_flight.set(activity.in_flight.get() + 1);
        activity.served.set(activity.served.get() + 1);
        activity.mark.set(activity.traffic.read.get());
        Self { activity: Rc::clone(activity), _permit: permit }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.in_flight.set(activity.in_flight.get().saturating_sub(1));
        if activity.is_idle() {
            activity.idle_since.set(Instant::now());
            activity.mark.set(activity.traffic.read.get());
        }
    }
}

/// An answer's body that keeps its connection busy.
pub(super) struct Answer {
    pub body: Body,
    /// With HTTP/2: whether the client takes it.
    pub taking: Option<Rc<Taking>>,
    pub _in_flight: InFlight,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(taking) = &self.taking {
            if matches!(polled, Poll::Ready(Some(_))) { taking.given() } else { taking.asked() }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a client's request: whatever goes wrong in it is the client's fault.
pub(super) struct ClientBody(pub hyper::body::Incoming);

impl HttpBody for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|_| BodyError::Client)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings() -> Settings {
        Settings {
            head: Duration::from_secs(1),
            keep_alive: Duration::from_secs(10),
            stalled: Duration::from_secs(100),
            ..Settings::default()
        }
    }

    #[test]
    fn idle_reading_and_busy_connections_have_different_ends() {
        let activity = Activity::new();
        let start = Instant::now();
        let seconds = |activity: &Activity| {
            activity.observe(false);
            activity.deadline(&settings()).map(|deadline| (deadline - start).as_secs_f64().round())
        };
        assert_eq!(seconds(&activity), Some(10.0));
        activity.traffic.read.set(3);
        assert_eq!(seconds(&activity), Some(1.0), "a head has begun");
        let request = InFlight::new(&activity, Permit::default());
        activity.traffic.read.set(50);
        assert_eq!(seconds(&activity), None);
        activity.traffic.blocked.set(true);
        assert_eq!(seconds(&activity), Some(100.0));
        activity.traffic.blocked.set(false);
        drop(request);
        assert_eq!(seconds(&activity), Some(10.0), "what was read belonged to the request");
    }

    #[test]
    fn progress_of_a_slow_reader_moves_its_deadline() {
        let activity = Activity::new();
        activity.traffic.blocked.set(true);
        activity.observe(false);
        let first = activity.deadline(&settings());
        activity.observe(false);
        assert_eq!(activity.deadline(&settings()), first);
        activity.traffic.written.set(1);
        activity.observe(false);
        assert!(activity.deadline(&settings()) > first);
    }

    #[test]
    fn bytes_between_http2_streams_are_no_head() {
        let activity = Activity::new();
        activity.traffic.read.set(9);
        activity.observe(true);
        assert!(activity.deadline(&settings()) > Some(Instant::now() + Duration::from_secs(5)));
    }
}
