//! Endpoints that go without a word.

use super::refusals::{HEADERS, PING, SETTINGS, frame};
use super::*;
use crate::config::model::Keepalive;
use crate::upstream::tests::resilience::quick;

/// How an endpoint behaves once it has begun.
#[derive(Clone, Copy)]
struct Manner {
    /// Pings that it answers, besides the first.
    pings: u32,
    /// Requests that it answers at once.
    answers: u32,
    /// It answers the others when it has got so many pings, besides the first.
    late: u32,
}

const ALL_WELL: &[u8] = &[0x88];

/// Speaks in frames until the connection ends. How many pings came, besides the first.
async fn behave(stream: &mut TcpStream, manner: Manner) -> u32 {
    stream.read_exact(&mut [0; 24]).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let (mut head, mut pings, mut answers, mut waiting) = ([0; 9], None, 0, Vec::new());
    while stream.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        match (head[3], head[4] & 1) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await.unwrap(),
            (PING, 0) => {
                let count = pings.map_or(0, |pings| pings + 1);
                pings = Some(count);
                if count <= manner.pings {
                    stream.write_all(&frame(PING, 1, 0, &payload)).await.unwrap();
                }
            }
            (HEADERS, _) => waiting.push(u32::from_be_bytes([head[5], head[6], head[7], head[8]])),
            _ => {}
        }
        while !waiting.is_empty() && (answers < manner.answers || pings.unwrap_or_default() >= manner.late) {
            answers += 1;
            stream.write_all(&frame(HEADERS, 5, waiting.remove(0), ALL_WELL)).await.unwrap();
        }
    }
    pings.unwrap_or_default()
}

/// Its first connection behaves like that, and the others are well. With the pings of the first.
async fn first_behaves(manner: Manner) -> (SocketAddr, mpsc::UnboundedReceiver<u32>) {
    let (tell, told) = mpsc::unbounded_channel();
    let address = endpoint(move |number, mut stream| {
        let tell = tell.clone();
        async move {
            if number == 0 {
                let _ = tell.send(behave(&mut stream, manner).await);
            } else {
                serve_all(number, stream, usual(), |_, _, answering| async { ok(answering) }).await;
            }
        }
    })
    .await;
    (address, told)
}

fn watchful(retries: Option<model::Retries>) -> model::Cluster {
    let moment = Duration::from_millis(50);
    let keepalive = Keepalive { interval: moment, timeout: moment };
    model::Cluster { keepalive, retries, ..like(ClusterProtocol::Http2, 100) }
}

#[test]
fn a_silent_endpoint_is_left_and_what_may_be_is_sent_again() {
    on_thread(async {
        let silent = Manner { pings: 0, answers: 0, late: u32::MAX };
        let (address, mut pings) = first_behaves(silent).await;
        let cluster = cluster_of(&[address], watchful(None));
        assert_eq!(get(&cluster).await.err(), Some(Error::Reset), "long before its answer is due");
        assert_eq!(pings.recv().await, Some(1));
        assert_eq!(get(&cluster).await.unwrap().status(), StatusCode::OK);
        let (address, _) = first_behaves(silent).await;
        let cluster = cluster_of(&[address], watchful(Some(quick(1))));
        assert_eq!(get(&cluster).await.unwrap().status(), StatusCode::OK);
        let (address, _) = first_behaves(silent).await;
        let cluster = cluster_of(&[address], watchful(Some(quick(1))));
        let post = cluster.send(request(Method::POST, Body::Full("x".into())), Caller::default()).await;
        assert_eq!(post.err(), Some(Error::Reset), "it may have arrived");
    });
}

#[test]
fn a_request_after_a_silence_finds_out_at_once() {
    on_thread(async {
        let (address, mut pings) = first_behaves(Manner { pings: 0, answers: 1, late: u32::MAX }).await;
        let long = Keepalive { interval: Duration::from_millis(200), timeout: Duration::from_millis(50) };
        let cluster = cluster_of(&[address], model::Cluster { keepalive: long, ..watchful(None) });
        assert_eq!(get(&cluster).await.unwrap().status(), StatusCode::OK);
        tokio::time::sleep(long.interval * 2).await;
        assert_eq!(get(&cluster).await.unwrap().status(), StatusCode::OK, "on another connection");
        assert_eq!(pings.recv().await, Some(1), "none while there was nothing to wait for");
    });
}

#[test]
fn who_answers_pings_may_take_his_time() {
    on_thread(async {
        let (address, mut pings) = first_behaves(Manner { pings: u32::MAX, answers: 0, late: 2 }).await;
        let cluster = cluster_of(&[address], watchful(None));
        assert_eq!(get(&cluster).await.unwrap().status(), StatusCode::OK);
        drop(cluster);
        assert_eq!(pings.recv().await, Some(2));
    });
}
