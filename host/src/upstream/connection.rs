//! One HTTP/1.1 connection to an endpoint, in use by one exchange or idle in a pool. Whoever uses it drives
//! it: there is no task behind it, and nothing is handed from one task to another on the way of a request.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, header};
use http_body::Frame;

use super::clock::{Clock, Cut};
use super::connect::connect;
use super::http1::Head;
use super::places::Place;
use super::pool::EndpointPool;
use super::receiving::{ReceiveError, Receiving};
use super::sending::{SendError, Sending};
use super::stream::InFlight;
use super::tls::Tls;
use crate::body::Body;
use crate::config::model::Timeouts;
use crate::error::Error;
use crate::io::{Io, Switched, Transport};
use crate::proxy_protocol::{self, Header};

/// The two ends of a client's connection: its address, and the one that it called.
pub type Ends = (SocketAddr, SocketAddr);

/// A connection. Dropping it closes it. It is boxed all its life, since it moves from hand to hand.
pub(super) struct Connection {
    io: Io,
    sending: Sending,
    receiving: Receiving,
    clock: Clock,
    idle_since: Instant,
    pool: Weak<EndpointPool>,
    /// Of whom the endpoint was told.
    ends: Option<Ends>,
    /// Last, so that others come in when it is closed.
    place: Option<Place>,
}

/// Why there was no answer.
pub(super) struct Failure {
    pub error: Error,
    /// Sending the same request once more can't do harm if it is idempotent: nothing of an answer came.
    pub unanswered: bool,
    /// Nothing of the request was sent.
    pub unsent: bool,
    /// The request has its whole body again.
    pub restored: bool,
}

impl Connection {
    /// Connect to an endpoint. Where it is told for whom, by the PROXY protocol, it is for `ends`, or for the gateway itself.
    ///
    /// # Errors
    /// [`Error::ConnectFailed`], [`Error::ConnectTimeout`] or [`Error::Tls`].
    pub async fn open(
        timeouts: &Timeouts,
        pool: &Rc<EndpointPool>,
        place: Option<Place>,
        ends: Option<Ends>,
    ) -> Result<Box<Self>, Error> {
        let tls = pool.tls().map(Tls::for_http1);
        let Some(version) = pool.proxy_protocol() else {
            return Ok(Self::over(connect(pool.address(), b"", tls, timeouts.connect).await?, pool, place));
        };
        let proxied = |(source, destination)| Header::Proxied { source, destination };
        let header = proxy_protocol::encode(version, &ends.map_or(Header::Local, proxied));
        let mut own = Self::over(connect(pool.address(), &header, tls, timeouts.connect).await?, pool, place);
        own.ends = ends;
        Ok(own)
    }

    /// Begin on an open connection.
    pub fn over(transport: Transport, pool: &Rc<EndpointPool>, place: Option<Place>) -> Box<Self> {
        let now = Instant::now();
        Box::new(Self {
            io: Io::new(transport, Rc::default()),
            sending: Sending::default(),
            receiving: Receiving::new(Rc::clone(pool.scratch())),
            clock: Clock::new(now),
            idle_since: now,
            pool: Rc::downgrade(pool),
            ends: None,
            place,
        })
    }

    /// Send a request and wait for the head of its answer. The request is left as it was but for a body that
    /// comes as a stream. Dropping the future is the end of the connection if the connection is dropped too.
    ///
    /// # Errors
    /// What [`Error`] says of upstreams and of request bodies. The connection is of no use any more.
    pub async fn exchange(
        &mut self,
        request: &mut Request<Body>,
        timeouts: &Timeouts,
        now: Instant,
    ) -> Result<Head, Failure> {
        self.clock.begin(timeouts, now);
        self.sending.begin(request);
        self.receiving.begin(request.method(), request.headers().contains_key(header::UPGRADE));
        poll_fn(|cx| self.poll_exchange(cx)).await.map_err(|error| Failure {
            unanswered: error == Error::Reset && !self.receiving.has_begun(),
            unsent: !self.sending.has_begun(),
            restored: self.sending.restore(request),
            error,
        })
    }

    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Error>> {
        // An endpoint may answer and close before it has taken the whole request.
        if let Poll::Ready(Err(SendError::Body)) = self.poll_send(cx) {
            return Poll::Ready(Err(Error::RequestBody));
        }
        match self.receiving.poll_head(&mut self.io, cx) {
            Poll::Ready(Ok(head)) => {
                self.clock.answer_moved();
                Poll::Ready(Ok(head))
            }
            Poll::Ready(Err(ReceiveError::Malformed)) => Poll::Ready(Err(Error::Malformed)),
            Poll::Ready(Err(ReceiveError::Closed)) => Poll::Ready(Err(Error::Reset)),
            Poll::Ready(Err(ReceiveError::Tls(fault))) => Poll::Ready(Err(Error::Tls(fault))),
            Poll::Pending => self.clock.poll(cx).map(|cut| {
                Err(match cut {
                    Cut::FirstByte => Error::FirstByteTimeout,
                    Cut::ClientStalled => Error::RequestTimeout,
                    Cut::Stalled => Error::UpstreamStalled,
                })
            }),
        }
    }

    /// Send what is left of the request. Once ready, it stays so.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.sending.poll(&mut self.io, &mut self.clock, cx)
    }

    /// Whether all of the request is sent, or can't be.
    pub fn has_sent(&self) -> bool {
        self.sending.is_over()
    }

    /// Whether the client failed to deliver its body.
    pub fn upload_failed(&self) -> bool {
        self.sending.broken() == Some(SendError::Body)
    }

    pub fn receiving(&mut self) -> &mut Receiving {
        &mut self.receiving
    }

    /// The next piece of the answer's body; none at its end.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        if self.upload_failed() {
            return Poll::Ready(Err(Broken::Client));
        }
        match self.receiving.poll_frame(&mut self.io, cx) {
            Poll::Ready(Ok(frame)) => {
                self.clock.answer_moved();
                Poll::Ready(Ok(frame))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Broken::Endpoint)),
            Poll::Pending => {
                self.clock.answer_waits();
                self.clock.poll(cx).map(|_| Err(Broken::Stalled))
            }
        }
    }

    /// The answer is over, the request isn't: what is left of it has a time limit.
    pub fn answer_over(&mut self) {
        self.clock.answer_over();
    }

    /// Ready when what goes on takes too long.
    pub fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.clock.poll(cx).map(|_| ())
    }

    /// Both bodies have ended: give the connection back, or close it if it can't be used again.
    pub fn release(mut self: Box<Self>) {
        if !self.sending.is_complete() || !self.receiving.is_reusable() {
            return;
        }
        self.sending.finish();
        self.receiving.finish();
        if let Some(pool) = self.pool.upgrade() {
            self.idle_since = Instant::now();
            pool.put(self);
        }
    }

    /// It speaks another protocol from now on.
    pub fn switched(mut self: Box<Self>, idle: Duration, in_flight: InFlight) -> Switched {
        let first = self.receiving.take_rest();
        Switched { io: self.io, first, idle, life: vec![Box::new((in_flight, self.place))] }
    }

    /// Of whom the endpoint was told; none if it was of nobody.
    pub fn ends(&self) -> Option<Ends> {
        self.ends
    }

    /// Since when it is in a pool.
    pub fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Whether it is alive and silent, as it should be while idle. Who asks is woken when that changes.
    pub fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        Receiving::is_silent(&mut self.io, cx)
    }
}

/// Why an answer's body broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The client didn't deliver its own.
    Client,
    Endpoint,
    Stalled,
}
