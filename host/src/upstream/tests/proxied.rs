//! Endpoints that are told whose connections they have.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use super::policies::on_cluster;
use super::resilience::of;
use super::*;
use crate::proxy_protocol::Version;

/// An endpoint that reads a header of version 1, and answers. Who came with each connection.
async fn told() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let address = endpoint(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let mut header = Vec::new();
            while !header.ends_with(b"\r\n") {
                header.push(stream.read_u8().await.unwrap());
            }
            tell.send(String::from_utf8(header).unwrap()).unwrap();
            answer_all(stream).await;
        }
    })
    .await;
    (address, told)
}

async fn ask(cluster: &ThreadCluster, ends: Option<(SocketAddr, SocketAddr)>) {
    let answer = cluster.send(request(Method::GET, Body::Empty), Caller { ends, ..Caller::default() }).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), "ok");
}

fn ends(port: u16) -> Option<(SocketAddr, SocketAddr)> {
    Some((([192, 0, 2, 1], port).into(), ([192, 0, 2, 9], 443).into()))
}

#[test]
fn a_connection_is_for_one_client_alone() {
    on_thread(async {
        let (address, mut told) = told().await;
        let config = model::Cluster { proxy_protocol: Some(Version::V1), ..of(&[address]) };
        let cluster = on_cluster(&config, None);
        for who in [ends(1), ends(2), ends(1), None, ends(2), None, ends(1)] {
            ask(&cluster, who).await;
        }
        for expected in ["TCP4 192.0.2.1 192.0.2.9 1 443", "TCP4 192.0.2.1 192.0.2.9 2 443", "UNKNOWN"] {
            assert_eq!(told.recv().await.unwrap(), format!("PROXY {expected}\r\n"));
        }
        assert!(told.try_recv().is_err(), "each is used again");
    });
}

#[test]
fn clients_take_turns_where_there_is_room_for_one_connection() {
    on_thread(async {
        let (address, mut told) = told().await;
        let wait = Duration::from_secs(15);
        let limits = model::ClusterLimits { connections: Some(1), wait, ..model::ClusterLimits::default() };
        let config = model::Cluster { proxy_protocol: Some(Version::V1), limits, ..of(&[address]) };
        let cluster = Rc::new(on_cluster(&config, None));
        let all: Vec<_> = (1..9)
            .map(|port| {
                let cluster = Rc::clone(&cluster);
                tokio::task::spawn_local(async move { ask(&cluster, ends(port)).await })
            })
            .collect();
        for asked in all {
            asked.await.unwrap();
        }
        let mut ports = Vec::new();
        while let Ok(header) = told.try_recv() {
            ports.push(header.split(' ').nth(4).unwrap().parse::<u16>().unwrap());
        }
        ports.sort_unstable();
        assert_eq!(ports, (1..9).collect::<Vec<_>>());
    });
}
