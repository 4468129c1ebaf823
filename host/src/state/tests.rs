//! A real server: killed, stopped, started again, and with others in it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::redis_server::RedisServer;
use super::*;
use crate::config::model::{Authorities, OnAway, RedisAddress, Secret};
use crate::telemetry::metrics::Metrics;

/// As a configuration with that URL would have it.
pub(crate) fn settings(server: &RedisServer, change: impl FnOnce(&mut Redis)) -> Arc<Redis> {
    let url = server.url();
    let path = url.strip_prefix("unix://").expect("a socket's URL");
    let mut redis = Redis {
        address: RedisAddress::Unix(path.into()),
        tls: None,
        username: None,
        password: None,
        database: 0,
        prefix: "sluice:".into(),
        // The machine may be busy. Whoever wants it to pass says less.
        timeout: Duration::from_secs(10),
        on_error: OnAway::Closed,
    };
    change(&mut redis);
    Arc::new(redis)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes to an end") })
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    while !is_so().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn reason(metrics: &Metrics) -> Option<Arc<str>> {
    metrics.state().link().expect("a store is configured").away
}

const LIMIT: Limit = Limit { rate: 1, period_ms: 3_600_000, burst: 10 };

#[test]
fn a_killed_server_is_away_at_once_and_comes_back_by_itself() {
    let test = "a_killed_server_is_away_at_once_and_comes_back_by_itself";
    let Some(mut server) = RedisServer::start(test, &[]) else { return };
    let metrics = Metrics::new();
    let remote = Remote::start(&settings(&server, |_| ()), metrics.state()).unwrap();
    let space = remote.space("a");
    run(async {
        assert_eq!(remote.take(&space, "k", LIMIT, 3).await.unwrap().remaining, 7);
        server.kill();
        until(async || reason(&metrics).is_some()).await;
        assert_eq!(remote.take(&space, "k", LIMIT, 1).await, Err(Away));
        let first = metrics.state().link().unwrap();
        server.restart();
        until(async || remote.take(&space, "k", LIMIT, 1).await.is_ok_and(|taken| taken.remaining == 9)).await;
        let second = metrics.state().link().unwrap();
        assert!(second.away.is_none() && second.since >= first.since);
    });
    drop(remote);
    // The thread ends with the last handle.
    run(until(async || metrics.state().link().is_none()));
}

#[test]
fn a_server_that_hangs_costs_five_deadlines_and_then_nothing() {
    let test = "a_server_that_hangs_costs_five_deadlines_and_then_nothing";
    let Some(server) = RedisServer::start(test, &[]) else { return };
    let metrics = Metrics::new();
    let quick = settings(&server, |redis| redis.timeout = Duration::from_millis(20));
    let remote = Remote::start(&quick, metrics.state()).unwrap();
    let space = remote.space("a");
    run(async {
        until(async || remote.read(&space, "k").await == Ok(None)).await;
        server.stop();
        until(async || remote.read(&space, "k").await == Err(Away) && reason(&metrics).is_some()).await;
        assert!(reason(&metrics).unwrap().contains("longer than 20ms"), "{:?}", reason(&metrics));
        let asked = |outcome| operations(&metrics, "get", outcome);
        let before = asked("timeout") + asked("failed");
        assert!(before >= 5, "{before}");
        for _ in 0..100 {
            assert_eq!(remote.read(&space, "k").await, Err(Away));
        }
        // Those that were on their way are all that were ever sent.
        assert!(asked("timeout") + asked("failed") <= before + 1);
        server.resume();
        until(async || remote.read(&space, "k").await == Ok(None)).await;
    });
}

/// From what `/metrics` says.
fn operations(metrics: &Metrics, operation: &str, outcome: &str) -> u64 {
    let text = metrics.encode(crate::telemetry::metrics::Format::Plain, &[], &[]);
    let wanted = format!("sluice_state_operations_total{{operation=\"{operation}\",outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&wanted)?.parse().ok()).unwrap_or(0)
}

#[test]
fn nobody_reads_what_is_another_s() {
    let Some(server) = RedisServer::start("nobody_reads_what_is_another_s", &[]) else { return };
    let metrics = Metrics::new();
    let remote = Remote::start(&settings(&server, |_| ()), metrics.state()).unwrap();
    run(async {
        remote.write(&remote.space("a"), "b:c", b"secret", None).await.unwrap();
        for (name, key) in [("a:b", "c"), ("a%3Ab", "c"), ("a", "c"), ("", "a:b:c"), ("A", "b:c")] {
            assert_eq!(remote.read(&remote.space(name), key).await, Ok(None), "{name} {key}");
        }
        remote.take(&remote.space("a"), "k", LIMIT, 10).await.unwrap();
        assert_eq!(remote.read(&remote.space("a"), "k").await, Ok(None), "limits are no values");
        assert!(remote.take(&remote.space("b"), "k", LIMIT, 10).await.unwrap().admitted);
    });
    assert_eq!(server.ask(&["GET", "sluice:kv:a:b:c"]), "vsecret");
}

#[test]
fn databases_and_prefixes_keep_fleets_apart() {
    let Some(server) = RedisServer::start("databases_and_prefixes_keep_fleets_apart", &[]) else { return };
    let metrics = Metrics::new();
    let remote = |change: fn(&mut Redis)| Remote::start(&settings(&server, change), metrics.state()).unwrap();
    let fleets = [remote(|_| ()), remote(|redis| redis.database = 3), remote(|redis| redis.prefix = "blue:".into())];
    run(async {
        for fleet in &fleets {
            assert!(fleet.take(&fleet.space("a"), "k", LIMIT, 10).await.unwrap().admitted);
            assert!(!fleet.take(&fleet.space("a"), "k", LIMIT, 1).await.unwrap().admitted);
        }
    });
}

#[test]
fn passwords_are_sent_and_never_told() {
    let Some(server) = RedisServer::start("passwords_are_sent_and_never_told", &["--requirepass", "s3cret"]) else {
        return;
    };
    let metrics = Metrics::new();
    let with = |password: &str| settings(&server, |redis| redis.password = Some(Secret::new(password)));
    let wrong = Remote::start(&with("gu3ss"), metrics.state()).unwrap();
    run(until(async || reason(&metrics).is_some_and(|reason| reason.contains("authentication failed"))));
    assert_eq!(run(wrong.read(&wrong.space("a"), "k")), Err(Away));
    assert!(!format!("{:?}{wrong:?}", reason(&metrics)).contains("gu3ss"));
    let right = Remote::start(&with("s3cret"), metrics.state()).unwrap();
    assert_eq!(run(right.read(&right.space("a"), "k")), Ok(None));
    assert_eq!(reason(&metrics), None, "the newest store has the say");
}

#[test]
fn a_server_that_cannot_be_written_to_is_away() {
    let test = "a_server_that_cannot_be_written_to_is_away";
    let Some(server) = RedisServer::start(test, &["--replicaof", "127.0.0.1", "9"]) else { return };
    let metrics = Metrics::new();
    let remote = Remote::start(&settings(&server, |_| ()), metrics.state()).unwrap();
    run(until(async || reason(&metrics).is_some_and(|reason| reason.to_lowercase().contains("replica"))));
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    run(until(async || remote.read(&remote.space("a"), "k").await == Ok(None)));
}

#[test]
fn over_tls_only_a_server_that_is_vouched_for_counts() {
    let Some(server) = RedisServer::start("over_tls_only_a_server_that_is_vouched_for_counts", &[]) else { return };
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, port) = (own.cert.pem(), encrypted(&server, own));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let metrics = Metrics::new();
    let with = |host: &str, pem: &str| {
        let change = |redis: &mut Redis| {
            redis.address = RedisAddress::Tcp { host: host.into(), port };
            redis.tls = Some(Authorities::These(pem.into()));
        };
        Remote::start(&settings(&server, change), metrics.state()).unwrap()
    };
    let stranger = with("localhost", &other);
    run(until(async || reason(&metrics).is_some_and(|reason| reason.contains("certificate"))));
    let misnamed = with("127.0.0.1", &pem);
    run(until(async || reason(&metrics).is_some_and(|reason| reason.contains("certificate"))));
    let good = with("localhost", &pem);
    run(until(async || good.take(&good.space("a"), "k", LIMIT, 1).await.is_ok()));
    for remote in [stranger, misnamed] {
        assert_eq!(run(remote.read(&remote.space("a"), "k")), Err(Away));
    }
}

/// The port of something that ends TLS before the server.
fn encrypted(server: &RedisServer, own: rcgen::CertifiedKey<rcgen::KeyPair>) -> u16 {
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let path = server.url().trim_start_matches("unix://").to_owned();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    // The thread ends with the test's process.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, path) = (acceptor.clone(), path.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Ok(mut redis) = tokio::net::UnixStream::connect(path).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut redis).await;
                });
            }
        });
    });
    port
}

