//! One process after another on the same sockets: no request fails meanwhile, whatever the new one is like.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::harness::client::{Client, Client2, whole};
use crate::harness::process::Process;
use crate::harness::site::{Files, TOKEN, cluster, route};
use crate::harness::upstream::{Upstream, answer};
use crate::harness::{soon, until};

/// Clients that ask without pause until they are told to stop. Any failure is a panic in one of them.
struct Load {
    clients: JoinSet<()>,
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
}

impl Load {
    fn start(address: SocketAddr, seen: Seen) -> Self {
        let (mut clients, stop, answers) = (JoinSet::new(), Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let go = || {
            let (stop, answers) = (stop.clone(), answers.clone());
            move || {
                answers.fetch_add(1, Ordering::SeqCst);
                !stop.load(Ordering::SeqCst)
            }
        };
        for _ in 0..4 {
            clients.spawn(keep_alive(address, go()));
            clients.spawn(one_each(address, go()));
        }
        clients.spawn(http2(address, seen, go()));
        Self { clients, stop, answers }
    }

    /// How many answers came, all good.
    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = soon(self.clients.join_next()).await {
            ended.expect("no request fails");
        }
        self.answers.load(Ordering::SeqCst)
    }
}

/// Many requests on a connection, for as long as the gateway likes.
async fn keep_alive(address: SocketAddr, go: impl Fn() -> bool) {
    loop {
        let mut client = Client::connect(address).await;
        loop {
            let answer = client.ask("GET", "/up", &[], b"").await;
            assert_eq!((answer.status, &*answer.text()), (200, "from upstream"));
            if !go() {
                return;
            }
            if answer.field("connection") == Some("close") {
                break;
            }
        }
    }
}

/// A connection for each request.
async fn one_each(address: SocketAddr, go: impl Fn() -> bool) {
    while go() {
        let answer = Client::connect(address).await.ask("GET", "/up", &[], b"").await;
        assert_eq!((answer.status, &*answer.text()), (200, "from upstream"));
    }
}

/// Streams of HTTP/2, until the gateway says goodbye. A request that crosses the goodbye is asked again on another
/// connection, as every client does (RFC 9113, section 6.8); then no upstream may have seen it.
async fn http2(address: SocketAddr, seen: Seen, go: impl Fn() -> bool) {
    let mut number = 0_u64;
    while go() {
        let mut client = Client2::connect(address).await;
        loop {
            let request = http::Request::get("http://test/up").header("x-number", number);
            let request = request.body(Full::<Bytes>::default().boxed()).unwrap();
            match soon(client.0.send_request(request)).await {
                Ok(answer) => {
                    let (parts, body, _) = whole(answer).await;
                    assert_eq!((parts.status.as_u16(), &*body), (200, &b"from upstream"[..]));
                    number += 1;
                }
                Err(error) => {
                    let text = format!("{error:?}");
                    let is_goodbye = text.contains("GoAway") && text.contains("NO_ERROR");
                    assert!(is_goodbye || error.is_canceled() || error.is_closed(), "{text}");
                    assert!(!seen.lock().unwrap().contains(&number.to_string()), "{number} was served: {text}");
                    break;
                }
            }
            if !go() {
                return;
            }
        }
    }
}

/// The numbers of requests that reached the upstream.
type Seen = Arc<Mutex<HashSet<String>>>;

/// A configuration whose upstream keeps the numbers of requests, each of which may come once.
async fn numbered() -> (String, Seen) {
    let seen = Seen::default();
    let kept = seen.clone();
    let upstream = Upstream::serving(move |request: http::Request<hyper::body::Incoming>| {
        let number = request.headers().get("x-number").map(|number| number.to_str().unwrap().to_owned());
        let is_first = number.is_none_or(|number| kept.lock().unwrap().insert(number));
        async move { answer(if is_first { 200 } else { 409 }, "from upstream") }
    })
    .await;
    (route("up", "/up", &[]) + &cluster("up", &[upstream.address]), seen)
}

async fn text() -> String {
    let upstream = Upstream::fixed("from upstream").await;
    route("up", "/up", &[]) + &cluster("up", &[upstream.address])
}

