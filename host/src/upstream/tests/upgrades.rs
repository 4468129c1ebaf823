//! Requests for another protocol, which nobody may send twice.

use http::{HeaderValue, header};

use super::policies::on_cluster;
use super::resilience::{BUSY, answering, ask, of, quick};
use super::*;
use crate::config::model::{ClusterProtocol, Hedge};

fn handshake() -> Request<Body> {
    let mut request = request(Method::GET, Body::Empty);
    let headers = request.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    request
}

#[test]
fn a_handshake_is_never_tried_again() {
    on_thread(async {
        let (busy, count) = answering(BUSY).await;
        let cluster = on_cluster(&model::Cluster { retries: Some(quick(3)), ..of(&[busy]) }, None);
        let answer = cluster.send(handshake(), Caller::default()).await.unwrap();
        assert_eq!((answer.status(), count.get()), (StatusCode::SERVICE_UNAVAILABLE, 1));
        assert_eq!(ask(&cluster, Method::GET).await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(count.get(), 5, "as others are");
    });
}

#[test]
fn a_handshake_is_never_hedged() {
    on_thread(async {
        let slow = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
            // Longer than a hedge waits.
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.write_all(BUSY.as_bytes()).await.unwrap();
        })
        .await;
        let (other, count) = answering(OK).await;
        let methods = vec![Method::GET];
        let hedge = Some(Hedge { after: Duration::from_millis(1), methods });
        let config = model::Cluster { hedge, ..of(&[slow, other]) };
        let cluster = ThreadCluster::new(on_cluster(&config, None).cluster_arc(), Box::new(InOrder), &Pool::new());
        let answer = cluster.send(handshake(), Caller::default()).await.unwrap();
        assert_eq!((answer.status(), count.get()), (StatusCode::SERVICE_UNAVAILABLE, 0));
        assert_eq!(ask(&cluster, Method::GET).await.0, StatusCode::OK);
        assert_eq!(count.get(), 1, "as others are");
    });
}

#[test]
fn a_handshake_has_a_connection_of_its_own() {
    on_thread(async {
        // Connection 0 breaks at the second request, as one does that is on its way out.
        let address = endpoint(|number, mut stream| async move {
            read_head(&mut stream).await;
            let answer = if number == 0 { OK } else { BUSY };
            stream.write_all(answer.as_bytes()).await.unwrap();
            read_head(&mut stream).await;
        })
        .await;
        let cluster = on_cluster(&of(&[address]), None);
        assert_eq!(ask(&cluster, Method::GET).await.0, StatusCode::OK);
        let answer = cluster.send(handshake(), Caller::default()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    });
}

#[test]
fn http2_has_none() {
    on_thread(async {
        let (address, count) = answering(OK).await;
        let cluster = on_cluster(&model::Cluster { protocol: ClusterProtocol::Http2, ..of(&[address]) }, None);
        assert_eq!(cluster.send(handshake(), Caller::default()).await.err(), Some(Error::NoWebSocket));
        let endpoint = &cluster.cluster().members()[0].endpoint;
        assert_eq!((count.get(), endpoint.failed_requests(), endpoint.in_flight()), (0, 0, 0));
    });
}
