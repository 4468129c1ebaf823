//! HTTP/2 with prior knowledge.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::gateway::{Gateway, Wanted, channel, field, mirror, read_until, respond, route, start, whole};
use crate::body::Body;
use crate::config::model::Timeouts;
use crate::server::Settings;
use crate::upstream::tests::support::{endpoint, on_thread};

#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

async fn connect(gateway: &Gateway) -> http2::SendRequest<Body> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (sender, connection) = http2::handshake(Local, TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(connection);
    sender
}

fn get(path: &str) -> http::request::Builder {
    Request::builder().uri(format!("http://a.example:80{path}"))
}

#[test]
fn requests_share_a_connection_and_become_http1_upstream() {
    on_thread(async {
        let gateway = start(Wanted::all_to(&[mirror().await], Timeouts::default()));
        let mut sender = connect(&gateway).await;
        let request = get("/x").header("cookie", "a=1").header("cookie", "b=2");
        let first = sender.send_request(request.body(Body::Empty).unwrap());
        let second = sender.send_request(get("/y").body(Body::Empty).unwrap());
        let (second, first) = (second.await.unwrap(), first.await.unwrap());
        assert_eq!(first.version(), Version::HTTP_2);
        let (parts, body, _) = whole(first).await;
        let sent = str::from_utf8(&body).unwrap();
        assert!(sent.starts_with("GET /x HTTP/1.1\r\n"), "{sent}");
        assert_eq!(field(sent, "host"), Some("a.example:80"));
        assert_eq!(field(sent, "cookie"), Some("a=1; b=2"));
        assert_eq!(field(sent, "via"), Some("2 sluice"));
        assert_eq!(parts.headers["via"], "1.1 sluice");
        assert!(whole(second).await.1.starts_with(b"GET /y HTTP/1.1\r\n"));
    });
}

#[test]
fn a_host_that_contradicts_the_authority_is_refused() {
    on_thread(async {
        let gateway = start(Wanted::default().route(route("all", None), respond("x")));
        let mut sender = connect(&gateway).await;
        let answer = sender.send_request(get("/").header("host", "b").body(Body::Empty).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let same = sender.send_request(get("/").header("host", "A.example:80").body(Body::Empty).unwrap()).await;
        assert_eq!(same.unwrap().status(), StatusCode::OK);
    });
}

#[test]
fn bodies_and_trailers_pass_both_ways() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            let head = String::from_utf8(read_until(&mut stream, b"\r\n\r\n").await).unwrap();
            assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
            let body = read_until(&mut stream, b"0\r\nx-req: 1\r\n\r\n").await;
            assert!(body.starts_with(b"5\r\nhello\r\n"));
            let answer =
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\nx-user: root\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            read_until(&mut stream, b"\r\n\r\n").await;
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut sender = connect(&gateway).await;
        let (frames, body) = channel();
        let request = get("/").method(Method::POST).header("trailer", "x-req").body(body).unwrap();
        let answer = sender.send_request(request);
        frames.send(Frame::data(Bytes::from_static(b"hello"))).unwrap();
        let trailers = [("x-req", "1")]
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        frames.send(Frame::trailers(trailers.into_iter().collect())).unwrap();
        drop(frames);
        let (_, body, trailers) = whole(answer.await.unwrap()).await;
        let trailers = trailers.unwrap();
        assert_eq!(body, "ok");
        assert_eq!(trailers["x-sum"], "7");
        assert!(!trailers.contains_key("x-user"), "trailers obey the rules of heads");
    });
}

#[test]
fn a_reset_stream_ends_the_upstream_call() {
    on_thread(async {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let address = endpoint(move |_, mut stream| {
            let tell = tell.clone();
            async move {
                read_until(&mut stream, b"\r\n\r\n").await;
                tell.send("request").unwrap();
                read_until(&mut stream, b"\r\n\r\n").await;
                tell.send("closed").unwrap();
            }
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut sender = connect(&gateway).await;
        let answer = tokio::task::spawn_local(sender.send_request(get("/").body(Body::Empty).unwrap()));
        assert_eq!(told.recv().await, Some("request"));
        answer.abort();
        assert_eq!(told.recv().await, Some("closed"));
    });
}

#[test]
fn a_stream_whose_client_takes_nothing_is_reset_and_the_others_are_served() {
    on_thread(async {
        let (tell, mut left) = tokio::sync::mpsc::unbounded_channel();
        let large = endpoint(move |_, mut stream| {
            let tell = tell.clone();
            async move {
                read_until(&mut stream, b"\r\n\r\n").await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
                let _ = stream.write_all(&[b'x'; 100_000]).await;
                read_until(&mut stream, b"\r\n\r\n").await;
                let _ = tell.send(());
            }
        })
        .await;
        let mut wanted = Wanted::all_to(&[large], Timeouts::default());
        wanted.settings = Settings { stalled: Duration::from_millis(50), ..Settings::default() };
        let gateway = start(wanted);
        let stream = TcpStream::connect(gateway.address).await.unwrap();
        let mut builder = http2::Builder::new(Local);
        let (mut sender, connection) =
            builder.initial_stream_window_size(1000).handshake(TokioIo::new(stream)).await.unwrap();
        tokio::task::spawn_local(connection);
        let mut answer = sender.send_request(get("/").body(Body::Empty).unwrap()).await.unwrap();
        // Nothing is taken until the gateway has given up.
        left.recv().await;
        let mut taken = 0;
        let broken = loop {
            match answer.body_mut().frame().await {
                Some(Ok(frame)) => taken += frame.into_data().unwrap().len(),
                Some(Err(error)) => break error,
                None => panic!("the answer is whole"),
            }
        };
        assert!(taken <= 1000, "{taken}");
        assert!(format!("{broken:?}").contains("CANCEL"), "{broken:?}");
        let other = sender.send_request(get("/").body(Body::Empty).unwrap()).await.unwrap();
        assert_eq!(other.status(), StatusCode::OK);
    });
}

#[test]
fn draining_lets_streams_finish() {
    on_thread(async {
        let gateway = start(Wanted::all_to(&[mirror().await], Timeouts::default()));
        let mut sender = connect(&gateway).await;
        let answer = sender.send_request(get("/").body(Body::Empty).unwrap()).await.unwrap();
        whole(answer).await;
        gateway.connections.drain();
        gateway.connections.closed().await;
    });
}