#[test]
fn scripts_that_were_flushed_come_back() {
    let Some(server) = RedisServer::start("scripts_that_were_flushed_come_back", &[]) else { return };
    let metrics = Metrics::new();
    let remote = Remote::start(&settings(&server, |_| ()), metrics.state()).unwrap();
    let space = remote.space("a");
    run(async {
        assert_eq!(remote.add(&space, "n", 1, None).await, Ok(Sum::Is(1)));
        assert_eq!(server.ask(&["SCRIPT", "FLUSH"]), "OK");
        assert_eq!(remote.add(&space, "n", 1, None).await, Ok(Sum::Is(2)));
        assert_eq!(remote.take(&space, "k", LIMIT, 1).await.map(|taken| taken.remaining), Ok(9));
    });
}

#[test]
fn what_has_run_out_leaves_the_server() {
    let Some(server) = RedisServer::start("what_has_run_out_leaves_the_server", &[]) else { return };
    let metrics = Metrics::new();
    let remote = Remote::start(&settings(&server, |_| ()), metrics.state()).unwrap();
    let space = remote.space("a");
    run(async {
        let quick = Limit { rate: 100, period_ms: 1000, burst: 100 };
        for key in 0..50 {
            assert!(remote.take(&space, &key.to_string(), quick, 5).await.unwrap().admitted);
        }
        remote.write(&space, "k", b"1", Some(20)).await.unwrap();
        remote.add(&space, "n", 1, Some(20)).await.unwrap();
        until(async || server.ask(&["DBSIZE"]) == "0").await;
    });
}

