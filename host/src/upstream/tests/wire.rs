//! What goes over the wire, byte for byte: framing in both directions, and when a connection may be used again.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bodies::{Frames, data};
use super::support::{OK, cluster, endpoint, on_thread, read_head};
use super::{get, request, text};
use crate::body::{Body, BodyError};
use crate::config::model;
use crate::error::Error;
use crate::upstream::{Caller, ThreadCluster};

/// An endpoint that answers the first request of each connection with this and later ones with `OK`, and how many
/// connections it had.
async fn says(answer: &'static str, closes: bool) -> (ThreadCluster, Rc<Cell<usize>>) {
    let count = Rc::new(Cell::new(0));
    let seen = Rc::clone(&count);
    let address = endpoint(move |number, mut stream| {
        seen.set(number + 1);
        async move {
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            while !closes && read_head(&mut stream).await {
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (cluster(&[address], model::Timeouts::default()), count)
}

async fn send(cluster: &ThreadCluster, method: Method) -> Result<http::Response<Body>, Error> {
    cluster.send(request(method, Body::Empty), Caller::default()).await
}

#[test]
fn answers_end_where_they_say_and_the_connection_is_used_again() {
    on_thread(async {
        for (method, answer, body) in [
            (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""),
            (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 700\r\n\r\n", ""),
            (Method::HEAD, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", ""),
            (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n", ""),
            (Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 700\r\n\r\n", ""),
            (Method::GET, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", ""),
            (Method::GET, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "hi"),
            (Method::GET, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", "hi"),
            (Method::GET, "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi", "hi"),
            (
                Method::GET,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
                "hi",
            ),
        ] {
            let (cluster, count) = says(answer, false).await;
            let first = send(&cluster, method).await.unwrap();
            assert!(!first.status().is_informational());
            assert_eq!(text(first).await.unwrap(), body, "{answer}");
            assert_eq!(text(get(&cluster).await.unwrap()).await.unwrap(), "ok", "{answer}");
            assert_eq!(count.get(), 1, "{answer}");
        }
    });
}

#[test]
fn a_connection_that_cannot_be_trusted_is_not_used_again() {
    on_thread(async {
        for (answer, closes, body) in [
            ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi", false, "hi"),
            ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", false, "hi"),
            ("HTTP/1.1 200 OK\r\n\r\nhi", true, "hi"),
            ("HTTP/1.1 200 OK\r\n\r\n", true, ""),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n", false, "hi"),
            ("HTTP/1.1 204 No Content\r\n\r\nhi", false, ""),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nx", false, "hi"),
        ] {
            let (cluster, count) = says(answer, closes).await;
            assert_eq!(text(get(&cluster).await.unwrap()).await.unwrap(), body, "{answer}");
            get(&cluster).await.unwrap();
            assert_eq!(count.get(), 2, "{answer}");
        }
    });
}

#[test]
fn doubtful_heads_are_malformed() {
    on_thread(async {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nnonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: content-length\r\ncontent-length: 2\r\n\r\nhi",
            "HTTP/3 200\r\n\r\n",
        ] {
            let (cluster, _) = says(answer, false).await;
            assert_eq!(get(&cluster).await.unwrap_err(), Error::Malformed, "{answer}");
        }
    });
}

#[test]
fn bodies_that_break_off_are_the_endpoints_fault() {
    on_thread(async {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n",
        ] {
            let (cluster, _) = says(answer, true).await;
            assert_eq!(text(get(&cluster).await.unwrap()).await, Err(BodyError::Upstream), "{answer}");
        }
        for answer in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
            let (cluster, _) = says(answer, true).await;
            assert_eq!(get(&cluster).await.unwrap_err(), Error::Reset, "{answer}");
        }
    });
}

#[test]
fn an_answer_may_come_in_drops() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            stream.set_nodelay(true).unwrap();
            read_head(&mut stream).await;
            let answer =
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\na: b\r\n\r\n2;x\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
            for byte in answer.as_bytes() {
                stream.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            read_head(&mut stream).await;
        })
        .await;
        let cluster = cluster(&[address], model::Timeouts::default());
        let collected = all(get(&cluster).await.unwrap().into_body()).await;
        assert_eq!(collected, ("hi".into(), 1));
    });
}

#[test]
fn a_large_body_comes_whole() {
    on_thread(async {
        let body: Bytes = (0..3_u32 << 20).map(|n| n.to_le_bytes()[n as usize % 3]).collect::<Vec<u8>>().into();
        let sent = body.clone();
        let address = endpoint(move |_, mut stream| {
            let body = sent.clone();
            async move {
                read_head(&mut stream).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(&body).await.unwrap();
                read_head(&mut stream).await;
            }
        })
        .await;
        let cluster = cluster(&[address], model::Timeouts::default());
        let answer = get(&cluster).await.unwrap();
        assert_eq!(http_body::Body::size_hint(answer.body()).exact(), Some(body.len() as u64));
        assert_eq!(answer.into_body().collect(8 << 20).await.unwrap(), body);
    });
}

/// All that an endpoint reads of one request; it answers when that ends with `end`.
async fn sent(request: Request<Body>, end: &'static str) -> String {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = endpoint(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let mut all = Vec::new();
            while !all.ends_with(end.as_bytes()) {
                all.push(stream.read_u8().await.unwrap());
            }
            tell.send(String::from_utf8(all).unwrap()).unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
            read_head(&mut stream).await;
        }
    })
    .await;
    let cluster = cluster(&[address], model::Timeouts::default());
    assert_eq!(cluster.send(request, Caller::default()).await.unwrap().status(), StatusCode::OK);
    told.recv().await.unwrap()
}

