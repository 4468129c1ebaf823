//! Byte streams through whole gateways, and the PROXY protocol on both sides.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::tests::{BROKEN, admin, get, start, take_up, write};
use super::*;

/// An upstream that says its name, reads to the end, and sends back what it read.
async fn upstream(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).await.unwrap();
                stream.write_all(name.as_bytes()).await.unwrap();
                stream.write_all(&heard).await.unwrap();
            });
        }
    });
    address
}

/// Says all of `sent`, ends, and hears all of the answer.
async fn say(address: SocketAddr, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    // One that is refused may be reset.
    let _ = tokio::time::timeout(BROKEN, stream.read_to_end(&mut heard)).await.expect("no end");
    heard
}

fn tcp(more: &str) -> String {
    let listener = "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\nprotocol = \"tcp\"\n";
    format!("[admin]\naddress = \"127.0.0.1:0\"\n[server]\nthreads = 2\ndrain = \"20s\"\n{listener}{more}")
}

fn cluster(name: &str, address: SocketAddr, more: &str) -> String {
    format!("[[cluster]]\nname = \"{name}\"\nendpoints = [\"{address}\"]\n{more}\n")
}

/// A TLS client's first message.
fn hello(name: &str) -> Vec<u8> {
    let roots = rustls::RootCertStore::empty();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_way_ends_by_itself() {
    let text = tcp("cluster = \"echo\"\n") + &cluster("echo", upstream("echo:").await, "");
    let (_directory, gateway) = start(&text).await;
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    let heard = say(gateway.address("public").unwrap(), &sent).await;
    assert!(heard == [b"echo:", &sent[..]].concat());
}

#[tokio::test]
async fn upstreams_are_told_whose_connection_it_is() {
    for (version, begin) in
        [("v1", &b"me:PROXY TCP4 127.0.0.1 127.0.0.1 "[..]), ("v2", b"me:\r\n\r\n\0\r\nQUIT\n\x21\x11")]
    {
        let more = format!("proxy_protocol = \"{version}\"");
        let text = tcp("cluster = \"echo\"\n") + &cluster("echo", upstream("me:").await, &more);
        let (_directory, gateway) = start(&text).await;
        let heard = say(gateway.address("public").unwrap(), b"hello").await;
        assert!(heard.starts_with(begin) && heard.ends_with(b"hello"), "{heard:?}");
    }
}

#[tokio::test]
async fn the_address_that_a_trusted_balancer_tells_is_passed_on() {
    let more = "cluster = \"echo\"\nproxy_protocol = [\"127.0.0.0/8\"]\n";
    let text = tcp(more) + &cluster("echo", upstream("").await, "proxy_protocol = \"v1\"");
    let (_directory, gateway) = start(&text).await;
    let address = gateway.address("public").unwrap();
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 5 443\r\n";
    assert_eq!(say(address, &[header, &b"hello"[..]].concat()).await, [header, &b"hello"[..]].concat());
    // Without a good header, nothing is passed on.
    assert_eq!(say(address, b"hello").await, b"");
    assert_eq!(say(address, b"PROXY TCP4 192.0.2.7 198.51.100.1 5 99999\r\nhello").await, b"");
    let metrics = admin(&gateway, "GET /metrics HTTP/1.1").await;
    let expected = "sluice_connections_refused_total{listener=\"public\",reason=\"proxy-protocol\"} 2\n";
    assert!(metrics.contains(expected), "{metrics}");
}

#[tokio::test]
async fn http_requests_have_the_address_that_a_trusted_balancer_tells() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\nproxy_protocol = [\"127.0.0.1\"]\n\
                [[route]]\nname = \"all\"\ncluster = \"a\"\n";
    let text = text.to_owned() + &cluster("a", upstream.local_addr().unwrap(), "");
    let (_directory, gateway) = start(&text).await;
    let address = gateway.address("public").unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = b"PROXY TCP6 2001:db8::7 2001:db8::1 5 443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write_all(request).await.unwrap();
    let (mut stream, _) = upstream.accept().await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.contains("\r\nx-forwarded-for: 2001:db8::7\r\n"), "{seen}");
}

