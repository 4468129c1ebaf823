//! Endpoints that speak HTTP/2, well and badly.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Response;
use http_body::Frame;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::bodies::that_ends_when_told;
use super::policies::Watched;
use super::tls::{Age, Authority, encrypted};
use super::*;
use crate::config::model::{ClusterProtocol, ClusterTls, HealthCheck, Probe, Statuses, Versions};
use crate::error::TlsFault;
use crate::upstream::Cluster;

type Answering = SendResponse<Bytes>;

fn like(protocol: ClusterProtocol, most: u32) -> model::Cluster {
    model::Cluster { protocol, max_concurrent_streams: most, ..model::Cluster::default() }
}

fn cluster_of(addresses: &[SocketAddr], like: model::Cluster) -> ThreadCluster {
    let endpoints = addresses.iter().map(|address| (*address).into()).collect();
    let config = model::Cluster { name: "test".into(), endpoints, ..like };
    let cluster = Arc::new(Cluster::new(&config, None, None, Arc::default()));
    ThreadCluster::new(cluster, Box::new(InOrder), &Pool::new())
}

fn http2(address: SocketAddr) -> ThreadCluster {
    cluster_of(&[address], like(ClusterProtocol::Http2, 100))
}

/// An endpoint that hands each request to a function, with the number of its connection.
async fn speaks<F, S>(builder: h2::server::Builder, serve: F) -> (SocketAddr, Rc<Cell<usize>>)
where
    F: Fn(usize, Request<RecvStream>, Answering) -> S + Clone + 'static,
    S: Future<Output = ()> + 'static,
{
    let connections = Rc::new(Cell::new(0));
    let seen = Rc::clone(&connections);
    let address = endpoint(move |number, stream| {
        seen.set(number + 1);
        serve_all(number, stream, builder.clone(), serve.clone())
    })
    .await;
    (address, connections)
}

async fn serve_all<T, F, S>(number: usize, stream: T, builder: h2::server::Builder, serve: F)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    F: Fn(usize, Request<RecvStream>, Answering) -> S,
    S: Future<Output = ()> + 'static,
{
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((request, answering))) = connection.accept().await {
        tokio::task::spawn_local(serve(number, request, answering));
    }
}

fn usual() -> h2::server::Builder {
    h2::server::Builder::new()
}

fn ok(mut answering: Answering) {
    let mut stream = answering.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from_static(b"ok"), true).unwrap();
}

async fn read_all(body: &mut RecvStream) -> BytesMut {
    let mut all = BytesMut::new();
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else { break };
        let _ = body.flow_control().release_capacity(piece.len());
        all.extend_from_slice(&piece);
    }
    all
}

/// Answers when it is told to.
async fn held(builder: h2::server::Builder) -> (SocketAddr, Rc<Cell<usize>>, tokio::sync::watch::Sender<bool>) {
    let (release, released) = tokio::sync::watch::channel(false);
    let (address, connections) = speaks(builder, move |_, _, answering| {
        let mut released = released.clone();
        async move {
            released.wait_for(|released| *released).await.unwrap();
            ok(answering);
        }
    })
    .await;
    (address, connections, release)
}

/// So many requests at once, all sent when this returns.
async fn many(cluster: &Rc<ThreadCluster>, count: u32) -> Vec<tokio::task::JoinHandle<Result<StatusCode, Error>>> {
    let ask = || {
        let cluster = Rc::clone(cluster);
        tokio::task::spawn_local(async move { get(&cluster).await.map(|answer| answer.status()) })
    };
    let all = (0..count).map(|_| ask()).collect();
    while cluster.cluster().members()[0].endpoint.in_flight() < count {
        tokio::task::yield_now().await;
    }
    all
}

#[test]
fn requests_share_a_connection_until_it_is_full() {
    on_thread(async {
        let mut few = usual();
        few.max_concurrent_streams(2);
        // By the gateway's own bound, and by the endpoint's.
        for (builder, most, count, expected) in [(usual(), 100, 50, 1), (usual(), 3, 7, 3), (few, 100, 5, 3)] {
            let (address, connections, release) = held(builder).await;
            let cluster = Rc::new(cluster_of(&[address], like(ClusterProtocol::Http2, most)));
            let all = many(&cluster, count).await;
            while connections.get() < expected {
                tokio::task::yield_now().await;
            }
            release.send(true).unwrap();
            for answer in all {
                assert_eq!(answer.await.unwrap(), Ok(StatusCode::OK));
            }
            assert_eq!(get(&cluster).await.unwrap().status(), StatusCode::OK);
            assert_eq!(connections.get(), expected);
            assert_eq!(cluster.cluster().members()[0].endpoint.in_flight(), 0);
        }
    });
}

