//! One client connection: which protocol it speaks, hyper's machine for it, its time limits, its end.
//! One timer serves it for all its life, moved only when it rings early or would ring too late.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::activity::{Activity, Answer, ClientBody, InFlight};
use super::arrive::{Ends, Entrance, Refused};
use super::detect::{Protocol, detect};
use super::drain::{Connections, Membership};
use super::scan::{Guarded, Verdict};
use super::tls::{Encrypted, Facts};
use super::tunnel;
use super::{Connection, Handler, Settings};
use crate::body::Body;
use crate::io::{Io, Transport};

/// The least that hyper buffers.
const MIN_BUFFER: usize = 8 << 10;

/// Serves the connections of one thread.
pub struct Server<H> {
    handler: Rc<H>,
    settings: Rc<Settings>,
    http1: http1::Builder,
    http2: http2::Builder<LocalExecutor>,
}

impl<H: Handler> Server<H> {
    pub fn new(handler: Rc<H>, settings: Settings) -> Rc<Self> {
        let mut http1 = http1::Builder::new();
        // The activity's time limits stand in for hyper's, which cost a timer for each request and
        // don't tell an idle connection from a slow head.
        // The scan bounds heads; hyper has to take every head that passed.
        http1.header_read_timeout(None).max_buf_size(settings.heads.head.saturating_mul(2).max(MIN_BUFFER));
        let mut http2 = http2::Builder::new(LocalExecutor);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.max_streams)
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(100)
            .max_header_list_size(32 << 10)
            .max_send_buf_size(256 << 10)
            .keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5));
        Rc::new(Self { handler, settings: Rc::new(settings), http1, http2 })
    }

    /// Serve an accepted connection in a task of its own, as one of `connections`. Call it within a
    /// `LocalSet`.
    pub fn serve(
        self: &Rc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        entrance: Rc<Entrance>,
        connections: &Rc<Connections>,
    ) {
        let Ok(local) = stream.local_addr() else { return };
        let server = Rc::clone(self);
        let membership = connections.join();
        let ends = Ends { peer, local };
        if entrance.tls.is_some() || entrance.expects_header(peer) {
            tokio::task::spawn_local(async move { server.run_prepared(stream, ends, entrance, membership).await });
        } else {
            tokio::task::spawn_local(async move { server.run(stream, ends, BytesMut::new(), membership).await });
        }
    }

    /// A connection that begins with a PROXY protocol header, a TLS handshake, or both.
    async fn run_prepared(
        self: Rc<Self>,
        stream: TcpStream,
        ends: Ends,
        entrance: Rc<Entrance>,
        membership: Membership,
    ) {
        // Boxed, since its size isn't needed for longer than it takes.
        let prepared = Box::pin(self.prepare(stream, ends, entrance));
        let prepared = tokio::select! {
            biased;
            prepared = prepared => prepared,
            () = membership.connections().drained() => return,
        };
        match prepared {
            Ok(Prepared::Plain(stream, ends, first)) => self.run(stream, ends, first, membership).await,
            Ok(Prepared::Encrypted(encrypted, ends)) => {
                let Encrypted { transport, facts, is_http2 } = *encrypted;
                let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
                self.speak(transport, protocol(Bytes::new()), ends, Some(Rc::new(facts)), membership).await;
            }
            Err(Some(reason)) => membership.connections().metrics().refused(reason),
            Err(None) => {}
        }
    }

    /// What comes before HTTP. An error is the reason for which it ended there, as metrics name it.
    async fn prepare(
        &self,
        mut stream: TcpStream,
        ends: Ends,
        entrance: Rc<Entrance>,
    ) -> Result<Prepared, Option<&'static str>> {
        let passed = entrance.pass(&mut stream, ends, self.settings.head).await;
        let (ends, first) = passed.map_err(Refused::reason)?;
        let Some(tls) = &entrance.tls else { return Ok(Prepared::Plain(stream, ends, first)) };
        let shaken = tokio::time::timeout(self.settings.head, tls.accept(stream, first)).await;
        Ok(Prepared::Encrypted(Box::new(shaken.unwrap_or(Err(Some("timeout")))?), ends))
    }

    async fn run(self: Rc<Self>, mut stream: TcpStream, ends: Ends, first: BytesMut, membership: Membership) {
        let protocol = tokio::select! {
            biased;
            protocol = tokio::time::timeout(self.settings.head, detect(&mut stream, first)) => protocol,
            () = membership.connections().drained() => return,
        };
        let Ok(Some(protocol)) = protocol else { return };
        self.speak(stream.into(), protocol, ends, None, membership).await;
    }

    async fn speak(
        self: Rc<Self>,
        transport: Transport,
        protocol: Protocol,
        ends: Ends,
        tls: Option<Rc<Facts>>,
        membership: Membership,
    ) {
        let listener = Arc::clone(membership.connections().listener());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let connection = Connection { listener, peer: ends.peer, local: ends.local, scheme, tls };
        let session = Rc::new(self.handler.open(connection));
        let activity = Activity::new();
        match protocol {
            Protocol::Http1(seen) => {
                let io = Io::with_prefix(transport, seen, Rc::clone(&activity.traffic));
                let verdict = Rc::<Verdict>::default();
                let io = Guarded::new(io.into_inner(), self.settings.heads, Rc::clone(&verdict));
                let service = requests(Rc::clone(&self.handler), session, Rc::clone(&activity), Some(verdict));
                let http = self.http1.serve_connection(TokioIo::new(io), service);
                let mut driver = Driver::new(http, Rc::clone(&activity), Rc::clone(&self.settings), membership);
                let ended = (&mut driver).await;
                let Some(switched) = activity.switched.take().filter(|_| ended == Ended::Over) else { return };
                let parts = driver.http.into_parts();
                if let Some(mut client) = parts.io.into_inner().into_switched() {
                    client.unread(parts.read_buf);
                    // Boxed, so that connections that don't change needn't have room for it.
                    Box::pin(tunnel::run(switched, client, driver.membership.connections())).await;
                }
            }
            // Boxed, so that the much more common HTTP/1 connections don't pay for its size.
            Protocol::Http2(seen) => {
                let service = requests(Rc::clone(&self.handler), session, Rc::clone(&activity), None);
                let io = Io::with_prefix(transport, seen, Rc::clone(&activity.traffic));
                let http = Box::pin(self.http2.serve_connection(io, service));
                Driver::new(http, activity, Rc::clone(&self.settings), membership).await;
            }
        }
    }
}

