//! What plugins reach clusters with. A plugin's call may run anywhere; connections belong to a data
//! thread. So a call is a message to a task on that thread, which sends the request by the clusters that
//! serve there at that moment.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use tokio::sync::{mpsc, oneshot};

use crate::body::{Body, BodyError};
use crate::config::model::Address;
use crate::error::Error;
use crate::plugin::http_client::{ClientError, HttpClient, Sending};
use crate::telemetry::trail::{Followed, Trail};
use crate::upstream::{Caller, ThreadCluster};

/// The clusters of one thread by name.
pub type Clusters = HashMap<Arc<str>, Rc<ThreadCluster>>;

/// The handle that plugins have.
#[derive(Debug)]
pub struct Client(mpsc::UnboundedSender<Job>);

#[derive(Debug)]
struct Job {
    cluster: Box<str>,
    request: Request<Bytes>,
    timeout: Option<Duration>,
    max_body: usize,
    followed: Option<Followed>,
    reply: oneshot::Sender<Result<Response<Bytes>, ClientError>>,
}

impl Client {
    /// A client, and the task that serves it. The task ends when the last handle is gone; it has to run in
    /// a `LocalSet`.
    pub fn new(clusters: Rc<RefCell<Rc<Clusters>>>) -> (Arc<Self>, impl Future<Output = ()> + 'static) {
        let (sender, mut jobs) = mpsc::unbounded_channel::<Job>();
        let serve = async move {
            while let Some(job) = jobs.recv().await {
                let cluster = clusters.borrow().get(&*job.cluster).cloned();
                match cluster {
                    Some(cluster) => drop(tokio::task::spawn_local(job.run(cluster))),
                    // Whoever asked may have gone.
                    None => drop(job.reply.send(Err(ClientError::UnknownCluster))),
                }
            }
        };
        (Arc::new(Self(sender)), serve)
    }
}

impl HttpClient for Client {
    fn send(
        &self,
        cluster: &str,
        request: Request<Bytes>,
        timeout: Option<Duration>,
        max_body: usize,
        followed: Option<Followed>,
    ) -> Sending {
        let (reply, answer) = oneshot::channel();
        // If the thread is stopping, the answer's channel is closed.
        let _ = self.0.send(Job { cluster: cluster.into(), request, timeout, max_body, followed, reply });
        Box::pin(async move { answer.await.unwrap_or(Err(ClientError::Unavailable)) })
    }
}

impl Job {
    async fn run(self, cluster: Rc<ThreadCluster>) {
        let Self { request, timeout, max_body, mut reply, followed, .. } = self;
        let trail = followed.as_ref().map(trail);
        let sending = async {
            let sending = send(&cluster, request, max_body, trail.as_ref());
            match timeout {
                Some(timeout) => tokio::time::timeout(timeout, sending).await.unwrap_or(Err(ClientError::Timeout)),
                None => sending.await,
            }
        };
        let answer = tokio::select! {
            answer = sending => answer,
            // The caller has dropped its future: nobody waits for the answer.
            () = reply.closed() => return,
        };
        // Before whoever waits goes on.
        if let (Some(trail), Some(Followed { tries: Some(tries), .. })) = (trail, followed)
            && let Some(steps) = trail.take_steps()
        {
            tries.lock().unwrap_or_else(PoisonError::into_inner).extend(steps.tries);
        }
        drop(reply.send(answer));
    }
}

/// Where the tries of one request are noted.
fn trail(followed: &Followed) -> Trail {
    let trail = Trail::default();
    trail.trace(followed.context);
    if followed.tries.is_some() {
        trail.keep_steps();
    }
    trail
}

async fn send(
    cluster: &ThreadCluster,
    request: Request<Bytes>,
    max_body: usize,
    trail: Option<&Trail>,
) -> Result<Response<Bytes>, ClientError> {
    let mut request = request.map(|body| if body.is_empty() { Body::Empty } else { Body::Full(body) });
    // Unlike a client's request this one names no host, so the cluster's stands in.
    let host = cluster.cluster().host().cloned().or_else(|| {
        let endpoint = &cluster.cluster().members().first()?.endpoint;
        match endpoint.address() {
            Address::Ip(_) => HeaderValue::from_str(endpoint.text()).ok(),
            // Its path is no host.
            Address::Unix(_) => Some(HeaderValue::from_static("localhost")),
        }
    });
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    let (head, body) = cluster.send(request, Caller { trail, ..Caller::default() }).await.map_err(why)?.into_parts();
    let body = body.collect(max_body).await.map_err(|error| match error {
        BodyError::TooLarge => ClientError::TooLarge,
        BodyError::Idle => ClientError::Timeout,
        BodyError::Client | BodyError::Upstream | BodyError::Plugin => ClientError::Unavailable,
    })?;
    Ok(Response::from_parts(head, body))
}

fn why(error: Error) -> ClientError {
    match error {
        Error::ConnectTimeout | Error::FirstByteTimeout | Error::UpstreamStalled | Error::Deadline => {
            ClientError::Timeout
        }
        _ => ClientError::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Cluster, ClusterProtocol, ClusterTls, Versions};
    use crate::upstream::tests::authority::{Age, Authority};
    use crate::upstream::tests::support::{answer_all, on_thread};
    use crate::upstream::tests::{http2, tls};

    /// What plugins reach over this cluster.
    async fn reach(cluster: ThreadCluster, body: &'static [u8]) -> Result<Response<Bytes>, ClientError> {
        let clusters: Clusters = [("up".into(), Rc::new(cluster))].into();
        let (client, serve) = Client::new(Rc::new(RefCell::new(Rc::new(clusters))));
        tokio::task::spawn_local(serve);
        let request = Request::post("/").body(Bytes::from_static(body)).unwrap();
        client.send("up", request, None, 1000, None).await
    }

    #[test]
    fn plugins_reach_clusters_over_tls_and_by_http2() {
        on_thread(async {
            let mut authority = Authority::new();
            for protocol in [ClusterProtocol::Http1, ClusterProtocol::Http2, ClusterProtocol::Auto] {
                let mut config = authority.server("shop.test", Age::Good, false, Versions::default());
                config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
                let address = tls::encrypted(config, |number, stream| async move {
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        let serve = |_, _, answering| async { http2::ok(answering) };
                        http2::serve_all(number, stream, http2::usual(), serve).await;
                    } else {
                        answer_all(stream).await;
                    }
                })
                .await;
                let wanted = ClusterTls { protocol, ..authority.wanted("shop.test") };
                let cluster = authority.cluster_like(address, &wanted, Cluster { protocol, ..Cluster::default() });
                let answer = reach(cluster, b"").await.unwrap();
                assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"ok"[..]), "{protocol:?}");
                let other = ClusterTls { protocol, ..authority.wanted("other.test") };
                let cluster = authority.cluster_like(address, &other, Cluster { protocol, ..Cluster::default() });
                assert_eq!(reach(cluster, b"").await.err(), Some(ClientError::Unavailable), "for another name");
            }
        });
    }
}
