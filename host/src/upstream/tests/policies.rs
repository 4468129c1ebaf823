//! Policies at work over real sockets: what only shows when requests are really sent.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header;

use super::*;
use crate::balance::{PickContext, Policy, View};
use crate::upstream::{Checks, Cluster};

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
    let cluster = Arc::new(Cluster::new(config, None, previous, Arc::default()));
    let policy = Box::new(cluster.balancer(0));
    ThreadCluster::new(cluster, policy, &Pool::new())
}

/// Checks, slow starts and the like; stop when dropped.
pub(super) struct Watched(#[expect(dead_code, reason = "held, not used")] Checks);

impl Watched {
    pub fn start(cluster: &ThreadCluster) -> Self {
        let mut checks = Checks::default();
        checks.update(&[cluster.cluster_arc()]);
        Self(checks)
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
fn a_session_leaves_an_endpoint_that_was_taken_out_even_if_the_others_are_unhealthy() {
    on_thread(async {
        let config = model::Cluster {
            endpoints: vec![named("a").await.into(), named("b").await.into()],
            sticky: Some(model::Sticky { cookie: "at".into(), max_age: None, secure: false }),
            ..model::Cluster::default()
        };
        let cluster = on_cluster(&config, None);
        let (first, set) = ask(&cluster, None).await;
        let cookie = set.as_deref().and_then(|set| set.split(';').next());
        for member in cluster.cluster().members() {
            member.endpoint.set_healthy(false);
        }
        assert_eq!(ask(&cluster, cookie).await.0, first, "none is healthy, so all are asked");
        cluster.cluster().members()[usize::from(first == "b")].endpoint.set_drained(true);
        for _ in 0..4 {
            assert_ne!(ask(&cluster, cookie).await.0, first);
        }
    });
}

/// Insists on the first endpoint.
struct Stubborn;

impl Policy for Stubborn {
    fn pick(&self, _: &PickContext<'_>, _: &dyn View) -> Option<usize> {
        Some(0)
    }
}

#[test]
fn what_a_policy_insists_on_and_cannot_have_falls_to_the_next_one() {
    on_thread(async {
        let endpoints = vec![nobody().await.into(), named("b").await.into(), named("c").await.into()];
        let config = model::Cluster { endpoints, ..model::Cluster::default() };
        let cluster = Arc::new(Cluster::new(&config, None, None, Arc::default()));
        let cluster = ThreadCluster::new(cluster, Box::new(Stubborn), &Pool::new());
        assert_eq!(ask(&cluster, None).await.0, "b");
        cluster.cluster().members()[1].endpoint.set_healthy(false);
        assert_eq!(ask(&cluster, None).await.0, "c", "healthy ones first");
        cluster.cluster().members()[2].endpoint.set_healthy(false);
        assert_eq!(ask(&cluster, None).await.0, "b", "and then any");
    });
}

#[test]
fn a_slow_start_ends_when_the_configuration_has_none_any_more() {
    on_thread(async {
        let config = |ports: &[u16], slow_start| model::Cluster {
            endpoints: ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port)).into()).collect(),
            slow_start,
            ..model::Cluster::default()
        };
        let hour = Some(Duration::from_secs(3600));
        let before = on_cluster(&config(&[1], hour), None);
        let ramping = on_cluster(&config(&[1, 2], hour), Some(before.cluster()));
        assert_eq!(ramping.cluster().members()[1].endpoint.state(), "warming");
        let cluster = on_cluster(&config(&[1, 2], None), Some(ramping.cluster()));
        let watched = Watched::start(&cluster);
        while cluster.cluster().members()[1].endpoint.state() == "warming" {
            tokio::task::yield_now().await;
        }
        drop(watched);
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