#[test]
fn all_who_wait_for_a_connection_hear_that_there_is_none() {
    on_thread(async {
        let cluster = Rc::new(http2(nobody().await));
        let ask = || {
            let cluster = Rc::clone(&cluster);
            tokio::task::spawn_local(async move { get(&cluster).await.map(|answer| answer.status()) })
        };
        let all: Vec<_> = (0..10).map(|_| ask()).collect();
        for answer in all {
            assert_eq!(answer.await.unwrap(), Err(Error::ConnectFailed));
        }
    });
}

#[test]
fn heads_and_bodies_arrive_whole() {
    on_thread(async {
        let (saw, mut seen) = mpsc::unbounded_channel();
        let (address, _) = speaks(usual(), move |_, request, mut answering| {
            let saw = saw.clone();
            async move {
                let (parts, mut body) = request.into_parts();
                let length = parts.headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
                let whole = read_all(&mut body).await.freeze();
                saw.send((parts.method, parts.uri.to_string(), length, whole.len())).unwrap();
                let mut stream = answering.send_response(Response::new(()), false).unwrap();
                stream.send_data(whole, true).unwrap();
            }
        })
        .await;
        let cluster = http2(address);
        let long = Bytes::from(vec![7; 1 << 20]);
        let known = Body::stream(Frames::of_length(6, vec![data("ab"), data("cdef")]));
        let open = Body::stream(Frames::new(vec![data("ab"), data("c")]));
        for (body, sent, length) in [
            (Body::Empty, 0, None),
            (Body::Full("abc".into()), 3, Some("3".to_owned())),
            (Body::Full(long), 1 << 20, Some("1048576".to_owned())),
            (known, 6, Some("6".to_owned())),
            (open, 3, None),
        ] {
            let answer = cluster.send(request(Method::DELETE, body), Caller::default()).await.unwrap();
            assert_eq!(answer.version(), http::Version::HTTP_2);
            assert_eq!(answer.into_body().collect(1 << 20).await.unwrap().len(), sent);
            assert_eq!(seen.recv().await.unwrap(), (Method::DELETE, "http://test/".into(), length, sent));
        }
    });
}

#[test]
fn a_body_that_is_not_what_it_said_resets_its_stream_alone() {
    on_thread(async {
        let (saw, mut seen) = mpsc::unbounded_channel();
        let (address, connections) = speaks(usual(), move |_, request, answering| {
            let saw = saw.clone();
            async move {
                let mut body = request.into_body();
                while let Some(piece) = body.data().await {
                    if let Err(error) = piece {
                        saw.send(error.reason()).unwrap();
                        return;
                    }
                }
                ok(answering);
            }
        })
        .await;
        let cluster = http2(address);
        for body in
            [Frames::of_length(9, vec![data("short")]), Frames::open(vec![data("some"), Err(BodyError::Client)])]
        {
            let sent = cluster.send(request(Method::POST, Body::stream(body)), Caller::default()).await;
            assert_eq!(sent.unwrap_err(), Error::RequestBody);
            assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        }
        assert_eq!(get(&cluster).await.unwrap().status(), StatusCode::OK);
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn pieces_go_both_ways_at_once_and_trailers_follow() {
    on_thread(async {
        let (address, _) = speaks(usual(), |_, request, mut answering| async move {
            let mut body = request.into_body();
            let mut stream = answering.send_response(Response::new(()), false).unwrap();
            while let Some(Ok(piece)) = body.data().await {
                let _ = body.flow_control().release_capacity(piece.len());
                stream.send_data(piece, false).unwrap();
            }
            let mut trailers = body.trailers().await.unwrap().unwrap();
            trailers.insert("grpc-status", "0".parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        })
        .await;
        let cluster = http2(address);
        let (sender, receiver) = mpsc::unbounded_channel();
        let body = Body::stream(Fed(receiver));
        let mut answer = cluster.send(request(Method::POST, body), Caller::default()).await.unwrap().into_body();
        for text in ["one", "two", "three"] {
            sender.send(data(text)).unwrap();
            let frame = BodyExt::frame(&mut answer).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), text);
        }
        let trailers = http::HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "3".parse().unwrap())]);
        sender.send(Ok(Frame::trailers(trailers))).unwrap();
        let end = BodyExt::collect(answer).await.unwrap();
        let trailers = end.trailers().unwrap();
        assert_eq!((&trailers["x-sum"], &trailers["grpc-status"]), (&"3".parse().unwrap(), &"0".parse().unwrap()));
        assert_eq!(cluster.cluster().members()[0].endpoint.in_flight(), 0);
    });
}

