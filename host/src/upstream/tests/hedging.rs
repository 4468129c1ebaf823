//! Requests that are sent to another endpoint too when the first takes long.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use super::policies::named;
use super::resilience::{BUSY, answering, ask, of, quick};
use super::*;
use crate::config::model::{ClusterLimits, Hedge, Retries};
use crate::telemetry::metrics::{Format, Metrics};
use crate::upstream::Cluster;

/// An endpoint that answers nothing, and tells of requests and of connections that were closed.
async fn silent() -> (SocketAddr, mpsc::UnboundedReceiver<&'static str>) {
    let (sender, events) = mpsc::unbounded_channel();
    let address = endpoint(move |_, mut stream| {
        let sender = sender.clone();
        async move {
            while read_head(&mut stream).await {
                let _ = sender.send("request");
            }
            let _ = sender.send("closed");
        }
    })
    .await;
    (address, events)
}

/// Endpoints in order, with what hedges by default and soon.
struct Site {
    cluster: ThreadCluster,
    metrics: std::sync::Arc<Metrics>,
}

fn site(addresses: &[SocketAddr], change: impl FnOnce(&mut model::Cluster)) -> Site {
    let hedge = Hedge { after: Duration::from_millis(20), methods: Retries::default().methods };
    let mut config = model::Cluster { hedge: Some(hedge), ..of(addresses) };
    change(&mut config);
    let metrics = Metrics::new();
    let cluster = std::sync::Arc::new(Cluster::new(&config, None, None, metrics.cluster("test")));
    Site { cluster: ThreadCluster::new(cluster, Box::new(InOrder), &Pool::new()), metrics }
}