#[test]
fn tokens_are_counted_to_the_last_one() {
    let Some(server) = RedisServer::start("tokens_are_counted_to_the_last_one", &[]) else { return };
    let metrics = Metrics::new();
    let remote = Remote::start(&settings(&server, |_| ()), metrics.state()).unwrap();
    let space = remote.space("a");
    run(async {
        // So slow that nothing comes back meanwhile; costs by a generator of odd numbers.
        for (burst, period_ms) in [(7u64, 366 * 24 * 3_600_000), (100_000, 24 * 3_600_000), (999_999_937, 3_600_000)] {
            let limit = Limit { rate: 1, period_ms, burst };
            let (mut left, mut cost) = (burst, 1u64);
            for _ in 0..40 {
                let taken = remote.take(&space, &burst.to_string(), limit, cost).await.unwrap();
                assert_eq!(taken.admitted, cost <= left, "{burst} {left} {cost}");
                left -= if taken.admitted { cost } else { 0 };
                assert_eq!(taken.remaining, left, "{burst} {cost}");
                cost = (cost * 7 + 3) % (burst / 3 + 1) + 1;
            }
        }
    });
}

#[test]
fn many_at_once_are_counted_exactly() {
    let Some(server) = RedisServer::start("many_at_once_are_counted_exactly", &[]) else { return };
    let metrics = Metrics::new();
    let gateways: Vec<_> =
        (0..3).map(|_| Remote::start(&settings(&server, |_| ()), metrics.state()).unwrap()).collect();
    let limit = Limit { rate: 1, period_ms: 24 * 3_600_000, burst: 200 };
    let admitted = run(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..600 {
            let remote = gateways[number % 3].clone();
            tasks.spawn(async move { remote.take(&remote.space("a"), "k", limit, 1).await.unwrap().admitted });
        }
        tasks.join_all().await.into_iter().filter(|admitted| *admitted).count()
    });
    assert_eq!(admitted, 200);
}
