//! Retries, ejections, limits and checks over real sockets.

use std::net::SocketAddr;

use http::header;

use super::policies::{Watched, named, on_cluster};
use super::*;
use crate::config::model::{ClusterLimits, HealthCheck, OutlierDetection, Probe, Retries, Statuses};
use crate::upstream::Checks;

/// An endpoint that answers each request with `answer` and counts them.
pub(super) async fn answering(answer: &'static str) -> (SocketAddr, Rc<Cell<u32>>) {
    let count = Rc::new(Cell::new(0));
    let seen = Rc::clone(&count);
    let address = endpoint(move |_, mut stream| {
        let seen = Rc::clone(&seen);
        async move {
            while read_head(&mut stream).await {
                seen.set(seen.get() + 1);
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (address, count)
}

pub(super) const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

pub(super) fn of(addresses: &[SocketAddr]) -> model::Cluster {
    model::Cluster {
        name: "test".into(),
        endpoints: addresses.iter().map(|address| (*address).into()).collect(),
        ..model::Cluster::default()
    }
}

pub(super) fn quick(attempts: u32) -> Retries {
    let moment = Duration::from_millis(1);
    Retries { attempts, backoff: moment, max_backoff: moment, ..Retries::default() }
}

pub(super) async fn ask(cluster: &ThreadCluster, method: Method) -> (StatusCode, Bytes) {
    let answer = cluster.send(request(method, Body::Empty), Caller::default()).await.unwrap();
    (answer.status(), text(answer).await.unwrap())
}

#[test]
fn a_bad_answer_is_asked_for_again_elsewhere_if_that_does_no_harm() {
    on_thread(async {
        let (busy, count) = answering(BUSY).await;
        let config = model::Cluster { retries: Some(quick(1)), ..of(&[busy, named("well").await]) };
        let cluster = on_cluster(&config, None);
        for _ in 0..6 {
            assert_eq!(ask(&cluster, Method::GET).await, (StatusCode::OK, "well".into()));
        }
        assert_eq!(count.get(), 6, "a retry takes the other one's turn");
        let answers = [ask(&cluster, Method::POST).await.0, ask(&cluster, Method::POST).await.0];
        assert!(answers.contains(&StatusCode::SERVICE_UNAVAILABLE), "a POST isn't repeated: {answers:?}");
    });
}

#[test]
fn retries_end_with_the_last_answer() {
    on_thread(async {
        let (busy, count) = answering(BUSY).await;
        let cluster = on_cluster(&model::Cluster { retries: Some(quick(3)), ..of(&[busy]) }, None);
        assert_eq!(ask(&cluster, Method::GET).await, (StatusCode::SERVICE_UNAVAILABLE, "busy".into()));
        assert_eq!(count.get(), 4, "where there is no other one, the same");
    });
}

#[test]
fn retries_have_a_budget() {
    on_thread(async {
        let (busy, count) = answering(BUSY).await;
        let cluster = on_cluster(&model::Cluster { retries: Some(quick(1)), ..of(&[busy]) }, None);
        for _ in 0..100 {
            ask(&cluster, Method::GET).await;
        }
        let retries = count.get() - 100;
        // 10 to begin with, 20 for the requests, and three a second however slow the machine is.
        assert!((30..60).contains(&retries), "{retries}");
    });
}

#[test]
fn a_budget_outlives_its_cluster() {
    on_thread(async {
        let (busy, count) = answering(BUSY).await;
        let config = model::Cluster { retries: Some(quick(1)), ..of(&[busy]) };
        let mut cluster = on_cluster(&config, None);
        for _ in 0..100 {
            cluster = on_cluster(&config, Some(cluster.cluster())).after(&cluster);
            ask(&cluster, Method::GET).await;
        }
        let retries = count.get() - 100;
        assert!((30..60).contains(&retries), "{retries}, as if nothing had changed");
    });
}

#[test]
fn a_body_is_kept_for_a_retry_or_never_sent_twice() {
    on_thread(async {
        let (busy, count) = answering(BUSY).await;
        let config = model::Cluster { retries: Some(quick(1)), ..of(&[busy]) };
        let cluster = on_cluster(&config, None);
        let small = request(Method::PUT, Body::Full(Bytes::from_static(b"small")));
        cluster.send(small, Caller::default()).await.unwrap();
        // The head is counted, and so are the bodies that this endpoint takes for heads of nothing.
        assert_eq!(count.get(), 2);
        let stream = Body::Stream(Box::pin(Frames::open(vec![data("x")])));
        let sent = cluster.send(request(Method::PUT, stream), Caller::default()).await.unwrap();
        assert_eq!(sent.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(count.get(), 3, "a stream of unknown length is sent once");
    });
}

#[test]
fn a_try_that_takes_too_long_is_made_elsewhere() {
    on_thread(async {
        let slow = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            std::future::pending::<()>().await;
        })
        .await;
        let timeouts = model::Timeouts { attempt: Some(Duration::from_millis(50)), ..model::Timeouts::default() };
        let config = model::Cluster { retries: Some(quick(1)), timeouts, ..of(&[slow, named("well").await]) };
        let cluster = on_cluster(&config, None);
        for _ in 0..4 {
            assert_eq!(ask(&cluster, Method::GET).await, (StatusCode::OK, "well".into()));
        }
        let slow = &cluster.cluster().members()[0].endpoint;
        assert_eq!((slow.failed_requests(), slow.in_flight()), (4, 0));
        assert_eq!(slow.last_error().map(|(error, _)| error), Some("timeout"));
    });
}

#[test]
fn the_whole_request_ends_in_time_with_or_without_an_answer() {
    on_thread(async {
        let slow = endpoint(|number, mut stream| async move {
            read_head(&mut stream).await;
            if number > 0 {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
            }
            std::future::pending::<()>().await;
        })
        .await;
        let timeouts = model::Timeouts { request: Some(Duration::from_millis(50)), ..model::Timeouts::default() };
        let cluster = on_cluster(&model::Cluster { timeouts, ..of(&[slow]) }, None);
        assert_eq!(get(&cluster).await.err(), Some(Error::Deadline));
        let half = get(&cluster).await.unwrap();
        assert_eq!(text(half).await, Err(BodyError::Idle));
    });
}

#[test]
fn who_fails_is_ejected_and_readmitted_in_time() {
    on_thread(async {
        let (bad, count) = answering(BUSY).await;
        let detection = OutlierDetection { ejection: Duration::from_millis(200), ..OutlierDetection::default() };
        let config = model::Cluster { outlier_detection: Some(detection), ..of(&[bad, named("well").await]) };
        let cluster = on_cluster(&config, None);
        for _ in 0..30 {
            ask(&cluster, Method::GET).await;
        }
        assert_eq!(count.get(), 5, "after five failures in a row it was left alone");
        let ejected = &cluster.cluster().members()[0].endpoint;
        assert_eq!((ejected.state(), ejected.is_healthy()), ("ejected", true));
        let watched = Watched::start(&cluster);
        while !ejected.is_available() {
            tokio::task::yield_now().await;
        }
        drop(watched);
        for _ in 0..30 {
            ask(&cluster, Method::GET).await;
        }
        assert_eq!(count.get(), 10, "and again");
    });
}

#[test]
fn what_finds_no_room_waits_or_is_turned_away() {
    on_thread(async {
        let (release, released) = tokio::sync::watch::channel(false);
        let slow = endpoint(move |_, mut stream| {
            let mut released = released.clone();
            async move {
                while read_head(&mut stream).await {
                    released.wait_for(|released| *released).await.unwrap();
                    stream.write_all(OK.as_bytes()).await.unwrap();
                }
            }
        })
        .await;
        let wait = Duration::from_secs(15);
        let limits = ClusterLimits { requests: Some(1), pending: 1, wait, ..ClusterLimits::default() };
        let cluster = Rc::new(on_cluster(&model::Cluster { limits, ..of(&[slow]) }, None));
        let ask = || {
            let cluster = Rc::clone(&cluster);
            tokio::task::spawn_local(async move { get(&cluster).await.map(|answer| answer.status()) })
        };
        let first = ask();
        while cluster.cluster().members()[0].endpoint.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        let second = ask();
        // It gets its turn before this one looks.
        tokio::task::yield_now().await;
        assert_eq!(get(&cluster).await.err(), Some(Error::Overloaded), "one is served, one waits");
        release.send(true).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(StatusCode::OK), Ok(StatusCode::OK)));
    });
}

#[test]
fn checks_by_connection_by_status_and_by_body() {
    on_thread(async {
        let (well, _) = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nwell").await;
        let http = |expect, body: Option<&str>| Probe::Http {
            path: "/".into(),
            expect: Statuses(vec![expect]),
            body: body.map(Into::into),
        };
        let grpc = |service: &str| Probe::Grpc { service: service.into() };
        for (probe, address, expected) in [
            (Probe::Tcp, well, true),
            (Probe::Tcp, nobody().await, false),
            (http(200..=299, None), well, false),
            (http(404..=404, None), well, true),
            (http(404..=404, Some("el")), well, true),
            (http(404..=404, Some("ill")), well, false),
            (grpc("shop"), grpc_server(1).await, true),
            (grpc("shop"), grpc_server(2).await, false),
            (grpc("other"), grpc_server(1).await, false),
            (grpc("shop"), well, false),
        ] {
            let shown = format!("{probe:?} at {address}");
            let check = HealthCheck {
                probe,
                interval: Duration::from_millis(5),
                timeout: Duration::from_secs(5),
                unhealthy_after: 1,
                healthy_after: 1,
            };
            let cluster = on_cluster(&model::Cluster { health_check: Some(check), ..of(&[address]) }, None);
            let endpoint = &cluster.cluster().members()[0].endpoint;
            endpoint.set_healthy(!expected);
            let watched = Watched::start(&cluster);
            while endpoint.is_healthy() != expected {
                tokio::task::yield_now().await;
            }
            drop((watched, shown));
        }
    });
}

#[test]
fn a_check_that_nobody_answers_fails_in_time() {
    on_thread(async {
        let mute = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            std::future::pending::<()>().await;
        })
        .await;
        let probe = Probe::Http { path: "/".into(), expect: Statuses(vec![200..=299]), body: None };
        let moment = Duration::from_millis(10);
        let check = HealthCheck { probe, interval: moment, timeout: moment, unhealthy_after: 2, healthy_after: 1 };
        let cluster = on_cluster(&model::Cluster { health_check: Some(check), ..of(&[mute]) }, None);
        let endpoint = &cluster.cluster().members()[0].endpoint;
        let watched = Watched::start(&cluster);
        while endpoint.is_healthy() {
            tokio::time::sleep(moment).await;
        }
        drop(watched);
    });
}