impl Site {
    /// How often a hedge came to that outcome.
    fn count(&self, outcome: &str) -> u32 {
        let text = self.metrics.encode(Format::Plain, &[], &[]);
        let series = format!("sluice_cluster_hedges_total{{cluster=\"test\",outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or(0)
    }
}

#[test]
fn the_second_endpoint_answers_for_one_that_is_slow_and_that_one_is_let_go() {
    on_thread(async {
        let (slow, mut events) = silent().await;
        let site = site(&[slow, named("well").await], |_| {});
        assert_eq!(ask(&site.cluster, Method::GET).await, (StatusCode::OK, "well".into()));
        assert_eq!(events.recv().await, Some("request"));
        assert_eq!(events.recv().await, Some("closed"));
        assert_eq!(site.count("won"), 1);
        let slow = &site.cluster.cluster().members()[0].endpoint;
        assert_eq!((slow.in_flight(), slow.failures()), (0, 0), "to be slow is no failure");
        assert!(slow.peak_us() >= 20_000, "but it is known to be slow: {}", slow.peak_us());
    });
}

#[test]
fn who_answers_soon_is_asked_alone() {
    on_thread(async {
        let (other, count) = answering(support::OK).await;
        let hour = Duration::from_secs(3600);
        let site = site(&[named("well").await, other], |config| {
            config.hedge = Some(Hedge { after: hour, methods: vec![Method::GET] });
        });
        assert_eq!(ask(&site.cluster, Method::GET).await.1, "well");
        assert_eq!(count.get(), 0);
    });
}

#[test]
fn the_first_one_may_still_win() {
    on_thread(async {
        let (silent, mut events) = silent().await;
        // It answers when the other one has been asked.
        let (ask_first, mut asked) = mpsc::unbounded_channel::<()>();
        let wait = Rc::new(tokio::sync::Notify::new());
        let go = Rc::clone(&wait);
        let first = endpoint(move |_, mut stream| {
            let (wait, ask_first) = (Rc::clone(&wait), ask_first.clone());
            async move {
                read_head(&mut stream).await;
                ask_first.send(()).unwrap();
                wait.notified().await;
                stream.write_all(OK.as_bytes()).await.unwrap();
                read_head(&mut stream).await;
            }
        })
        .await;
        let site = site(&[first, silent], |_| {});
        let watching = async {
            asked.recv().await.unwrap();
            assert_eq!(events.recv().await, Some("request"));
            go.notify_one();
        };
        let (answer, ()) = tokio::join!(ask(&site.cluster, Method::GET), watching);
        assert_eq!(answer, (StatusCode::OK, "ok".into()));
        assert_eq!(events.recv().await, Some("closed"));
        assert_eq!((site.count("lost"), site.count("won")), (1, 0));
    });
}

#[test]
fn a_bad_answer_does_not_win() {
    on_thread(async {
        let wait = Rc::new(tokio::sync::Notify::new());
        let go = Rc::clone(&wait);
        let busy = endpoint(move |_, mut stream| {
            let go = Rc::clone(&go);
            async move {
                read_head(&mut stream).await;
                stream.write_all(BUSY.as_bytes()).await.unwrap();
                go.notify_one();
                read_head(&mut stream).await;
            }
        })
        .await;
        // It answers after the other one.
        let slow = endpoint(move |_, mut stream| {
            let wait = Rc::clone(&wait);
            async move {
                read_head(&mut stream).await;
                wait.notified().await;
                stream.write_all(OK.as_bytes()).await.unwrap();
                read_head(&mut stream).await;
            }
        })
        .await;
        let site = site(&[slow, busy], |_| {});
        assert_eq!(ask(&site.cluster, Method::GET).await.0, StatusCode::OK);
        assert_eq!(site.count("lost"), 1);
    });
}

#[test]
fn what_does_harm_twice_is_sent_once() {
    on_thread(async {
        let (slow, _events) = silent().await;
        let (other, count) = answering(support::OK).await;
        let site = site(&[slow, other], |config| config.timeouts = short());
        let post = site.cluster.send(request(Method::POST, Body::Full("x".into())), Caller::default()).await;
        assert_eq!(post.unwrap_err(), Error::FirstByteTimeout);
        let stream = Body::Stream(Box::pin(Frames::open(vec![data("x")])));
        let put = site.cluster.send(request(Method::PUT, stream), Caller::default()).await;
        assert!(put.is_err(), "a stream of unknown length is sent once");
        assert_eq!(count.get(), 0);
    });
}

#[test]
fn a_body_that_is_kept_goes_to_both() {
    on_thread(async {
        let (slow, _events) = silent().await;
        let site = site(&[slow, named("well").await], |_| {});
        let put = request(Method::PUT, Body::Full(Bytes::from_static(b"small")));
        let answer = site.cluster.send(put, Caller::default()).await.unwrap();
        assert_eq!(text(answer).await.unwrap(), "well");
    });
}

#[test]
fn hedges_have_the_budget_and_the_limit_of_retries() {
    on_thread(async {
        let (slow, _events) = silent().await;
        let well = named("well").await;
        let bounded = site(&[slow, well], |config| {
            config.timeouts = short();
            config.hedge = Some(Hedge { after: Duration::from_millis(1), methods: vec![Method::GET] });
        });
        let mut alone = 0;
        for _ in 0..100 {
            alone += u32::from(get(&bounded.cluster).await.is_err());
        }
        // 10 are hedged to begin with, 20 for the requests, and three a second.
        assert!((1..=70).contains(&alone) && bounded.count("over-budget") == alone, "{alone}");
        let none = ClusterLimits { retries: Some(1), ..ClusterLimits::default() };
        let limited = site(&[slow, well], |config| {
            config.timeouts = short();
            config.limits = none;
        });
        let room = limited.cluster.cluster().limits().retry().unwrap();
        assert_eq!(get(&limited.cluster).await.unwrap_err(), Error::FirstByteTimeout);
        assert_eq!(limited.count("over-limit"), 1);
        drop(room);
        assert_eq!(ask(&limited.cluster, Method::GET).await.1, "well");
    });
}

#[test]
fn endpoints_that_are_not_well_are_not_asked_too() {
    on_thread(async {
        let (slow, _events) = silent().await;
        let site = site(&[slow, named("well").await], |config| config.timeouts = short());
        site.cluster.cluster().members()[1].endpoint.set_healthy(false);
        assert_eq!(get(&site.cluster).await.unwrap_err(), Error::FirstByteTimeout);
    });
}

#[test]
fn after_two_failures_retries_go_on_elsewhere() {
    on_thread(async {
        let (busy, _count) = answering(BUSY).await;
        let (slow, _events) = silent().await;
        let site = site(&[slow, busy, named("well").await], |config| {
            config.timeouts = short();
            config.retries = Some(quick(1));
        });
        assert_eq!(ask(&site.cluster, Method::GET).await, (StatusCode::OK, "well".into()));
        assert_eq!(site.count("failed"), 1);
    });
}
