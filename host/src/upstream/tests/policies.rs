//! Policies at work over real sockets: what only shows when requests are really sent.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header;
use tokio::task::JoinHandle;

use super::*;
use crate::upstream::{Cluster, health};

/// An endpoint that answers with its name.
pub(super) async fn named(name: &'static str) -> SocketAddr {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
    endpoint(move |_, mut stream| {
        let answer = answer.clone();
        async move { while read_head(&mut stream).await && stream.write_all(answer.as_bytes()).await.is_ok() {} }
    })
    .await
}

pub(super) fn on_cluster(config: &model::Cluster, previous: Option<&Cluster>) -> ThreadCluster {
    let cluster = Arc::new(Cluster::new(config, previous, Arc::default()));
    let policy = Box::new(cluster.balancer(0));
    ThreadCluster::new(cluster, policy, &Pool::new())
}

/// Checks, slow starts and the like; stop when dropped.
pub(super) struct Watched(JoinHandle<()>);

impl Watched {
    pub fn start(cluster: &ThreadCluster) -> Self {
        Self(tokio::task::spawn_local(health::run(vec![cluster.cluster_arc()])))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ask, maybe with a cookie; who answered, and what cookie he set.
async fn ask(cluster: &ThreadCluster, cookie: Option<&str>) -> (Bytes, Option<String>) {
    let mut request = request(Method::GET, Body::Empty);
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    }
    let answer = cluster.send(request, Caller::default()).await.unwrap();
    let set = answer.headers().get(header::SET_COOKIE).map(|field| field.to_str().unwrap().to_owned());
    (text(answer).await.unwrap(), set)
}

#[test]
fn a_session_stays_until_its_endpoint_is_not_well() {
    on_thread(async {
        let config = model::Cluster {
            endpoints: vec![named("a").await.into(), named("b").await.into(), named("c").await.into()],
            sticky: Some(model::Sticky { cookie: "at".into(), max_age: None, secure: false }),
            ..model::Cluster::default()
        };
        let cluster = on_cluster(&config, None);
        let (first, set) = ask(&cluster, None).await;
        let set = set.unwrap();
        let (cookie, attributes) = set.split_once(';').unwrap();
        assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Lax");
        for _ in 0..12 {
            assert_eq!(ask(&cluster, Some(cookie)).await, (first.clone(), None), "and no new cookie");
        }
        let at = |name: &Bytes| ["a", "b", "c"].iter().position(|known| *known == name).unwrap();
        cluster.cluster().members()[at(&first)].endpoint.set_healthy(false);
        let (second, moved) = ask(&cluster, Some(cookie)).await;
        assert_ne!(second, first);
        assert!(moved.is_some_and(|moved| !moved.starts_with(cookie)), "the session is with another one now");
        let (_, made_up) = ask(&cluster, Some("at=127.0.0.1:80")).await;
        assert!(made_up.is_some(), "a cookie that names nobody is replaced");
    });
}

#[test]
fn a_new_endpoint_begins_with_little_and_gets_all() {
    on_thread(async {
        let (a, b) = (named("a").await, named("b").await);
        let config = |endpoints: &[SocketAddr]| model::Cluster {
            endpoints: endpoints.iter().map(|address| (*address).into()).collect(),
            slow_start: Some(Duration::from_millis(200)),
            ..model::Cluster::default()
        };
        let before = on_cluster(&config(&[a]), None);
        assert_eq!(before.cluster().members()[0].endpoint.ramp(), 1000, "the first ones need no protection");
        let cluster = on_cluster(&config(&[a, b]), Some(before.cluster()));
        let share = async || {
            let mut count = 0;
            for _ in 0..22 {
                count += usize::from(ask(&cluster, None).await.0 == "b");
            }
            count
        };
        assert_eq!(share().await, 2, "a tenth of what the other one gets");
        let watched = Watched::start(&cluster);
        while cluster.cluster().members()[1].endpoint.ramp() < 1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(share().await, 11);
        drop(watched);
    });
}
