//! One client connection: which protocol it speaks, and hyper's machine for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::activity::{Activity, Answer, ClientBody, InFlight};
use super::arrive::{Ends, Entrance, Refused};
use super::detect::{Protocol, detect};
use super::drain::{Connections, Membership};
use super::driver::{Driver, Ended};
use super::flood::Watched;
use super::scan::{Guarded, Limits, Refusal, Verdict};
use super::taking::Streams;
use super::tls::{Encrypted, Facts};
use super::{Connection, Handler, Settings, extended, tunnel};
use crate::body::Body;
use crate::error::Error;
use crate::io::{Io, Transport};

/// The least that hyper buffers.
const MIN_BUFFER: usize = 8 << 10;

/// Serves the connections of one thread.
pub struct Server<H> {
    handler: Rc<H>,
    settings: Rc<Settings>,
    http1: http1::Builder,
}

impl<H: Handler> Server<H> {
    pub fn new(handler: Rc<H>, settings: Settings) -> Rc<Self> {
        let mut http1 = http1::Builder::new();
        // The activity's time limits stand in for hyper's, which cost a timer for each request and
        // don't tell an idle connection from a slow head.
        // The scan bounds heads; hyper has to take every head that passed.
        http1.header_read_timeout(None).max_buf_size(settings.heads.head.saturating_mul(2).max(MIN_BUFFER));
        Rc::new(Self { handler, settings: Rc::new(settings), http1 })
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
                let guard = Guard::Http1(verdict);
                let service = requests(Rc::clone(&self.handler), session, Rc::clone(&activity), guard);
                let http = self.http1.serve_connection(TokioIo::new(io), service);
                let mut driver = Driver::new(http, Rc::clone(&activity), Rc::clone(&self.settings), membership);
                let ended = (&mut driver).await;
                driver.count();
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
                let streams = Streams::new(self.settings.stalled, Rc::clone(membership.connections()));
                let guard = Guard::Http2(streams.clone(), self.settings.heads);
                let service = requests(Rc::clone(&self.handler), session, Rc::clone(&activity), guard);
                let io = Io::with_prefix(transport, seen, Rc::clone(&activity.traffic));
                let io = TokioIo::new(Watched::new(io.into_inner(), Rc::clone(&activity)));
                let http = Box::pin(http2(streams, &self.settings).serve_connection(io, service));
                let mut driver = Driver::new(http, activity, Rc::clone(&self.settings), membership);
                (&mut driver).await;
                driver.count();
            }
        }
    }
}

/// What hyper is to do about HTTP/2 by itself.
fn http2(streams: Streams, settings: &Settings) -> http2::Builder<Streams> {
    let mut http2 = http2::Builder::new(streams);
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams)
        .enable_connect_protocol()
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .max_header_list_size(u32::try_from(settings.heads.head).unwrap_or(u32::MAX))
        .max_send_buf_size(256 << 10)
        .keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5));
    http2
}

/// What stands between a connection and the service.
enum Guard {
    Http1(Rc<Verdict>),
    Http2(Streams, Limits),
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
    guard: Guard,
) -> impl Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible, Future: 'static> {
    service_fn(move |mut request: Request<Incoming>| {
        let in_flight = InFlight::new(&activity);
        let (verdict, taking) = match &guard {
            Guard::Http1(verdict) => (Some(Rc::clone(verdict)), None),
            Guard::Http2(streams, _) => (None, Some(streams.begin())),
        };
        let extended = match &guard {
            Guard::Http1(_) => None,
            Guard::Http2(streams, _) => {
                extended::translate(&mut request).map(|upgrade| Extended::new(upgrade, streams, &handler, &session))
            }
        };
        let refusal = match &guard {
            Guard::Http1(verdict) => verdict.serve(),
            Guard::Http2(_, limits) => judge(&request, limits).map(Box::new),
        };
        let answer = match refusal {
            Some(refusal) => Outcome::Refused(handler.refuse(*refusal, &session)),
            None => {
                let request =
                    request.map(|body| if body.is_end_stream() { Body::Empty } else { Body::stream(ClientBody(body)) });
                // Boxed: it is moved thrice before it starts, and it is large.
                Outcome::Taken(Box::pin(Rc::clone(&handler).handle(request, Rc::clone(&session))))
            }
        };
        let activity = Rc::clone(&activity);
        async move {
            let answer = match answer {
                Outcome::Refused(answer) => answer,
                Outcome::Taken(answer) => answer.await,
            };
            let answer = match extended {
                Some(extended) => extended.begin(answer, &activity),
                None => switch(answer, &activity, verdict.as_deref()),
            };
            Ok(answer.map(|body| Answer { body, taking, _in_flight: in_flight }))
        }
    })
}

/// The handshake of a WebSocket over HTTP/2, with what its answer needs.
struct Extended<H: Handler> {
    upgrade: OnUpgrade,
    connections: Rc<Connections>,
    handler: Rc<H>,
    session: Rc<H::Session>,
}

impl<H: Handler> Extended<H> {
    /// Boxed, so that other requests don't pay for it.
    fn new(upgrade: OnUpgrade, streams: &Streams, handler: &Rc<H>, session: &Rc<H::Session>) -> Box<Self> {
        let connections = Rc::clone(streams.connections());
        Box::new(Self { upgrade, connections, handler: Rc::clone(handler), session: Rc::clone(session) })
    }

    /// The answer for the client. If it may begin, a task passes on what is said.
    fn begin(self, answer: Response<Body>, activity: &Rc<Activity>) -> Response<Body> {
        let (answer, switched) = match extended::answer(answer) {
            extended::Outcome::Agreed(answer, switched) => (answer, switched),
            extended::Outcome::Refused(answer) => return answer,
            extended::Outcome::Misunderstood => {
                return self.handler.refuse(Refusal::of(Error::Malformed, &Method::GET, ""), &self.session);
            }
        };
        let Self { upgrade, connections, .. } = self;
        // The connection isn't idle as long as it lasts.
        let in_flight = InFlight::new(activity);
        tokio::task::spawn_local(async move {
            if let Ok(upgraded) = upgrade.await {
                tunnel::run(switched, TokioIo::new(upgraded), &connections).await;
            }
            drop(in_flight);
        });
        answer
    }
}

/// The limits of HTTP/1's heads, for a request of HTTP/2; its size in all is hyper's to bound.
fn judge(request: &Request<Incoming>, limits: &Limits) -> Option<Refusal> {
    let (uri, headers) = (request.uri(), request.headers());
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    // Cookies come in as many pieces as there are, and become one field (RFC 9113, section 8.2.3).
    let fields = || headers.len() - headers.get_all(header::COOKIE).iter().count().saturating_sub(1);
    let error = if target > limits.target {
        Error::TargetTooLong
    } else if headers.len() > limits.fields && fields() > limits.fields {
        Error::HeadTooLarge
    } else {
        return None;
    };
    Some(Refusal::of(error, request.method(), uri.path()))
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
