//! What clients see when endpoints, or they themselves, fail.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::gateway::{Raw, Wanted, ask, read_until, short, start};
use crate::config::model::Timeouts;
use crate::upstream::tests::support::{endpoint, nobody, on_thread, read_head};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn failures_have_statuses_and_say_nothing_of_the_inside() {
    on_thread(async {
        let silent = endpoint(|_, mut stream| async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let garbage = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(b"220 smtp.example.com ESMTP\r\n\r\n").await.unwrap();
        })
        .await;
        let resets = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
        })
        .await;
        for (address, status) in
            [(Some(nobody().await), 502), (Some(silent), 504), (Some(garbage), 502), (Some(resets), 502), (None, 503)]
        {
            let gateway = start(Wanted::all_to(address.as_slice(), short()));
            let answer = ask(&gateway, GET).await;
            assert_eq!(answer.status(), status, "{address:?}");
            assert_eq!(answer.field("content-type"), Some("application/problem+json"));
            let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(problem["status"], status);
            assert_eq!(problem["request_id"], answer.field("x-request-id").unwrap());
            assert!(!answer.body.contains("127.0.0.1") && !answer.body.contains("test"), "{}", answer.body);
        }
    });
}

#[test]
fn an_answer_that_breaks_off_is_never_ended_cleanly() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await.unwrap();
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut raw = Raw::connect(&gateway).await;
        raw.send(GET).await;
        raw.head().await;
        let rest = raw.rest().await;
        assert!(!rest.ends_with("0\r\n\r\n"), "{rest:?}");
    });
}

#[test]
fn a_client_that_leaves_ends_the_upstream_call() {
    on_thread(async {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let address = endpoint(move |_, mut stream| {
            let tell = tell.clone();
            async move {
                read_head(&mut stream).await;
                tell.send("request").unwrap();
                let _ = stream.read(&mut [0; 8]).await;
                tell.send("closed").unwrap();
            }
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut raw = Raw::connect(&gateway).await;
        raw.send(GET).await;
        assert_eq!(told.recv().await, Some("request"));
        drop(raw);
        assert_eq!(told.recv().await, Some("closed"));
    });
}

#[test]
fn a_malformed_chunk_is_the_clients_fault() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut raw = Raw::connect(&gateway).await;
        raw.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\nnonsense\r\n").await;
        assert_eq!(raw.answer().await.status(), 400);
    });
}

#[test]
fn a_body_that_stops_coming_is_408() {
    on_thread(async {
        let address = endpoint(|_, mut stream| async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], short()));
        let mut raw = Raw::connect(&gateway).await;
        raw.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhi").await;
        assert_eq!(raw.answer().await.status(), 408);
    });
}

#[test]
fn a_stale_connection_is_replaced_without_the_client_noticing() {
    on_thread(async {
        let address = endpoint(|number, mut stream| async move {
            while !read_until(&mut stream, b"\r\n\r\n").await.is_empty() {
                stream
                    .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}").as_bytes())
                    .await
                    .unwrap();
                if number == 0 {
                    // Take the next request and go away without an answer.
                    read_until(&mut stream, b"\r\n\r\n").await;
                    return;
                }
            }
        })
        .await;
        let gateway = start(Wanted::all_to(&[address], Timeouts::default()));
        let mut raw = Raw::connect(&gateway).await;
        for expected in ["0", "1", "1"] {
            raw.send(GET).await;
            assert_eq!(raw.answer().await.body, expected);
        }
    });
}
