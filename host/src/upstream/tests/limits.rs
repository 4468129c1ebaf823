//! How many connections there are, whoever has them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::policies::on_cluster;
use super::resilience::{ask, of};
use super::*;
use crate::config::model::{ClusterLimits, ClusterProtocol};
use crate::upstream::Cluster;

/// Counts the connections to some endpoints.
#[derive(Clone)]
struct Open {
    count: watch::Sender<usize>,
    most: usize,
}

impl Open {
    fn at_most(most: usize) -> Self {
        Self { count: watch::channel(0).0, most }
    }

    /// Wait until there aren't too many: for ever, if somebody has them who shouldn't.
    async fn fits(&self) {
        self.count.subscribe().wait_for(|count| *count <= self.most).await.unwrap();
    }

    /// An endpoint that answers nothing as long as there are too many.
    async fn endpoint(&self) -> SocketAddr {
        let open = self.clone();
        endpoint(move |_, mut stream| {
            let open = open.clone();
            async move {
                open.count.send_modify(|count| *count += 1);
                while read_head(&mut stream).await {
                    open.fits().await;
                    if stream.write_all(OK.as_bytes()).await.is_err() {
                        break;
                    }
                }
                open.count.send_modify(|count| *count -= 1);
            }
        })
        .await
    }

    /// The same over HTTP/2.
    async fn shared_endpoint(&self) -> SocketAddr {
        let open = self.clone();
        endpoint(move |number, stream| {
            let open = open.clone();
            async move {
                open.count.send_modify(|count| *count += 1);
                let own = open.clone();
                let serve = move |_, _, answering| {
                    let open = own.clone();
                    async move {
                        open.fits().await;
                        http2::ok(answering);
                    }
                };
                http2::serve_all(number, stream, http2::usual(), serve).await;
                open.count.send_modify(|count| *count -= 1);
            }
        })
        .await
    }
}

fn limited(addresses: &[SocketAddr], connections: u32) -> model::Cluster {
    let wait = Duration::from_secs(15);
    let limits = ClusterLimits { connections: Some(connections), wait, ..ClusterLimits::default() };
    model::Cluster { limits, ..of(addresses) }
}

/// The cluster as another thread has it.
fn elsewhere(cluster: &Arc<Cluster>) -> Rc<ThreadCluster> {
    Rc::new(ThreadCluster::new(Arc::clone(cluster), Box::new(cluster.balancer(1)), &Pool::new()))
}

type Asked = tokio::task::JoinHandle<Result<StatusCode, Error>>;

fn asking(cluster: &Rc<ThreadCluster>) -> Asked {
    let cluster = Rc::clone(cluster);
    tokio::task::spawn_local(async move {
        let answer = get(&cluster).await?;
        let status = answer.status();
        text(answer).await.map_err(|_| Error::ResponseBody)?;
        Ok(status)
    })
}

/// Ask from several threads at once, often; all of it has to be answered.
async fn ask_from_threads(cluster: Arc<Cluster>, threads: u32) {
    let asking = (0..threads).map(|_| {
        let cluster = Arc::clone(&cluster);
        tokio::task::spawn_blocking(move || {
            on_thread(async {
                let own = elsewhere(&cluster);
                for _ in 0..20 {
                    let some: Vec<_> = (0..6).map(|_| asking(&own)).collect();
                    for answer in some {
                        assert_eq!(answer.await.unwrap(), Ok(StatusCode::OK));
                    }
                }
            });
        })
    });
    for thread in asking.collect::<Vec<_>>() {
        thread.await.unwrap();
    }
}

#[test]
fn threads_share_few_connections_and_nobody_starves() {
    on_thread(async {
        for most in [1, 3] {
            let open = Open::at_most(most);
            let addresses = [open.endpoint().await, open.endpoint().await];
            let config = limited(&addresses, u32::try_from(most).unwrap());
            ask_from_threads(Arc::new(Cluster::new(&config, None, None, Arc::default())), 4).await;
        }
    });
}

#[test]
fn threads_share_few_connections_of_http2_too() {
    on_thread(async {
        for most in [1, 3] {
            let open = Open::at_most(most);
            let addresses = [open.shared_endpoint().await, open.shared_endpoint().await];
            let config = model::Cluster {
                protocol: ClusterProtocol::Http2,
                max_concurrent_streams: 2,
                ..limited(&addresses, u32::try_from(most).unwrap())
            };
            ask_from_threads(Arc::new(Cluster::new(&config, None, None, Arc::default())), 3).await;
        }
    });
}

