//! A gateway of one thread, and clients that speak to it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::balance::WeightedChoice;
use crate::body::Body;
use crate::config::model::{
    Destination, HostPattern, Http, IdentityFields, Match, PathPattern, Respond, Route, Segment, Timeouts,
};
use crate::fields::Pseudonym;
use crate::plugin::chain::Chain;
use crate::plugin::role::Plugin;
use crate::proxy::Proxy;
use crate::route::Table;
use crate::server::{Connections, Server, Settings, accept, bind};
use crate::snapshot::thread::{ThreadDestination, ThreadRoute, ThreadSnapshot};
use crate::upstream::tests::support;

/// A route as configured, where it leads, and its chain.
pub type Served = (Route, ThreadDestination, Vec<Rc<dyn Plugin>>);

/// What a test wants of its gateway.
pub struct Wanted {
    pub routes: Vec<Served>,
    pub settings: Settings,
    pub trusted: Vec<ipnet::IpNet>,
    pub identity: IdentityFields,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            settings: Settings::default(),
            trusted: Vec::new(),
            identity: IdentityFields { subject: Some(HeaderName::from_static("x-user")), issuer: None, claims: None },
        }
    }
}

impl Wanted {
    /// All requests go to these endpoints.
    pub fn all_to(endpoints: &[SocketAddr], timeouts: Timeouts) -> Self {
        Self::default().route(route("all", None), to(endpoints, timeouts))
    }

    pub fn route(mut self, route: Route, destination: ThreadDestination) -> Self {
        self.routes.push((route, destination, Vec::new()));
        self
    }
}

/// A gateway that serves.
pub struct Gateway {
    pub address: SocketAddr,
    pub proxy: Rc<Proxy>,
    pub connections: Rc<Connections>,
}

pub fn start(wanted: Wanted) -> Gateway {
    let settings = wanted.settings.clone();
    let proxy = Proxy::new(Rc::new(snapshot(1, wanted)));
    let bound = bind(([127, 0, 0, 1], 0).into(), 1).unwrap();
    let server = Server::new(Rc::clone(&proxy), settings);
    let connections = Connections::new("public".into(), Arc::default());
    let mine = Rc::clone(&connections);
    for socket in bound.sockets {
        let (server, connections) = (Rc::clone(&server), Rc::clone(&mine));
        let listener = tokio::net::TcpListener::from_std(socket).unwrap();
        tokio::task::spawn_local(async move {
            let serve = |stream, peer| server.serve(stream, peer, Rc::default(), &connections);
            accept(&listener, serve, |reason| panic!("{reason}")).await;
        });
    }
    Gateway { address: bound.address, proxy, connections }
}

pub fn snapshot(version: u64, wanted: Wanted) -> ThreadSnapshot {
    let routes: Vec<Route> = wanted.routes.iter().map(|(route, ..)| route.clone()).collect();
    let threads = wanted.routes.into_iter().map(|(route, destination, plugins)| {
        Rc::new(ThreadRoute {
            name: route.name,
            chain: Chain::new(plugins),
            destination,
            anonymous: route.anonymous,
            metrics: Arc::default(),
        })
    });
    ThreadSnapshot {
        streams: Default::default(),
        version,
        pseudonym: Pseudonym::new("sluice").unwrap(),
        trusted_proxies: wanted.trusted,
        http: Http::default(),
        identity: Rc::new(wanted.identity),
        listeners: vec!["public".into()],
        table: Arc::new(Table::build(&routes)),
        routes: threads.collect(),
        unmatched: Arc::default(),
        refusals: Arc::default(),
        access_log: None,
        challenges: Arc::default(),
        retirement: Default::default(),
    }
}

/// A route for a first path segment and all below it, or for everything.
pub fn route(name: &str, segment: Option<&str>) -> Route {
    Route {
        name: name.into(),
        listeners: vec![0],
        matcher: Match {
            host: HostPattern::Any,
            path: PathPattern {
                segments: segment.map(|text| Segment::Literal(text.into())).into_iter().collect(),
                prefix: true,
            },
            ..Match::default()
        },
        plugins: Vec::new(),
        destination: Destination::Chain,
        anonymous: false,
        fall_through: false,
        place: "test".into(),
    }
}

