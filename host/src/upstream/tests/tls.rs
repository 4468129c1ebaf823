//! Endpoints that speak TLS, well and badly.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::{HandshakeKind, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::authority::{Age, Authority};
use super::policies::Watched;
use super::*;
use crate::config::model::{CertificateFiles, ClusterTls, HealthCheck, Probe, Statuses, Versions};
use crate::error::TlsFault;
use crate::upstream::{Cluster, Tls};

/// An endpoint that shakes hands and serves.
pub(crate) async fn encrypted<F, S>(config: ServerConfig, serve: F) -> SocketAddr
where
    F: Fn(usize, TlsStream<TcpStream>) -> S + Clone + 'static,
    S: Future<Output = ()> + 'static,
{
    let acceptor = TlsAcceptor::from(Arc::new(config));
    endpoint(move |number, stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            // Of a client that went away, or that wasn't let in.
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(number, stream).await;
            }
        }
    })
    .await
}

/// What is said of an endpoint that failed.
fn last_error(cluster: &ThreadCluster) -> &'static str {
    cluster.cluster().members()[0].endpoint.last_error().map_or("", |(error, _)| error)
}

const BOTH: Versions = Versions::Tls12And13;

#[test]
fn connections_are_encrypted_and_used_again_and_sessions_resumed() {
    on_thread(async {
        let mut authority = Authority::new();
        let (saw, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let config = authority.server("shop.test", Age::Good, false, BOTH);
        let address = encrypted(config, move |number, mut stream| {
            let saw = saw.clone();
            async move {
                let facts = stream.get_ref().1;
                saw.send((number, facts.server_name().map(str::to_owned), facts.handshake_kind())).unwrap();
                for _ in 0..3 {
                    read_head(&mut stream).await;
                    stream.write_all(OK.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
        })
        .await;
        let cluster = authority.cluster(address, &authority.wanted("shop.test"));
        for _ in 0..4 {
            assert_eq!(text(get(&cluster).await.unwrap()).await.unwrap(), "ok");
        }
        let name = || Some("shop.test".to_owned());
        assert_eq!(seen.recv().await.unwrap(), (0, name(), Some(HandshakeKind::Full)));
        assert_eq!(seen.recv().await.unwrap(), (1, name(), Some(HandshakeKind::Resumed)));
    });
}

#[test]
fn who_cannot_be_verified_gets_no_request() {
    on_thread(async {
        for (age, asked, trusted, fault) in [
            (Age::Good, "shop.test", false, TlsFault::UnknownIssuer),
            (Age::Good, "other.test", true, TlsFault::WrongName),
            (Age::Expired, "shop.test", true, TlsFault::Expired),
        ] {
            let mut authority = Authority::new();
            let config = authority.server("shop.test", age, false, BOTH);
            let served = Rc::new(Cell::new(false));
            let seen = Rc::clone(&served);
            let address = encrypted(config, move |_, stream| {
                let seen = Rc::clone(&seen);
                async move {
                    seen.set(true);
                    answer_all(stream).await;
                }
            })
            .await;
            let judge = if trusted { authority } else { Authority::new() };
            let wanted = judge.wanted(asked);
            let cluster = judge.cluster(address, &wanted);
            assert_eq!(get(&cluster).await.unwrap_err(), Error::Tls(fault));
            assert_eq!(last_error(&cluster), fault.text());
            assert!(!served.get());
            let careless = judge.cluster(address, &ClusterTls { verify: false, ..wanted });
            assert_eq!(get(&careless).await.unwrap().status(), StatusCode::OK, "unless that is asked for");
        }
    });
}

#[test]
fn an_address_is_a_name_too() {
    on_thread(async {
        let mut authority = Authority::new();
        let config = authority.server("127.0.0.1", Age::Good, false, BOTH);
        let address = encrypted(config, |_, stream| answer_all(stream)).await;
        let wanted = ClusterTls { server_name: None, ..authority.wanted("x") };
        assert_eq!(get(&authority.cluster(address, &wanted)).await.unwrap().status(), StatusCode::OK);
    });
}

#[test]
fn a_certificate_is_shown_to_who_wants_one() {
    on_thread(async {
        for versions in [BOTH, Versions::Tls13] {
            let mut authority = Authority::new();
            let server_versions = versions;
            let config = authority.server("shop.test", Age::Good, true, server_versions);
            let address = encrypted(config, |_, stream| answer_all(stream)).await;
            let mut stranger = Authority::new();
            let strange = stranger.vouch("gateway", Age::Good);
            let (good, old) = (authority.vouch("gateway", Age::Good), authority.vouch("old", Age::Expired));
            for path in [&strange.certificate, &strange.key] {
                let content = stranger.contents[path].clone();
                authority.contents.insert(PathBuf::from("strange").join(path), content);
            }
            let strange = CertificateFiles {
                certificate: PathBuf::from("strange").join(&strange.certificate),
                key: PathBuf::from("strange").join(&strange.key),
            };
            for (shown, well) in [(None, false), (Some(strange), false), (Some(old), false), (Some(good), true)] {
                let wanted = ClusterTls { certificate: shown.clone(), versions, ..authority.wanted("shop.test") };
                let cluster = authority.cluster(address, &wanted);
                match get(&cluster).await {
                    Ok(answer) => assert!(well, "{shown:?}: {}", answer.status()),
                    Err(error) => {
                        assert_eq!(error, Error::Tls(TlsFault::ClientCertificate), "{shown:?}");
                        assert_eq!(last_error(&cluster), TlsFault::ClientCertificate.text());
                        assert!(!well);
                    }
                }
            }
        }
    });
}

#[test]
fn what_is_no_tls_or_no_end_of_a_handshake() {
    on_thread(async {
        let mut authority = Authority::new();
        let plain = endpoint(|_, mut stream| async move {
            read_head(&mut stream).await;
        })
        .await;
        let talks = endpoint(|_, mut stream| async move {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            read_head(&mut stream).await;
        })
        .await;
        let closes = endpoint(|_, stream| async move { drop(stream) }).await;
        let mut config = authority.server("shop.test", Age::Good, false, BOTH);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let other = encrypted(config, |_, stream| answer_all(stream)).await;
        let timeouts = model::Timeouts { connect: Duration::from_millis(100), ..model::Timeouts::default() };
        for (address, error) in [
            (plain, Error::ConnectTimeout),
            (talks, Error::Tls(TlsFault::NoTls)),
            (closes, Error::Tls(TlsFault::Broken)),
            (other, Error::Tls(TlsFault::NoProtocol)),
        ] {
            let like = model::Cluster { timeouts: timeouts.clone(), ..model::Cluster::default() };
            let cluster = authority.cluster_like(address, &authority.wanted("shop.test"), like);
            let post = cluster.send(request(Method::POST, Body::Full("x".into())), Caller::default()).await;
            assert_eq!(post.unwrap_err(), error);
        }
    });
}

#[test]
fn long_bodies_pass_both_ways() {
    on_thread(async {
        const LONG: usize = 3 << 20;
        let mut authority = Authority::new();
        let config = authority.server("shop.test", Age::Good, false, BOTH);
        let address = encrypted(config, |_, mut stream| async move {
            for _ in 0..2 {
                read_head(&mut stream).await;
                let mut body = vec![0; LONG];
                stream.read_exact(&mut body).await.unwrap();
                stream
                    .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {LONG}\r\n\r\n").as_bytes())
                    .await
                    .unwrap();
                stream.write_all(&body).await.unwrap();
                stream.flush().await.unwrap();
            }
        })
        .await;
        let cluster = authority.cluster(address, &authority.wanted("shop.test"));
        for byte in [1, 2] {
            let body = Body::Full(vec![byte; LONG].into());
            let answer = cluster.send(request(Method::PUT, body), Caller::default()).await.unwrap();
            let echo = answer.into_body().collect(LONG).await.unwrap();
            assert!(echo.len() == LONG && echo.iter().all(|same| *same == byte));
        }
    });
}

#[test]
fn a_body_that_ends_without_a_word_is_incomplete() {
    on_thread(async {
        let mut authority = Authority::new();
        let config = authority.server("shop.test", Age::Good, false, BOTH);
        let address = encrypted(config, |number, mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").await.unwrap();
            stream.flush().await.unwrap();
            if number == 0 {
                stream.shutdown().await.unwrap();
            }
        })
        .await;
        let cluster = authority.cluster(address, &authority.wanted("shop.test"));
        assert_eq!(text(get(&cluster).await.unwrap()).await.unwrap(), "half");
        // RFC 9112, section 9.8: somebody may have cut it off.
        assert_eq!(text(get(&cluster).await.unwrap()).await, Err(BodyError::Upstream));
    });
}

#[test]
fn clusters_share_no_connections_that_they_would_make_in_different_ways() {
    on_thread(async {
        let mut authority = Authority::new();
        let config = authority.server("shop.test", Age::Good, false, BOTH);
        let address = encrypted(config, |_, stream| answer_all(stream)).await;
        let pool = Pool::new();
        let on_pool = |wanted: &ClusterTls| {
            let config = model::Cluster { endpoints: vec![address.into()], ..model::Cluster::default() };
            let tls = Arc::new(Tls::build(wanted, &authority.contents).unwrap());
            let cluster = Arc::new(Cluster::new(&config, Some(tls), None, Arc::default()));
            ThreadCluster::new(cluster, Box::new(InOrder), &pool)
        };
        let careless = on_pool(&ClusterTls { verify: false, ..authority.wanted("other.test") });
        assert_eq!(get(&careless).await.unwrap().status(), StatusCode::OK);
        let careful = on_pool(&authority.wanted("other.test"));
        assert_eq!(get(&careful).await.unwrap_err(), Error::Tls(TlsFault::WrongName));
    });
}

#[test]
fn checks_and_byte_streams_are_encrypted_too() {
    on_thread(async {
        let mut authority = Authority::new();
        let config = authority.server("shop.test", Age::Good, false, BOTH);
        let address = encrypted(config, |_, stream| answer_all(stream)).await;
        for (asked, well) in [("shop.test", true), ("other.test", false)] {
            let second = Duration::from_secs(5);
            let check = HealthCheck {
                probe: Probe::Http { path: "/".into(), expect: Statuses(vec![200..=200]), body: None },
                interval: Duration::from_millis(5),
                timeout: second,
                unhealthy_after: 1,
                healthy_after: 1,
            };
            let like = model::Cluster { health_check: Some(check), ..model::Cluster::default() };
            let cluster = authority.cluster_like(address, &authority.wanted(asked), like);
            let endpoint = &cluster.cluster().members()[0].endpoint;
            endpoint.set_healthy(!well);
            let watched = Watched::start(&cluster);
            while endpoint.is_healthy() != well {
                tokio::task::yield_now().await;
            }
            drop(watched);
            assert_eq!(last_error(&cluster), if well { "" } else { TlsFault::WrongName.text() });
            let here = SocketAddr::from(([127, 0, 0, 1], 1));
            match cluster.dial(here, here).await {
                Ok(mut dialed) => {
                    assert!(well);
                    dialed.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
                    dialed.stream.flush().await.unwrap();
                    let mut answer = vec![0; OK.len()];
                    dialed.stream.read_exact(&mut answer).await.unwrap();
                    assert_eq!(answer, OK.as_bytes());
                }
                Err(error) => assert_eq!((well, error), (false, Error::Tls(TlsFault::WrongName))),
            }
        }
    });
}

#[test]
fn what_is_wrong_with_files_is_said() {
    let mut authority = Authority::new();
    let shown = authority.vouch("gateway", Age::Good);
    authority.contents.insert("empty".into(), Ok(Vec::new()));
    let build = |wanted: &ClusterTls| Tls::build(wanted, &authority.contents).unwrap_err().to_string();
    let wanted = |ca: &str| ClusterTls { authorities: Some(ca.into()), ..authority.wanted("x") };
    assert_eq!(build(&wanted("empty")), "empty holds no certificate in PEM");
    assert_eq!(build(&wanted("gone")), "gone can't be read: it wasn't read");
    let files = CertificateFiles { key: "ca.pem".into(), ..shown };
    let mismatch = ClusterTls { certificate: Some(files), ..wanted("ca.pem") };
    assert_eq!(build(&mismatch), "ca.pem holds no private key in PEM that isn't encrypted");
}