/// A body of what comes through a channel.
struct Fed(mpsc::UnboundedReceiver<Result<Frame<Bytes>, BodyError>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx)
    }
}

#[test]
fn nobody_is_made_to_hold_what_the_other_does_not_take() {
    on_thread(async {
        const PIECE: usize = 16 << 10;
        const MANY: usize = 4 << 20;
        let sent = Rc::new(Cell::new(0));
        let counted = Rc::clone(&sent);
        let (address, _) = speaks(usual(), move |_, request, mut answering| {
            let counted = Rc::clone(&counted);
            async move {
                // It never reads what it is sent.
                let _unread = request.into_body();
                let mut stream = answering.send_response(Response::new(()), false).unwrap();
                while counted.get() < MANY {
                    stream.reserve_capacity(PIECE);
                    let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                    let Some(Ok(room)) = room else { return };
                    counted.set(counted.get() + room.min(PIECE));
                    stream.send_data(Bytes::from(vec![0; room.min(PIECE)]), false).unwrap();
                }
                let _ = stream.send_data(Bytes::new(), true);
            }
        })
        .await;
        let cluster = http2(address);
        let taken = Rc::new(Cell::new(0));
        let pieces = Rc::clone(&taken);
        let upload = Body::stream(Endless(pieces));
        let answer = cluster.send(request(Method::POST, upload), Caller::default()).await.unwrap();
        // Until nothing moves any more.
        let (mut before, mut rounds) = ((0, 0), 0);
        while rounds < 200 {
            tokio::task::yield_now().await;
            let now = (sent.get(), taken.get());
            rounds = if now == before { rounds + 1 } else { 0 };
            before = now;
        }
        assert!(sent.get() <= 512 << 10, "{} bytes of the answer", sent.get());
        assert!(taken.get() <= 512 << 10, "{} bytes of the request", taken.get());
        assert_eq!(answer.into_body().collect(2 * MANY).await.unwrap().len(), sent.get());
    });
}