/// A connection on which HTTP can begin.
enum Prepared {
    /// With bytes that were read.
    Plain(TcpStream, Ends, BytesMut),
    Encrypted(Box<Encrypted>, Ends),
}

/// Hands the requests of one connection to the handler.
fn requests<H: Handler>(
    handler: Rc<H>,
    session: Rc<H::Session>,
    activity: Rc<Activity>,
    verdict: Option<Rc<Verdict>>,
) -> impl Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible, Future: 'static> {
    service_fn(move |request: Request<Incoming>| {
        let in_flight = InFlight::new(&activity);
        let answer = match verdict.as_ref().and_then(|verdict| verdict.serve()) {
            Some(refusal) => Outcome::Refused(handler.refuse(*refusal, &session)),
            None => {
                let request =
                    request.map(|body| if body.is_end_stream() { Body::Empty } else { Body::stream(ClientBody(body)) });
                // Boxed: it is moved thrice before it starts, and it is large.
                Outcome::Taken(Box::pin(Rc::clone(&handler).handle(request, Rc::clone(&session))))
            }
        };
        let (activity, verdict) = (Rc::clone(&activity), verdict.clone());
        async move {
            let answer = match answer {
                Outcome::Refused(answer) => answer,
                Outcome::Taken(answer) => answer.await,
            };
            let answer = switch(answer, &activity, verdict.as_deref());
            Ok(answer.map(|body| Answer { body, _in_flight: in_flight }))
        }
    })
}

/// Keep what the connection is to change to, for when the answer is out.
fn switch(answer: Response<Body>, activity: &Activity, verdict: Option<&Verdict>) -> Response<Body> {
    if !matches!(answer.body(), Body::Switched(_)) {
        return answer;
    }
    let (head, body) = answer.into_parts();
    if let (Body::Switched(switched), true) = (body, verdict.is_some_and(Verdict::switch)) {
        activity.switched.set(Some(switched));
        return Response::from_parts(head, Body::Empty);
    }
    let mut refused = Response::new(Body::Empty);
    *refused.status_mut() = StatusCode::BAD_REQUEST;
    refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    refused
}

/// What becomes of a request.
enum Outcome<F> {
    Refused(Response<Body>),
    Taken(F),
}

