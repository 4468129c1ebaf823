//! What clients are told when a cluster has too much to do.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::tests::{admin, get, start};

#[tokio::test]
async fn who_finds_no_room_is_told_when_to_come_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    let text = format!(
        r#"
[admin]
address = "127.0.0.1:0"
[[listener]]
name = "public"
address = "127.0.0.1:0"
[[route]]
name = "all"
cluster = "shop"
[[cluster]]
name = "shop"
endpoints = ["{endpoint}"]
limits = {{ requests = 1, pending = 0 }}
"#
    );
    let (_directory, gateway) = start(&text).await;
    let turned_away = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        // The only place is taken now.
        let answer = get(&gateway, "/second").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst").await.unwrap();
        answer
    };
    let (first, second) = tokio::join!(get(&gateway, "/first"), turned_away);
    assert!(first.ends_with("first"), "{first}");
    assert!(second.starts_with("HTTP/1.1 503 ") && second.contains("\r\nretry-after: 1\r\n"), "{second}");
    let metrics = admin(&gateway, "GET /metrics HTTP/1.1").await;
    assert!(metrics.contains("sluice_cluster_overflows_total{cluster=\"shop\",limit=\"requests\"} 1\n"), "{metrics}");
    gateway.shutdown().await;
}
