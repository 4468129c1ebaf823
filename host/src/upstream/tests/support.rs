//! Endpoints made of closures, and clusters of them. For the tests of the floors above too.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::balance::{PickContext, Policy, View};
use crate::config::model;
use crate::upstream::{Cluster, Pool, ThreadCluster};

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The first endpoint that wasn't tried.
pub(crate) struct InOrder;

impl Policy for InOrder {
    fn pick(&self, context: &PickContext<'_>, endpoints: &dyn View) -> Option<usize> {
        (0..endpoints.len()).find(|index| !context.tried.contains(index))
    }
}

pub(crate) fn on_thread<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(20), test).await.expect("the test hangs")
    })
}

pub(crate) fn cluster(addresses: &[SocketAddr], timeouts: model::Timeouts) -> ThreadCluster {
    thread_cluster(&config(addresses, timeouts))
}

/// A cluster that sends a `Host` of its own.
pub(crate) fn cluster_with_host(address: SocketAddr, host: http::HeaderValue) -> ThreadCluster {
    thread_cluster(&model::Cluster { host: Some(host), ..config(&[address], model::Timeouts::default()) })
}

fn thread_cluster(config: &model::Cluster) -> ThreadCluster {
    ThreadCluster::new(Arc::new(Cluster::new(config, None, None, Arc::default())), Box::new(InOrder), &Pool::new())
}

fn config(addresses: &[SocketAddr], timeouts: model::Timeouts) -> model::Cluster {
    model::Cluster {
        name: "test".into(),
        endpoints: addresses.iter().map(|address| (*address).into()).collect(),
        timeouts,
        ..model::Cluster::default()
    }
}

pub(crate) fn short() -> model::Timeouts {
    let short = Duration::from_millis(50);
    model::Timeouts { connect: Duration::from_secs(5), first_byte: short, idle: short, ..model::Timeouts::default() }
}

/// Serve each connection with `serve`, given the number of the connection from 0.
pub(crate) async fn endpoint<F, S>(serve: F) -> SocketAddr
where
    F: Fn(usize, TcpStream) -> S + 'static,
    S: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::task::spawn_local(serve(number, stream));
        }
    });
    address
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Read until the blank line; false at the end of the stream.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => seen.push(byte),
            Err(_) => return false,
        }
    }
    true
}

pub(crate) async fn answer_all(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    while read_head(&mut stream).await {
        stream.write_all(OK.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}
