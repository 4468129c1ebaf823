//! Endpoints at Unix sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UnixListener;

use super::policies::Watched;
use super::*;
use crate::config::model::{Address, HealthCheck, Probe, Statuses};
use crate::proxy_protocol::Version;
use crate::upstream::Cluster;

fn cluster_at(path: &std::path::Path, like: model::Cluster) -> ThreadCluster {
    let address = Address::Unix(path.into());
    let config = model::Cluster { name: "test".into(), endpoints: vec![address.into()], ..like };
    let cluster = Arc::new(Cluster::new(&config, None, None, Arc::default()));
    ThreadCluster::new(cluster, Box::new(InOrder), &Pool::new())
}

#[test]
fn requests_and_checks_go_over_unix_sockets() {
    on_thread(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.sock");
        let check = HealthCheck {
            probe: Probe::Http { path: "/".into(), expect: Statuses(vec![200..=200]), body: None },
            interval: Duration::from_millis(5),
            timeout: Duration::from_secs(5),
            unhealthy_after: 1,
            healthy_after: 1,
        };
        let cluster = cluster_at(&path, model::Cluster { health_check: Some(check), ..model::Cluster::default() });
        assert_eq!(get(&cluster).await.unwrap_err(), Error::ConnectFailed);
        let count = Rc::new(Cell::new(0));
        let (seen, listener) = (Rc::clone(&count), UnixListener::bind(&path).unwrap());
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.set(seen.get() + 1);
                tokio::task::spawn_local(answer_all(stream));
            }
        });
        for _ in 0..3 {
            assert_eq!(text(get(&cluster).await.unwrap()).await.unwrap(), "ok");
        }
        assert_eq!(count.get(), 1, "it is used again");
        let endpoint = &cluster.cluster().members()[0].endpoint;
        assert_eq!(endpoint.text(), format!("unix:{}", path.display()));
        endpoint.set_healthy(false);
        let watched = Watched::start(&cluster);
        while !endpoint.is_healthy() {
            tokio::task::yield_now().await;
        }
        drop(watched);
    });
}

#[test]
fn byte_streams_go_over_unix_sockets() {
    on_thread(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("database.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let like = model::Cluster { proxy_protocol: Some(Version::V1), ..model::Cluster::default() };
        let cluster = cluster_at(&path, like);
        let (source, destination) = (SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], 2)));
        let mut dialed = cluster.dial(source, destination).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        dialed.stream.write_all(b"hello").await.unwrap();
        let expected = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello";
        let mut heard = vec![0; expected.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, expected);
    });
}
