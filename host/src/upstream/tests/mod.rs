//! Calls to endpoints that behave and endpoints that don't, over real sockets.

pub(crate) mod authority;
mod bodies;
mod hedging;
pub(crate) mod http2;
mod limits;
mod policies;
mod proxied;
mod resilience;
pub(crate) mod support;
pub(crate) mod tls;
mod unix;
mod upgrades;
mod wire;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Caller, Pool, ThreadCluster};
use crate::body::{Body, BodyError};
use crate::config::model;
use crate::error::Error;
use bodies::{Frames, data};
use support::{InOrder, OK, answer_all, cluster, endpoint, nobody, on_thread, read_head, short};

fn request(method: Method, body: Body) -> Request<Body> {
    Request::builder().method(method).uri("/").header("host", "test").body(body).unwrap()
}

async fn get(cluster: &ThreadCluster) -> Result<http::Response<Body>, Error> {
    cluster.send(request(Method::GET, Body::Empty), Caller::default()).await
}

async fn text(answer: http::Response<Body>) -> Result<Bytes, BodyError> {
    answer.into_body().collect(1 << 20).await
}

#[test]
fn a_connection_is_used_again() {
    on_thread(async {
        let count = Rc::new(Cell::new(0));
        let seen = Rc::clone(&count);
        let address = endpoint(move |number, stream| {
            seen.set(number + 1);
            answer_all(stream)
        })
        .await;
        let cluster = cluster(&[address], model::Timeouts::default());
        for _ in 0..5 {
            let answer = get(&cluster).await.unwrap();
            assert!(matches!(answer.body(), Body::Full(_)), "a small answer isn't streamed");
            assert_eq!(text(answer).await.unwrap(), "ok");
        }
        assert_eq!(count.get(), 1);
        assert_eq!(cluster.cluster().members()[0].endpoint.in_flight(), 0);
        assert!(cluster.cluster().members()[0].endpoint.latency_us() > 0);
    });
}

#[test]
fn a_connection_that_turns_out_stale_is_replaced_once() {
    on_thread(async {
        // Connection 0 answers once and then closes as soon as the next request comes.
        let address = endpoint(|number, mut stream| async move {
            if number == 0 {
                read_head(&mut stream).await;
                stream.write_all(OK.as_bytes()).await.unwrap();
                read_head(&mut stream).await;
            } else {
                answer_all(stream).await;
            }
        })
        .await;
        let idempotent = cluster(&[address], model::Timeouts::default());
        get(&idempotent).await.unwrap();
        assert_eq!(get(&idempotent).await.unwrap().status(), StatusCode::OK);
    });
}

#[test]
fn a_post_that_may_have_arrived_is_not_repeated() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            read_head(&mut stream).await;
        })
        .await;
        let cluster = cluster(&[address], model::Timeouts::default());
        get(&cluster).await.unwrap();
        let outcome = cluster.send(request(Method::POST, Body::Full("x".into())), Caller::default()).await;
        assert_eq!(outcome.unwrap_err(), Error::Reset);
        assert_eq!(cluster.cluster().members()[0].endpoint.failures(), 1);
    });
}

#[test]
fn a_connection_closed_while_idle_leaves_the_pool() {
    on_thread(async {
        let (close, mut closed) = tokio::sync::mpsc::unbounded_channel::<()>();
        let address = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::task::spawn_local(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_head(&mut stream).await;
                stream.write_all(OK.as_bytes()).await.unwrap();
                closed.recv().await;
                drop(stream);
                let (stream, _) = listener.accept().await.unwrap();
                answer_all(stream).await;
            });
            address
        };
        let pool = Pool::new();
        let idle = pool.endpoint(&address.into(), cluster(&[], model::Timeouts::default()).cluster().manner());
        let config = cluster(&[address], model::Timeouts::default());
        let cluster = ThreadCluster::new(config.cluster_arc(), Box::new(InOrder), &pool);
        get(&cluster).await.unwrap();
        assert_eq!(idle.len(), 1);
        close.send(()).unwrap();
        while idle.len() == 1 {
            tokio::task::yield_now().await;
        }
        let post = cluster.send(request(Method::POST, Body::Full("x".into())), Caller::default()).await;
        assert_eq!(post.unwrap().status(), StatusCode::OK);
    });
}