#[tokio::test]
async fn tls_is_routed_by_the_name_that_it_asks_for() {
    let names = "cluster = \"rest\"\nsni = { \"a.example.com\" = \"a\", \"*.example.com\" = \"wild\" }\n";
    let clusters = [("a", "a:"), ("wild", "wild:"), ("rest", "rest:")];
    let mut text = tcp(names);
    for (name, says) in clusters {
        text += &cluster(name, upstream(says).await, "");
    }
    let (directory, gateway) = start(&text).await;
    let address = gateway.address("public").unwrap();
    for (name, says) in [("a.example.com", "a:"), ("b.example.com", "wild:"), ("example.org", "rest:")] {
        let hello = hello(name);
        assert_eq!(say(address, &hello).await, [says.as_bytes(), &hello].concat(), "{name}");
    }
    assert_eq!(say(address, b"SSH-2.0-x\r\n").await, b"rest:SSH-2.0-x\r\n");

    let without = text.replace("cluster = \"rest\"\n", "");
    take_up(&gateway, Reload::Published, || drop(write(directory.path(), &without))).await;
    assert_eq!(say(address, &hello("example.org")).await, b"");
    // It is counted when the connection is closed already.
    let counted = async {
        while !admin(&gateway, "GET /metrics HTTP/1.1").await.contains("reason=\"no-cluster\"} 1\n") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BROKEN, counted).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_passed_over() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let there = upstream("there:").await;
    let text = tcp("cluster = \"two\"\n") + &cluster("two", gone, "").replace("\"]", &format!("\", \"{there}\"]"));
    let (_directory, gateway) = start(&text).await;
    for _ in 0..4 {
        assert_eq!(say(gateway.address("public").unwrap(), b"x").await, b"there:x");
    }
}

#[tokio::test]
async fn a_listener_can_become_one_for_streams_and_open_streams_go_on() {
    let echo = upstream("").await;
    let text = tcp("cluster = \"a\"\n") + &cluster("a", echo, "");
    let (directory, gateway) = start(&text).await;
    let mut open = TcpStream::connect(gateway.address("public").unwrap()).await.unwrap();
    open.write_all(b"before ").await.unwrap();
    // So that it is accepted before the change.
    assert_eq!(say(gateway.address("public").unwrap(), b"x").await, b"x");
    let http = text.replace("protocol = \"tcp\"\ncluster = \"a\"\n", "")
        + "[[route]]\nname = \"r\"\nrespond = { body = \"http\" }\n";
    take_up(&gateway, Reload::Published, || drop(write(directory.path(), &http))).await;
    assert!(get(&gateway, "/").await.ends_with("http"));
    open.write_all(b"and after").await.unwrap();
    open.shutdown().await.unwrap();
    let mut heard = String::new();
    open.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "before and after");
}

#[tokio::test]
async fn a_stream_on_which_nothing_moves_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    let text = tcp("cluster = \"silent\"\nidle_timeout = \"100ms\"\n") + &cluster("silent", endpoint, "");
    let (_directory, gateway) = start(&text).await;
    let mut client = TcpStream::connect(gateway.address("public").unwrap()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    let mut heard = [0; 5];
    upstream.read_exact(&mut heard).await.unwrap();
    let both = async {
        // The end, or a reset.
        let _ = client.read(&mut [0]).await;
        let _ = upstream.read(&mut [0]).await;
    };
    tokio::time::timeout(BROKEN, both).await.expect("it never ended");
}

#[tokio::test]
async fn upstreams_are_told_whose_request_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = "proxy_protocol = \"v1\"\n[[route]]\nname = \"all\"\ncluster = \"up\"\n";
    let text = "[admin]\naddress = \"127.0.0.1:0\"\n[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n"
        .to_owned()
        + &cluster("up", listener.local_addr().unwrap(), more);
    let (_directory, gateway) = start(&text).await;
    let mut client = TcpStream::connect(gateway.address("public").unwrap()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        heard.push(upstream.read_u8().await.unwrap());
    }
    let (source, destination) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let header = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\nGET / ", source.port(), destination.port());
    assert!(heard.starts_with(header.as_bytes()), "{}", String::from_utf8_lossy(&heard));
}