pub fn to(endpoints: &[SocketAddr], timeouts: Timeouts) -> ThreadDestination {
    let cluster = Rc::new(support::cluster(endpoints, timeouts));
    ThreadDestination::Clusters { clusters: vec![cluster], choice: WeightedChoice::new([1], 0) }
}

pub fn respond(body: &'static str) -> ThreadDestination {
    ThreadDestination::Respond(Respond {
        status: http::StatusCode::OK,
        headers: Vec::new(),
        body: Bytes::from_static(body.as_bytes()),
    })
}

/// An endpoint that answers with the request's head as it saw it, for as long as the connection lasts.
pub async fn mirror() -> SocketAddr {
    support::endpoint(|_, mut stream| async move {
        loop {
            let head = read_until(&mut stream, b"\r\n\r\n").await;
            if head.is_empty() {
                return;
            }
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-up: 1\r\n\r\n", head.len());
            stream.write_all(&[answer.as_bytes(), &head].concat()).await.unwrap();
        }
    })
    .await
}

/// A client's connection, spoken to in bytes.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn connect(gateway: &Gateway) -> Self {
        Self(TcpStream::connect(gateway.address).await.unwrap())
    }

    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// One answer with a `Content-Length`.
    pub async fn answer(&mut self) -> Answer {
        let head = String::from_utf8(read_until(&mut self.0, b"\r\n\r\n").await).unwrap();
        let length = field(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Answer { head, body: String::from_utf8(body).unwrap() }
    }

    /// Only a head.
    pub async fn head(&mut self) -> String {
        String::from_utf8(read_until(&mut self.0, b"\r\n\r\n").await).unwrap()
    }

    /// Everything until the gateway closes.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset ends it too.
        let _ = self.0.read_to_end(&mut rest).await;
        String::from_utf8(rest).unwrap()
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.get(9..12).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// The value of a field in a head; none unless it is there exactly once.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = head.lines().filter_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    });
    let first = values.next();
    first.filter(|_| values.next().is_none())
}

/// Send one request in bytes and read its answer.
pub async fn ask(gateway: &Gateway, text: &str) -> Answer {
    let mut raw = Raw::connect(gateway).await;
    raw.send(text).await;
    raw.answer().await
}

/// All bytes up to and with `end`; none at the end of the stream.
pub async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut seen = Vec::new();
    while !seen.ends_with(end) {
        match stream.read_u8().await {
            Ok(byte) => seen.push(byte),
            Err(_) => return Vec::new(),
        }
    }
    seen
}

/// Short timeouts for endpoints.
pub fn short() -> Timeouts {
    Timeouts { first_byte: Duration::from_millis(50), idle: Duration::from_millis(50), ..Timeouts::default() }
}

/// A whole answer in memory.
pub async fn whole(answer: Response<hyper::body::Incoming>) -> (http::response::Parts, Bytes, Option<http::HeaderMap>) {
    use http_body_util::BodyExt;
    let (parts, body) = answer.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    (parts, collected.to_bytes(), trailers)
}

/// A body of pieces that are sent when the test wants it.
pub fn channel() -> (tokio::sync::mpsc::UnboundedSender<http_body::Frame<Bytes>>, Body) {
    struct Frames(tokio::sync::mpsc::UnboundedReceiver<http_body::Frame<Bytes>>);
    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = crate::body::BodyError;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            self.0.poll_recv(cx).map(|frame| frame.map(Ok))
        }
    }
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    (sender, Body::stream(Frames(receiver)))
}

/// So many bytes.
pub fn filler(length: usize) -> Bytes {
    let mut bytes = BytesMut::zeroed(length);
    bytes.iter_mut().enumerate().for_each(|(index, byte)| *byte = (index % 251) as u8);
    bytes.freeze()
}