async fn upgrades(count: usize) -> u64 {
    let (text, seen) = numbered().await;
    let mut process = Process::start(Files::new(), &text).await;
    let load = Load::start(process.address, seen);
    for number in 0..count {
        let before = load.answers.load(Ordering::SeqCst);
        process.upgrade().await;
        let enough = before + 200;
        until(|| load.answers.load(Ordering::SeqCst) >= enough).await;
        if number == 0 {
            assert!(process.ended().await.success());
        }
    }
    let answers = load.end().await;
    process.signal(Signal::TERM);
    process.line("stopped").await;
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_processes_follow_each_other() {
    let answers = upgrades(20).await;
    assert!(answers > 20 * 200, "{answers}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn no_request_fails_in_a_hundred_upgrades() {
    println!("{} answers, no failure", upgrades(100).await);
}

async fn get(address: SocketAddr, target: &str) -> crate::harness::client::Answer {
    let headers = [("host", &*address.to_string()), ("authorization", &format!("Bearer {TOKEN}"))];
    Client::connect(address).await.ask("GET", target, &headers, b"").await
}

#[tokio::test]
async fn a_process_that_does_not_start_changes_nothing() {
    let text = text().await;
    let mut process = Process::start(Files::new(), &text).await;
    process.files.write("sluice.toml", "[[listener]]\nnam = \"public\"\n");
    process.signal(Signal::USR2);
    let line = process.line("which serves on").await;
    assert!(line.contains("ended before it was ready (exit status: 1)"), "{line}");
    assert_eq!(get(process.address, "/up").await.text(), "from upstream");
    process.files.configure(&text);
    process.upgrade().await;
    assert_eq!(get(process.address, "/up").await.text(), "from upstream");
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn the_new_process_may_have_other_threads_and_listeners() {
    let extra = "[[listener]]\nname = \"extra\"\naddress = \"127.0.0.1:0\"\n";
    let both = text().await.replace("name = \"up\"\nmatch", "name = \"up\"\nlisteners = [\"public\"]\nmatch");
    let mut process = Process::start(Files::new(), &format!("{extra}{both}")).await;
    let (public, admin) = (process.address, process.admin);
    for threads in [5, 1, 2] {
        let path = process.files.configure(&both);
        let config = std::fs::read_to_string(path).unwrap();
        process.files.write("sluice.toml", &config.replace("threads = 2", &format!("threads = {threads}")));
        process.upgrade().await;
        // More connections than there ever were sockets, so that each is tried.
        for _ in 0..40 {
            assert_eq!(get(public, "/up").await.text(), "from upstream");
        }
        assert_eq!(get(admin, "/readyz").await.text(), "ready\n");
        let status = get(admin, "/api/v1/status").await.json();
        assert!(!status.to_string().contains("extra"), "{status}");
    }
}

#[tokio::test]
async fn a_request_on_its_way_ends_in_the_old_process_and_its_number_is_told_in_a_file() {
    let (upstream, mut arrival, release) = Upstream::holding().await;
    let text = route("up", "/up", &[]) + &cluster("up", &[upstream.address]);
    let files = Files::new();
    let path = files.configure(&text);
    let config = std::fs::read_to_string(&path).unwrap();
    let text = config.replace("[server]", "[server]\npid_file = \"sluice.pid\"");
    let mut process = Process::start_written(files, &text).await;
    let pid_file = process.files.path("sluice.pid");
    let told = || std::fs::read_to_string(&pid_file).unwrap_or_default().trim().to_owned();
    // Written after it has said that it is ready.
    until(|| told() == process.id.as_raw_nonzero().to_string()).await;
    let mut client = Client::connect(process.address).await;
    client.send("GET /up HTTP/1.1\r\nHost: test\r\n\r\n").await;
    soon(arrival.recv()).await;
    process.upgrade().await;
    until(|| told() == process.id.as_raw_nonzero().to_string()).await;
    release.notify_one();
    let answer = client.answer("GET").await;
    assert_eq!(answer.text(), "late");
    drop(client);
    assert!(process.ended().await.success());
    process.signal(Signal::TERM);
    process.line("stopped").await;
    until(|| !pid_file.exists()).await;
}
