//! Byte streams: from a `tcp` listener to an endpoint of a cluster and back, by the cluster that the listener
//! names, or by the name that a TLS client asks for. It never reads more of a stream than that name.

mod names;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;

use crate::io::Transport;
use crate::server::{Connection, Ending, Hello, LONGEST_HELLO, StreamHandler, pump, read_hello};
use crate::snapshot::thread::{ThreadSnapshot, ThreadStreams};
use crate::upstream::ThreadCluster;

/// For the first message of a TLS client.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

/// Serves the byte streams of one thread by the snapshot published last.
pub struct Forwarder {
    snapshot: RefCell<Rc<ThreadSnapshot>>,
}

impl Forwarder {
    pub fn new(snapshot: Rc<ThreadSnapshot>) -> Rc<Self> {
        Rc::new(Self { snapshot: RefCell::new(snapshot) })
    }

    /// Serve new streams by another snapshot; open ones go on as they are.
    pub fn publish(&self, snapshot: Rc<ThreadSnapshot>) {
        let old = self.snapshot.replace(snapshot);
        // In a statement of its own: dropping pools and plugins must not find the cell borrowed.
        drop(old);
    }

    fn streams(&self, listener: &str) -> Option<Rc<ThreadStreams>> {
        self.snapshot.borrow().streams.get(listener).cloned()
    }
}

impl StreamHandler for Forwarder {
    async fn handle(
        self: Rc<Self>,
        mut stream: Transport,
        first: BytesMut,
        connection: Connection,
    ) -> Result<(), &'static str> {
        let streams = self.streams(&connection.listener).ok_or("no-cluster")?;
        let (cluster, first) = match &connection.tls {
            Some(facts) => (named(&streams, facts.server_name.as_deref())?, first.freeze()),
            None => choose(&streams, &mut stream, first).await?,
        };
        let idle = streams.idle_timeout;
        // A long stream holds on to nothing but its endpoint.
        drop(streams);
        let dialed = cluster.dial(connection.peer, connection.local).await;
        let mut dialed = dialed.map_err(|error| {
            tracing::warn!(listener = &*connection.listener, cluster = &**cluster.cluster().name(), %error, "upstream failed");
            "upstream"
        })?;
        drop(cluster);
        if pump(&mut stream, &mut dialed.stream, first, idle).await == Ending::Idle {
            tracing::debug!(listener = &*connection.listener, peer = %connection.peer, "closing an idle stream");
        }
        Ok(())
    }
}

/// The cluster of a stream, and what was read of it to find that out.
async fn choose(
    streams: &ThreadStreams,
    stream: &mut Transport,
    first: BytesMut,
) -> Result<(Rc<ThreadCluster>, Bytes), &'static str> {
    if streams.names.is_empty() {
        return Ok((streams.cluster.clone().ok_or("no-cluster")?, first.freeze()));
    }
    let reading = tokio::time::timeout(HELLO_LIMIT, hello(stream, first));
    let (name, first) = reading.await.map_err(|_| "timeout")??;
    Ok((named(streams, name.as_deref())?, first))
}

/// The cluster for the name that a TLS client asks for, or for all others.
fn named(streams: &ThreadStreams, name: Option<&str>) -> Result<Rc<ThreadCluster>, &'static str> {
    let lower = name.map(str::to_ascii_lowercase);
    let named = lower.and_then(|name| names::find(&streams.names, &name).cloned());
    named.or_else(|| streams.cluster.clone()).ok_or("no-cluster")
}

/// The name that a TLS client asks for, if there is one, and what was read.
async fn hello(stream: &mut Transport, mut seen: BytesMut) -> Result<(Option<Arc<str>>, Bytes), &'static str> {
    loop {
        match read_hello(&seen) {
            Hello::Tls(name) => return Ok((name.map(Arc::from), seen.freeze())),
            Hello::Other => return Ok((None, seen.freeze())),
            Hello::Incomplete => {}
        }
        seen.reserve(LONGEST_HELLO.saturating_sub(seen.len()).max(1));
        match stream.read_buf(&mut seen).await {
            // It ended, or broke, before it said what it is.
            Ok(0) | Err(_) => return Err("incomplete"),
            Ok(_) => {}
        }
    }
}