#[test]
fn a_row_of_failures_is_not_broken_by_endpoints_that_come_and_go() {
    on_thread(async {
        let (gone, moment) = (nobody().await, Duration::from_millis(20));
        let check =
            HealthCheck { probe: Probe::Tcp, interval: moment, timeout: moment, unhealthy_after: 50, healthy_after: 1 };
        let well = named("well").await;
        let config = |addresses: &[SocketAddr]| model::Cluster { health_check: Some(check.clone()), ..of(addresses) };
        let mut cluster = on_cluster(&config(&[gone]), None);
        let (mut checks, mut whole) = (Checks::default(), false);
        checks.update(&[cluster.cluster_arc()]);
        // More often than a row of fifty can come about.
        while cluster.cluster().members()[0].endpoint.is_healthy() {
            tokio::time::sleep(moment).await;
            whole = !whole;
            let addresses: &[SocketAddr] = if whole { &[gone, well] } else { &[gone] };
            cluster = on_cluster(&config(addresses), Some(cluster.cluster()));
            checks.update(&[cluster.cluster_arc()]);
        }
    });
}

/// A server that answers the gRPC health check of the service `shop` with that status.
async fn grpc_server(status: u8) -> SocketAddr {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    endpoint(move |_, stream| async move {
        let answer = move |request: Request<hyper::body::Incoming>| async move {
            let path = request.uri().path().to_owned();
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            let known = path == "/grpc.health.v1.Health/Check" && asked[..] == *b"\0\0\0\0\x06\x0a\x04shop";
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", if known { "0" } else { "5" }.parse().unwrap());
            let message = Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, status]);
            let body = http_body_util::Full::new(message).with_trailers(async move { Some(Ok(trailers)) });
            Ok::<_, std::convert::Infallible>(http::Response::new(body))
        };
        let service = hyper::service::service_fn(answer);
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
    })
    .await
}

#[test]
fn a_session_moves_with_a_retry() {
    on_thread(async {
        let (busy, _) = answering(BUSY).await;
        let sticky = Some(model::Sticky { cookie: "at".into(), max_age: None, secure: false });
        let config = model::Cluster { retries: Some(quick(1)), sticky, ..of(&[busy, named("well").await]) };
        let cluster = on_cluster(&config, None);
        let answer = get(&cluster).await.unwrap();
        assert_eq!(answer.headers().get_all(header::SET_COOKIE).iter().count(), 1);
    });
}