#[test]
fn connections_that_nobody_uses_are_closed() {
    on_thread(async {
        let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
        for protocol in [model::ClusterProtocol::Http1, model::ClusterProtocol::Http2] {
            let ended = ended.clone();
            let address = endpoint(move |number, stream| {
                let ended = ended.clone();
                async move {
                    match protocol {
                        model::ClusterProtocol::Http1 => answer_all(stream).await,
                        _ => http2::serve_all(number, stream, http2::usual(), |_, _, a| async { http2::ok(a) }).await,
                    }
                    let _ = ended.send(number);
                }
            })
            .await;
            let keep_alive = Duration::from_millis(50);
            let timeouts = model::Timeouts { keep_alive, ..model::Timeouts::default() };
            let config = model::Cluster { protocol, timeouts, ..resilience::of(&[address]) };
            let cluster = policies::on_cluster(&config, None);
            for number in 0..2 {
                assert_eq!(get(&cluster).await.unwrap().status(), StatusCode::OK);
                assert_eq!(ends.recv().await, Some(number), "though the cluster is still there");
            }
        }
    });
}

#[test]
fn refused_connections_lead_to_the_next_endpoint_three_at_most() {
    on_thread(async {
        let good = endpoint(|_, stream| answer_all(stream)).await;
        let bad = [nobody().await, nobody().await, nobody().await];
        let third = cluster(&[bad[0], bad[1], good], model::Timeouts::default());
        let post = third.send(request(Method::POST, Body::Full("x".into())), Caller::default()).await;
        assert_eq!(post.unwrap().status(), StatusCode::OK);
        let fourth = cluster(&[bad[0], bad[1], bad[2], good], model::Timeouts::default());
        assert_eq!(get(&fourth).await.unwrap_err(), Error::ConnectFailed);
        let none = cluster(&[], model::Timeouts::default());
        assert_eq!(get(&none).await.unwrap_err(), Error::NoEndpoint);
    });
}

#[test]
fn silence_is_cut_at_the_first_byte_timeout() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            read_head(&mut stream).await;
        })
        .await;
        let cluster = cluster(&[address], short());
        assert_eq!(get(&cluster).await.unwrap_err(), Error::FirstByteTimeout);
        assert_eq!(cluster.cluster().members()[0].endpoint.in_flight(), 0);
    });
}

#[test]
fn silence_on_a_reused_connection_is_cut_too() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            read_head(&mut stream).await;
            read_head(&mut stream).await;
        })
        .await;
        let cluster = cluster(&[address], short());
        get(&cluster).await.unwrap();
        assert_eq!(get(&cluster).await.unwrap_err(), Error::FirstByteTimeout);
    });
}

#[test]
fn a_body_that_stalls_fails_and_one_that_breaks_off_fails() {
    on_thread(async {
        let address = endpoint(|number, mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart").await.unwrap();
            if number == 0 {
                read_head(&mut stream).await;
            }
        })
        .await;
        let cluster = cluster(&[address], short());
        assert_eq!(text(get(&cluster).await.unwrap()).await, Err(BodyError::Idle));
        assert_eq!(text(get(&cluster).await.unwrap()).await, Err(BodyError::Upstream));
        assert_eq!(cluster.cluster().members()[0].endpoint.failures(), 1, "of the answer since then");
    });
}

#[test]
fn a_client_that_does_not_read_is_no_stall_of_the_endpoint() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 4 << 20);
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; 4 << 20]).await.unwrap();
            read_head(&mut stream).await;
        })
        .await;
        let cluster = cluster(&[address], short());
        let answer = get(&cluster).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(answer.into_body().collect(8 << 20).await.unwrap().len(), 4 << 20);
    });
}