/// As much as anybody wants, and how much that was.
struct Endless(Rc<Cell<usize>>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let piece = Bytes::from(vec![0; 16 << 10]);
        self.0.set(self.0.get() + piece.len());
        std::task::Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

#[test]
fn who_gives_up_resets_his_stream_and_no_other() {
    on_thread(async {
        let (saw, mut seen) = mpsc::unbounded_channel();
        let (release, released) = tokio::sync::watch::channel(false);
        let (address, connections) = speaks(usual(), move |_, request, mut answering| {
            let (saw, mut released) = (saw.clone(), released.clone());
            async move {
                if request.uri().path() == "/patient" {
                    released.wait_for(|released| *released).await.unwrap();
                    return ok(answering);
                }
                let begun = request.uri().path() == "/begun";
                saw.send(None).unwrap();
                let reset = if begun {
                    let mut stream = answering.send_response(Response::new(()), false).unwrap();
                    std::future::poll_fn(|cx| stream.poll_reset(cx)).await
                } else {
                    std::future::poll_fn(|cx| answering.poll_reset(cx)).await
                };
                saw.send(Some(reset.unwrap())).unwrap();
            }
        })
        .await;
        let cluster = Rc::new(http2(address));
        let ask = |path: &str| {
            let request = Request::get(path).header("host", "test").body(Body::Empty).unwrap();
            let cluster = Rc::clone(&cluster);
            tokio::task::spawn_local(async move { cluster.send(request, Caller::default()).await })
        };
        let patient = ask("/patient");
        let waiting = ask("/waiting");
        assert_eq!(seen.recv().await.unwrap(), None);
        waiting.abort();
        assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        let begun = ask("/begun").await.unwrap().unwrap();
        assert_eq!(seen.recv().await.unwrap(), None);
        drop(begun);
        assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        release.send(true).unwrap();
        assert_eq!(text(patient.await.unwrap().unwrap()).await.unwrap(), "ok");
        assert_eq!((connections.get(), cluster.cluster().members()[0].endpoint.in_flight()), (1, 0));
    });
}

#[test]
fn an_answer_before_the_end_of_the_request_passes() {
    on_thread(async {
        let (address, connections) = speaks(usual(), |_, request, mut answering| async move {
            let early = Response::builder().status(StatusCode::PAYLOAD_TOO_LARGE).body(()).unwrap();
            let mut stream = answering.send_response(early, false).unwrap();
            stream.send_data(Bytes::from_static(b"no"), true).unwrap();
            // Which resets the stream behind the answer (RFC 9113, section 8.1).
            drop(request);
        })
        .await;
        let cluster = http2(address);
        let (_end, body) = that_ends_when_told();
        for body in [body, Body::Full(vec![0; 4 << 20].into())] {
            let answer = cluster.send(request(Method::POST, body), Caller::default()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(text(answer).await.unwrap(), "no");
        }
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn silence_is_cut_before_and_in_an_answer() {
    on_thread(async {
        let (address, connections) = speaks(usual(), |_, request, mut answering| async move {
            if request.uri().path() == "/half" {
                let mut stream = answering.send_response(Response::new(()), false).unwrap();
                stream.send_data(Bytes::from_static(b"half"), false).unwrap();
                std::future::pending::<()>().await;
            }
            std::future::pending::<()>().await;
        })
        .await;
        let cluster = cluster_of(&[address], model::Cluster { timeouts: short(), ..like(ClusterProtocol::Http2, 100) });
        assert_eq!(get(&cluster).await.unwrap_err(), Error::FirstByteTimeout);
        let half = Request::get("/half").header("host", "test").body(Body::Empty).unwrap();
        let answer = cluster.send(half, Caller::default()).await.unwrap();
        assert_eq!(text(answer).await, Err(BodyError::Idle));
        assert_eq!(connections.get(), 2, "one that may be dead isn't used again");
        assert_eq!(cluster.cluster().members()[0].endpoint.failures(), 1);
    });
}

#[test]
fn a_stream_that_breaks_off_is_no_answer() {
    on_thread(async {
        let (address, _) = speaks(usual(), |_, request, mut answering| async move {
            if request.uri().path() == "/half" {
                let mut stream = answering.send_response(Response::new(()), false).unwrap();
                stream.send_data(Bytes::from_static(b"half"), false).unwrap();
                return stream.send_reset(Reason::INTERNAL_ERROR);
            }
            answering.send_reset(Reason::INTERNAL_ERROR);
        })
        .await;
        let cluster = http2(address);
        assert_eq!(get(&cluster).await.unwrap_err(), Error::Reset);
        let half = Request::get("/half").header("host", "test").body(Body::Empty).unwrap();
        let outcome = match cluster.send(half, Caller::default()).await {
            Ok(answer) => text(answer).await.unwrap_err(),
            // What was sent may be taken back before it goes out.
            Err(error) => return assert_eq!(error, Error::Reset),
        };
        assert_eq!(outcome, BodyError::Upstream);
    });
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Speaks HTTP/2 in frames until the connection ends. Requests get what `reply` makes in place of answers.
async fn refuse(stream: &mut TcpStream, mut reply: impl FnMut(u32) -> Vec<u8>) {
    stream.read_exact(&mut [0; 24]).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4] & 1) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await.unwrap(),
            (PING, 0) => stream.write_all(&frame(PING, 1, 0, &payload)).await.unwrap(),
            (HEADERS, _) => stream.write_all(&reply(id)).await.unwrap(),
            _ => {}
        }
    }
}

/// The reply that refuses one stream.
fn refused(id: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, id, &7_u32.to_be_bytes())
}

/// The one that says that no request was looked at, and that the connection ends.
fn gone(_: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[0; 8])
}