/// Tasks that hyper starts stay on the thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// What [`Driver`] wants of hyper's two kinds of connections.
trait Http: Future<Output = hyper::Result<()>> {
    /// Requests overlap.
    const SHARED: bool;
    fn shut_down(self: Pin<&mut Self>);
}

impl<S> Http for http1::Connection<TokioIo<Guarded<Io>>, S>
where
    S: Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible>,
{
    const SHARED: bool = false;

    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Http for Pin<Box<http2::Connection<TokioIo<Io>, S, LocalExecutor>>>
where
    S: Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible, Future: 'static>,
{
    const SHARED: bool = true;

    fn shut_down(self: Pin<&mut Self>) {
        self.get_mut().as_mut().graceful_shutdown();
    }
}

/// Drives a connection until it ends, or has been idle, unfinished or unread for too long.
struct Driver<C> {
    http: C,
    activity: Rc<Activity>,
    settings: Rc<Settings>,
    membership: Membership,
    timer: Pin<Box<Sleep>>,
    /// The timer was polled since it was set, and the drain knows this task.
    started: bool,
    shutting_down: bool,
    /// It was idle for long, and is closing.
    said_goodbye: bool,
}

impl<C: Http + Unpin> Driver<C> {
    fn new(http: C, activity: Rc<Activity>, settings: Rc<Settings>, membership: Membership) -> Self {
        let timer = Box::pin(tokio::time::sleep(settings.keep_alive));
        Self { http, activity, settings, membership, timer, started: false, shutting_down: false, said_goodbye: false }
    }

    /// Close an idle connection as its protocol wants it.
    fn say_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.said_goodbye = true;
        self.shutting_down = true;
        Pin::new(&mut self.http).shut_down();
        self.set_timer(self.settings.head, cx);
        Pin::new(&mut self.http).poll(cx).map(|_| ())
    }

    fn set_timer(&mut self, after: Duration, cx: &mut Context<'_>) {
        self.timer.as_mut().reset(tokio::time::Instant::now() + after);
        let _ = self.timer.as_mut().poll(cx);
    }

    /// Ready when the connection has to be given up.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = self.activity.deadline(&self.settings);
            let rang = self.timer.is_elapsed();
            match deadline {
                Some(deadline) if rang && deadline <= Instant::now() => return Poll::Ready(()),
                Some(deadline) if rang || deadline < self.timer.deadline().into_std() => {
                    self.timer.as_mut().reset(deadline.into());
                }
                // Nothing limits a busy connection from here; look again in a while.
                None if rang => self.timer.as_mut().reset(tokio::time::Instant::now() + self.settings.keep_alive),
                _ => return Poll::Pending,
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// How a connection's HTTP ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// All that was to be said is said.
    Over,
    /// The connection broke, or was given up.
    Cut,
}

impl From<hyper::Result<()>> for Ended {
    /// An error has no one to be told to: the client is gone, or was answered by hyper.
    fn from(result: hyper::Result<()>) -> Self {
        if result.is_ok() { Self::Over } else { Self::Cut }
    }
}

impl<C: Http + Unpin> Future for Driver<C> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        let is_new = !std::mem::replace(&mut this.started, true);
        if is_new {
            this.membership.set_waker(cx.waker());
            let _ = this.timer.as_mut().poll(cx);
        }
        if !this.shutting_down && this.membership.connections().is_draining() {
            // Without having read anything, hyper would close it, with a request on it.
            if is_new && let Poll::Ready(result) = Pin::new(&mut this.http).poll(cx) {
                return Poll::Ready(result.into());
            }
            this.shutting_down = true;
            Pin::new(&mut this.http).shut_down();
        }
        if let Poll::Ready(result) = Pin::new(&mut this.http).poll(cx) {
            return Poll::Ready(result.into());
        }
        this.activity.observe(C::SHARED);
        if !this.said_goodbye {
            ready!(this.poll_deadline(cx));
            if !this.activity.is_waiting() {
                return Poll::Ready(Ended::Cut);
            }
            return this.say_goodbye(cx).map(|()| Ended::Cut);
        }
        ready!(this.timer.as_mut().poll(cx));
        if this.activity.is_idle() {
            return Poll::Ready(Ended::Cut);
        }
        this.set_timer(this.settings.keep_alive, cx);
        Poll::Pending
    }
}