#[test]
fn garbage_is_malformed() {
    on_thread(async {
        for garbage in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"] {
            let address = endpoint(move |_, mut stream| async move {
                read_head(&mut stream).await;
                stream.write_all(garbage.as_bytes()).await.unwrap();
                read_head(&mut stream).await;
            })
            .await;
            let cluster = cluster(&[address], model::Timeouts::default());
            assert_eq!(get(&cluster).await.unwrap_err(), Error::Malformed, "{garbage}");
        }
    });
}

#[test]
fn a_switch_of_protocols_nobody_asked_for_is_malformed() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            let switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
            stream.write_all(switch).await.unwrap();
            read_head(&mut stream).await;
        })
        .await;
        let cluster = cluster(&[address], model::Timeouts::default());
        assert_eq!(get(&cluster).await.unwrap_err(), Error::Malformed);
    });
}

#[test]
fn dropping_the_call_or_the_answer_closes_the_connection() {
    on_thread(async {
        let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
        let address = endpoint(move |number, mut stream| {
            let ended = ended.clone();
            async move {
                read_head(&mut stream).await;
                if number == 1 {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart").await.unwrap();
                }
                ended.send((number, "request")).unwrap();
                // The end of the stream, or a reset.
                let _ = stream.read(&mut [0; 16]).await;
                ended.send((number, "closed")).unwrap();
            }
        })
        .await;
        let cluster = Rc::new(cluster(&[address], model::Timeouts::default()));
        let same = Rc::clone(&cluster);
        let call = tokio::task::spawn_local(async move { get(&same).await.map(|_| ()) });
        assert_eq!(ends.recv().await, Some((0, "request")));
        call.abort();
        assert_eq!(ends.recv().await, Some((0, "closed")));
        let answer = get(&cluster).await.unwrap();
        assert_eq!(ends.recv().await, Some((1, "request")));
        assert_eq!(cluster.cluster().members()[0].endpoint.in_flight(), 1);
        drop(answer);
        assert_eq!(ends.recv().await, Some((1, "closed")));
        assert_eq!(cluster.cluster().members()[0].endpoint.in_flight(), 0);
    });
}

#[test]
fn a_broken_or_stalled_request_body_is_the_clients_fault() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
        })
        .await;
        let cluster = cluster(&[address], short());
        let broken = Body::stream(Frames::open(vec![data("some"), Err(BodyError::Client)]));
        let outcome = cluster.send(request(Method::POST, broken), Caller::default()).await;
        assert_eq!(outcome.unwrap_err(), Error::RequestBody);
        let stalled = Body::stream(Frames::open(vec![data("some")]));
        let outcome = cluster.send(request(Method::POST, stalled), Caller::default()).await;
        assert_eq!(outcome.unwrap_err(), Error::RequestTimeout);
        assert_eq!(cluster.cluster().members()[0].endpoint.failures(), 0);
    });
}

#[test]
fn an_answer_before_the_end_of_the_request_passes_and_the_connection_waits_for_it() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
        })
        .await;
        let pool = Pool::new();
        let idle = pool.endpoint(&address.into(), cluster(&[], model::Timeouts::default()).cluster().manner());
        let config = cluster(&[address], model::Timeouts::default());
        let cluster = ThreadCluster::new(config.cluster_arc(), Box::new(InOrder), &pool);
        let (end, body) = bodies::that_ends_when_told();
        let answer = cluster.send(request(Method::POST, body), Caller::default()).await.unwrap();
        assert_eq!(text(answer).await.unwrap(), "ok");
        assert_eq!(idle.len(), 0, "its request isn't all sent");
        end.send(()).unwrap();
        while idle.len() == 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn trailers_pass() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            read_head(&mut stream).await;
        })
        .await;
        let cluster = cluster(&[address], model::Timeouts::default());
        let collected = BodyExt::collect(get(&cluster).await.unwrap().into_body()).await.unwrap();
        assert_eq!(collected.trailers().unwrap()["x-sum"], "7");
        assert_eq!(collected.to_bytes(), "ok");
    });
}