#[test]
fn one_connection_serves_all_who_wait_for_it() {
    on_thread(async {
        for protocol in [ClusterProtocol::Http1, ClusterProtocol::Http2] {
            let open = Open::at_most(1);
            let shared = protocol == ClusterProtocol::Http2;
            let address = if shared { open.shared_endpoint().await } else { open.endpoint().await };
            let config = model::Cluster { protocol, max_concurrent_streams: 1, ..limited(&[address], 1) };
            let cluster = Rc::new(on_cluster(&config, None));
            let all: Vec<_> = (0..20).map(|_| asking(&cluster)).collect();
            for answer in all {
                assert_eq!(answer.await.unwrap(), Ok(StatusCode::OK));
            }
        }
    });
}

#[test]
fn idle_connections_make_room() {
    on_thread(async {
        let open = Open::at_most(1);
        // Idle ones of another endpoint, of another thread, and ones that are shared.
        let addresses = [open.endpoint().await, open.endpoint().await];
        let here = on_cluster(&limited(&addresses, 1), None);
        let there = elsewhere(&here.cluster_arc());
        for _ in 0..4 {
            assert_eq!(ask(&here, Method::GET).await.0, StatusCode::OK);
            assert_eq!(ask(&there, Method::GET).await.0, StatusCode::OK);
        }
        let shared = [open.shared_endpoint().await, open.shared_endpoint().await];
        drop((here, there));
        let config = model::Cluster { protocol: ClusterProtocol::Http2, ..limited(&shared, 1) };
        let here = on_cluster(&config, None);
        let there = elsewhere(&here.cluster_arc());
        for _ in 0..4 {
            assert_eq!(ask(&here, Method::GET).await.0, StatusCode::OK);
            assert_eq!(ask(&there, Method::GET).await.0, StatusCode::OK);
        }
    });
}

#[test]
fn who_finds_no_room_in_time_is_turned_away() {
    on_thread(async {
        let silent = endpoint(|_, mut stream| async move { while read_head(&mut stream).await {} }).await;
        for protocol in [ClusterProtocol::Http1, ClusterProtocol::Http2] {
            let open = Open::at_most(1);
            let address = if protocol == ClusterProtocol::Http1 { silent } else { open.shared_endpoint().await };
            let config = limited(&[address], 1);
            let limits = ClusterLimits { wait: Duration::from_millis(20), ..config.limits.clone() };
            let config = model::Cluster { protocol, limits, ..config };
            let here = on_cluster(&config, None);
            let somebody = "127.0.0.1:1".parse().unwrap();
            let stream = here.dial(somebody, somebody).await.unwrap();
            let there = elsewhere(&here.cluster_arc());
            for cluster in [&here, &*there] {
                assert_eq!(get(cluster).await.err(), Some(Error::Overloaded), "{protocol:?}");
            }
            assert_eq!(here.dial(somebody, somebody).await.err(), Some(Error::Overloaded));
            let endpoint = &here.cluster().members()[0].endpoint;
            assert_eq!((endpoint.failed_requests(), endpoint.last_error(), endpoint.in_flight()), (0, None, 1));
            drop(stream);
            if protocol == ClusterProtocol::Http2 {
                assert_eq!(ask(&there, Method::GET).await.0, StatusCode::OK);
            }
        }
    });
}

#[test]
fn a_connection_that_is_broken_off_makes_room() {
    on_thread(async {
        let silent = endpoint(|_, mut stream| async move { while read_head(&mut stream).await {} }).await;
        let cluster = Rc::new(on_cluster(&limited(&[silent], 1), None));
        let (first, second) = (asking(&cluster), asking(&cluster));
        while cluster.cluster().members()[0].endpoint.requests() < 2 {
            tokio::task::yield_now().await;
        }
        // One has the place, and one waits for it.
        first.abort();
        second.abort();
        assert!(first.await.is_err() && second.await.is_err());
        let somebody = "127.0.0.1:1".parse().unwrap();
        let stream = cluster.dial(somebody, somebody).await.unwrap();
        assert_eq!(cluster.cluster().members()[0].endpoint.in_flight(), 1);
        drop(stream);
    });
}
