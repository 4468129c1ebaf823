//! Endpoints that speak HTTP/2, well and badly.

mod passing;
mod refusals;
mod silence;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Response;
use http_body::Frame;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::authority::{Age, Authority};
use super::bodies::that_ends_when_told;
use super::policies::Watched;
use super::tls::encrypted;
use super::*;
use crate::config::model::{ClusterProtocol, ClusterTls, HealthCheck, Probe, Statuses, Versions};
use crate::error::TlsFault;
use crate::upstream::Cluster;

pub(crate) type Answering = SendResponse<Bytes>;

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

pub(crate) async fn serve_all<T, F, S>(number: usize, stream: T, builder: h2::server::Builder, serve: F)
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

pub(crate) fn usual() -> h2::server::Builder {
    h2::server::Builder::new()
}

pub(crate) fn ok(mut answering: Answering) {
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