#[test]
fn requests_that_were_not_looked_at_are_sent_again_whatever_they_are() {
    on_thread(async {
        for reply in [refused as fn(u32) -> Vec<u8>, gone] {
            let first = endpoint(move |_, mut stream| async move { refuse(&mut stream, reply).await }).await;
            let (saw, mut seen) = mpsc::unbounded_channel();
            let (second, _) = speaks(usual(), move |_, request, answering| {
                let saw = saw.clone();
                async move {
                    let mut body = request.into_body();
                    saw.send(read_all(&mut body).await.freeze()).unwrap();
                    ok(answering);
                }
            })
            .await;
            let cluster = cluster_of(&[first, second], like(ClusterProtocol::Http2, 100));
            let small = cluster.send(request(Method::POST, Body::Full("whole".into())), Caller::default()).await;
            assert_eq!(small.unwrap().status(), StatusCode::OK);
            assert_eq!(seen.recv().await.unwrap(), "whole");
            let (end, untouched) = that_ends_when_told();
            let sending = cluster.send(request(Method::POST, untouched), Caller::default());
            tokio::pin!(sending);
            // The second one is asked once the first has refused: what hasn't come yet can't have been sent.
            while cluster.cluster().members()[1].endpoint.in_flight() == 0 {
                tokio::select! {
                    biased;
                    _ = &mut sending => panic!("nothing is over"),
                    () = tokio::task::yield_now() => {}
                }
            }
            end.send(()).unwrap();
            assert_eq!(sending.await.unwrap().status(), StatusCode::OK);
            assert_eq!(seen.recv().await.unwrap(), "");
            let touched = Body::stream(Frames::open(vec![data("part")]));
            let lost = cluster.send(request(Method::POST, touched), Caller::default()).await;
            assert_eq!(lost.unwrap_err(), Error::Reset, "what was taken of a body is gone");
        }
    });
}

#[test]
fn a_connection_that_goes_away_is_followed_by_a_fresh_one() {
    on_thread(async {
        for reply in [refused as fn(u32) -> Vec<u8>, gone] {
            // Connections, and requests on the first of them.
            let (count, requests) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let (connected, requested) = (Rc::clone(&count), Rc::clone(&requests));
            let address = endpoint(move |number, mut stream| {
                connected.set(number + 1);
                let requested = Rc::clone(&requested);
                async move {
                    if number > 0 {
                        return serve_all(number, stream, usual(), |_, _, answering| async { ok(answering) }).await;
                    }
                    // The first waits until there is a second, which finds the connection open.
                    let reply = |id| {
                        requested.set(requested.get() + 1);
                        if requested.get() == 2 { reply(id) } else { Vec::new() }
                    };
                    refuse(&mut stream, reply).await;
                }
            })
            .await;
            let cluster = Rc::new(http2(address));
            let first = {
                let cluster = Rc::clone(&cluster);
                tokio::task::spawn_local(async move { get(&cluster).await.map(|answer| answer.status()) })
            };
            while requests.get() == 0 {
                tokio::task::yield_now().await;
            }
            let post = cluster.send(request(Method::POST, Body::Full("x".into())), Caller::default()).await;
            assert_eq!(post.unwrap().status(), StatusCode::OK);
            assert_eq!(count.get(), 2);
            first.abort();
        }
    });
}

#[test]
fn who_does_not_speak_it_gets_no_request() {
    on_thread(async {
        let plain = endpoint(|_, mut stream| async move {
            let mut seen = vec![0; 24];
            stream.read_exact(&mut seen).await.unwrap();
            stream.write_all(b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            let _ = stream.read_to_end(&mut seen).await;
        })
        .await;
        assert_eq!(get(&http2(plain)).await.unwrap_err(), Error::Malformed);
        let (good, _) = speaks(usual(), |_, _, answering| async { ok(answering) }).await;
        let both = cluster_of(&[plain, good], like(ClusterProtocol::Http2, 100));
        let post = both.send(request(Method::POST, Body::Full("x".into())), Caller::default()).await;
        assert_eq!(post.unwrap().status(), StatusCode::OK);
    });
}

/// Speaks what was agreed on.
async fn by_alpn(authority: &mut Authority, offered: &[&str]) -> (SocketAddr, Rc<Cell<usize>>) {
    let mut config = authority.server("shop.test", Age::Good, false, Versions::default());
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    let connections = Rc::new(Cell::new(0));
    let seen = Rc::clone(&connections);
    let address = encrypted(config, move |number, stream| {
        seen.set(number + 1);
        async move {
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                serve_all(number, stream, usual(), |_, _, answering| async { ok(answering) }).await;
            } else {
                answer_all(stream).await;
            }
        }
    })
    .await;
    (address, connections)
}

