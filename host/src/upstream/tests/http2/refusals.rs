//! Endpoints that look at no request, in frames.

use super::*;

pub(super) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
const GOAWAY: u8 = 7;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Speaks HTTP/2 in frames until the connection ends. Requests get what `reply` makes in place of answers.
async fn refuse(stream: &mut TcpStream, mut reply: impl FnMut(u32) -> Vec<u8>) {
    stream.read_exact(&mut [0; 24]).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4] & 1) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await.unwrap(),
            (PING, 0) => stream.write_all(&frame(PING, 1, 0, &payload)).await.unwrap(),
            (HEADERS, _) => stream.write_all(&reply(id)).await.unwrap(),
            _ => {}
        }
    }
}

/// The reply that refuses one stream.
fn refused(id: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, id, &7_u32.to_be_bytes())
}

/// The one that says that no request was looked at, and that the connection ends.
fn gone(_: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[0; 8])
}

#[test]
fn requests_that_were_not_looked_at_are_sent_again_whatever_they_are() {
    on_thread(async {
        for reply in [refused as fn(u32) -> Vec<u8>, gone] {
            let first = endpoint(move |_, mut stream| async move { refuse(&mut stream, reply).await }).await;
            let (saw, mut seen) = mpsc::unbounded_channel();
            let (second, _) = speaks(usual(), move |_, request, answering| {
                let saw = saw.clone();
                async move {
                    let mut body = request.into_body();
                    saw.send(read_all(&mut body).await.freeze()).unwrap();
                    ok(answering);
                }
            })
            .await;
            let cluster = cluster_of(&[first, second], like(ClusterProtocol::Http2, 100));
            let small = cluster.send(request(Method::POST, Body::Full("whole".into())), Caller::default()).await;
            assert_eq!(small.unwrap().status(), StatusCode::OK);
            assert_eq!(seen.recv().await.unwrap(), "whole");
            let (end, untouched) = that_ends_when_told();
            let sending = cluster.send(request(Method::POST, untouched), Caller::default());
            tokio::pin!(sending);
            // The second one is asked once the first has refused: what hasn't come yet can't have been sent.
            while cluster.cluster().members()[1].endpoint.in_flight() == 0 {
                tokio::select! {
                    biased;
                    _ = &mut sending => panic!("nothing is over"),
                    () = tokio::task::yield_now() => {}
                }
            }
            end.send(()).unwrap();
            assert_eq!(sending.await.unwrap().status(), StatusCode::OK);
            assert_eq!(seen.recv().await.unwrap(), "");
            let touched = Body::stream(Frames::open(vec![data("part")]));
            let lost = cluster.send(request(Method::POST, touched), Caller::default()).await;
            assert_eq!(lost.unwrap_err(), Error::Reset, "what was taken of a body is gone");
        }
    });
}

#[test]
fn a_connection_that_goes_away_is_followed_by_a_fresh_one() {
    on_thread(async {
        for reply in [refused as fn(u32) -> Vec<u8>, gone] {
            // Connections, and requests on the first of them.
            let (count, requests) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let (connected, requested) = (Rc::clone(&count), Rc::clone(&requests));
            let address = endpoint(move |number, mut stream| {
                connected.set(number + 1);
                let requested = Rc::clone(&requested);
                async move {
                    if number > 0 {
                        return serve_all(number, stream, usual(), |_, _, answering| async { ok(answering) }).await;
                    }
                    // The first waits until there is a second, which finds the connection open.
                    let reply = |id| {
                        requested.set(requested.get() + 1);
                        if requested.get() == 2 { reply(id) } else { Vec::new() }
                    };
                    refuse(&mut stream, reply).await;
                }
            })
            .await;
            let cluster = Rc::new(http2(address));
            let first = {
                let cluster = Rc::clone(&cluster);
                tokio::task::spawn_local(async move { get(&cluster).await.map(|answer| answer.status()) })
            };
            while requests.get() == 0 {
                tokio::task::yield_now().await;
            }
            let post = cluster.send(request(Method::POST, Body::Full("x".into())), Caller::default()).await;
            assert_eq!(post.unwrap().status(), StatusCode::OK);
            assert_eq!(count.get(), 2);
            first.abort();
        }
    });
}