#[test]
fn requests_are_framed_by_their_body() {
    on_thread(async {
        let trailers = || Ok(Frame::trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())])));
        for (body, framing) in [
            (Body::Empty, "content-length: 0\r\n\r\n"),
            (Body::Full("hi".into()), "content-length: 2\r\n\r\nhi"),
            (
                Body::stream(Frames::new(vec![data("hi"), data(""), data("you")])),
                "transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\n",
            ),
            (
                Body::stream(Frames::new(vec![data("hi"), trailers()])),
                "transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
            ),
            (Body::stream(Frames::of_length(5, vec![data("hi"), data("you")])), "content-length: 5\r\n\r\nhiyou"),
        ] {
            let end: &'static str = framing;
            let text = sent(request(Method::POST, body), end).await;
            assert_eq!(text, format!("POST / HTTP/1.1\r\nhost: test\r\n{framing}"));
        }
    });
}

#[test]
fn a_body_of_another_length_than_it_says_is_the_clients_fault() {
    on_thread(async {
        for frames in [vec![data("hi")], vec![data("hi"), data("there")]] {
            let (cluster, _) = says("", false).await;
            let body = Body::stream(Frames::of_length(5, frames));
            let outcome = cluster.send(request(Method::POST, body), Caller::default()).await;
            assert_eq!(outcome.unwrap_err(), Error::RequestBody);
        }
    });
}

#[test]
fn an_answer_to_half_a_request_passes() {
    on_thread(async {
        let (cluster, _) = says("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno", true).await;
        let piece = || Ok(Frame::data(Bytes::from(vec![b'x'; 1 << 20])));
        let body = Body::stream(Frames::new((0..64).map(|_| piece()).collect()));
        // What the endpoint didn't read may make the system throw its answer away; then there is none.
        match cluster.send(request(Method::POST, body), Caller::default()).await {
            Ok(answer) => assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE),
            Err(error) => assert_eq!(error, Error::Reset),
        }
    });
}

/// A body and how many trailers it has.
async fn all(body: Body) -> (Bytes, usize) {
    let collected = BodyExt::collect(body).await.unwrap();
    let trailers = collected.trailers().map_or(0, HeaderMap::len);
    (collected.to_bytes(), trailers)
}
