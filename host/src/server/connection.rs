//! One client connection: which protocol it speaks, and the machine for it: ours for HTTP/1, hyper's for HTTP/2.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::arrive::{Ends, Entrance, Refused};
use super::detect::{Protocol, detect};
use super::drain::{Connections, Membership};
use super::driver::{Driver, Ended};
use super::flood::Watched;
use super::requests::{self, Requests};
use super::taking::Streams;
use super::tls::{Encrypted, Facts};
use super::{Connection, Handler, Settings, http1, tunnel};
use crate::config::model::Http;
use crate::io::{Io, Transport};

/// Serves the connections of one thread.
pub struct Server<H> {
    handler: Rc<H>,
    /// For new connections.
    settings: RefCell<Rc<Settings>>,
}

impl<H: Handler> Server<H> {
    pub fn new(handler: Rc<H>, settings: Settings) -> Rc<Self> {
        Rc::new(Self { handler, settings: RefCell::new(Rc::new(settings)) })
    }

    /// Serve new connections so.
    pub fn configure(&self, http: &Http) {
        let guard = Arc::clone(&self.settings().guard);
        self.settings.replace(Rc::new(Settings::new(http, guard)));
    }

    fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
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
        let client = (!entrance.expects_header(peer)).then(|| peer.ip());
        let Some(membership) = connections.join(client) else { return };
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
        mut membership: Membership,
    ) {
        // Boxed, since its size isn't needed for longer than it takes.
        let prepared = Box::pin(self.prepare(stream, ends, entrance));
        let prepared = tokio::select! {
            biased;
            prepared = prepared => prepared,
            () = membership.connections().drained() => return,
        };
        let prepared = prepared.and_then(|prepared| {
            membership.belongs_to(prepared.peer()).map_err(Some)?;
            Ok(prepared)
        });
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
        let passed = entrance.pass(&mut stream, ends, self.settings().head).await;
        let (ends, first) = passed.map_err(Refused::reason)?;
        let Some(tls) = &entrance.tls else { return Ok(Prepared::Plain(stream, ends, first)) };
        let shaken = tokio::time::timeout(self.settings().head, tls.accept(stream, first)).await;
        Ok(Prepared::Encrypted(Box::new(shaken.unwrap_or(Err(Some("timeout")))?), ends))
    }

    async fn run(self: Rc<Self>, mut stream: TcpStream, ends: Ends, first: BytesMut, membership: Membership) {
        let protocol = tokio::select! {
            biased;
            protocol = tokio::time::timeout(self.settings().head, detect(&mut stream, first)) => protocol,
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
        let settings = self.settings();
        let requests = Requests {
            handler: Rc::clone(&self.handler),
            session,
            activity: Rc::clone(&activity),
            connections: Rc::clone(membership.connections()),
            overload: Arc::clone(&settings.guard),
        };
        match protocol {
            Protocol::Http1(seen) => {
                let mut io = Io::new(transport, Rc::clone(&activity.traffic));
                io.unread(seen);
                let http = http1::Connection::new(io, settings.heads, requests);
                let mut driver = Driver::new(http, Rc::clone(&activity), settings, membership);
                let ended = (&mut driver).await;
                driver.count();
                let Some(switched) = activity.switched.take().filter(|_| ended == Ended::Over) else { return };
                let Driver { http, membership, .. } = driver;
                if let Some(client) = http.into_io() {
                    // Boxed, so that connections that don't change needn't have room for it.
                    Box::pin(tunnel::run(switched, client, membership.connections())).await;
                }
            }
            // Boxed, so that the much more common HTTP/1 connections don't pay for its size.
            Protocol::Http2(seen) => {
                let streams = Streams::new(settings.stalled, Rc::clone(membership.connections()));
                let service = requests::http2(requests, streams.clone(), settings.heads);
                let io = Io::with_prefix(transport, seen, Rc::clone(&activity.traffic));
                let io = TokioIo::new(Watched::new(io.into_inner(), Rc::clone(&activity)));
                let http = Box::pin(http2(streams, &settings).serve_connection(io, service));
                let mut driver = Driver::new(http, activity, settings, membership);
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

/// A connection on which HTTP can begin.
enum Prepared {
    /// With bytes that were read.
    Plain(TcpStream, Ends, BytesMut),
    Encrypted(Box<Encrypted>, Ends),
}

impl Prepared {
    /// The client's address.
    fn peer(&self) -> IpAddr {
        let (Self::Plain(_, ends, _) | Self::Encrypted(_, ends)) = self;
        ends.peer.ip()
    }
}