#[test]
fn the_endpoint_chooses_over_tls() {
    on_thread(async {
        use http::Version;
        let mut authority = Authority::new();
        for (protocol, offered, expected) in [
            (ClusterProtocol::Auto, &["h2", "http/1.1"][..], Ok(Version::HTTP_2)),
            (ClusterProtocol::Auto, &["http/1.1"], Ok(Version::HTTP_11)),
            (ClusterProtocol::Auto, &[], Ok(Version::HTTP_11)),
            (ClusterProtocol::Http2, &["h2"], Ok(Version::HTTP_2)),
            (ClusterProtocol::Http2, &["http/1.1"], Err(Error::Tls(TlsFault::NoProtocol))),
            (ClusterProtocol::Http2, &[], Err(Error::Tls(TlsFault::NoProtocol))),
            (ClusterProtocol::Http1, &["h2", "http/1.1"], Ok(Version::HTTP_11)),
            (ClusterProtocol::Http1, &["h2"], Err(Error::Tls(TlsFault::NoProtocol))),
        ] {
            let (address, connections) = by_alpn(&mut authority, offered).await;
            let wanted = ClusterTls { protocol, ..authority.wanted("shop.test") };
            let check = HealthCheck {
                probe: Probe::Http { path: "/".into(), expect: Statuses(vec![200..=200]), body: None },
                interval: Duration::from_millis(5),
                timeout: Duration::from_secs(5),
                unhealthy_after: 1,
                healthy_after: 1,
            };
            let like = model::Cluster { health_check: Some(check), ..like(protocol, 100) };
            let cluster = Rc::new(authority.cluster_like(address, &wanted, like));
            let all: Vec<_> = (0..3)
                .map(|_| {
                    let cluster = Rc::clone(&cluster);
                    tokio::task::spawn_local(async move { get(&cluster).await.map(|answer| answer.version()) })
                })
                .collect();
            for answer in all {
                assert_eq!(answer.await.unwrap(), expected, "{protocol:?} {offered:?}");
            }
            let before = connections.get();
            assert_eq!(get(&cluster).await.map(|answer| answer.version()), expected);
            if expected.is_ok() {
                assert_eq!(connections.get(), before, "it is used again");
                assert!(before <= if expected == Ok(Version::HTTP_2) { 1 } else { 3 });
            }
            let endpoint = &cluster.cluster().members()[0].endpoint;
            endpoint.set_healthy(expected.is_err());
            let watched = Watched::start(&cluster);
            while endpoint.is_healthy() == expected.is_err() {
                tokio::task::yield_now().await;
            }
            drop(watched);
        }
    });
}

#[test]
fn checks_are_made_by_it_too() {
    on_thread(async {
        let (address, _) = speaks(usual(), |_, request, answering| async move {
            assert_eq!((request.version(), request.uri().path()), (http::Version::HTTP_2, "/well"));
            ok(answering);
        })
        .await;
        let check = HealthCheck {
            probe: Probe::Http { path: "/well".into(), expect: Statuses(vec![200..=200]), body: Some("ok".into()) },
            interval: Duration::from_millis(5),
            timeout: Duration::from_secs(5),
            unhealthy_after: 1,
            healthy_after: 1,
        };
        let like = model::Cluster { health_check: Some(check), ..like(ClusterProtocol::Http2, 100) };
        let cluster = cluster_of(&[address], like);
        let endpoint = &cluster.cluster().members()[0].endpoint;
        endpoint.set_healthy(false);
        let watched = Watched::start(&cluster);
        while !endpoint.is_healthy() {
            tokio::task::yield_now().await;
        }
        drop(watched);
    });
}
