//! How a process begins and ends: what clients see of it, and what a supervisor is told.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;

use crate::harness::client::{Client, Client2, request};
use crate::harness::components::program;
use crate::harness::process::Process;
use crate::harness::site::{Files, cluster, route};
use crate::harness::upstream::{Upstream, read_head, write};
use crate::harness::{soon, until};

/// A configuration with an upstream that answers when it is let, and how to let it. Each arrival is told.
async fn slow() -> (String, tokio::sync::mpsc::UnboundedReceiver<()>, Arc<Notify>) {
    let (upstream, arrivals, release) = Upstream::holding().await;
    let fixed = "[[route]]\nname = \"now\"\nmatch = { path = \"/now\" }\nrespond = { status = 200, body = \"now\" }\n";
    (format!("{fixed}{}{}", route("up", "/up", &[]), cluster("up", &[upstream.address])), arrivals, release)
}

/// With keys for `[server]`.
fn with_server(files: &Files, text: &str, keys: &str) -> String {
    let config = std::fs::read_to_string(files.configure(text)).unwrap();
    config.replace("[server]", &format!("[server]\n{keys}"))
}

async fn ready(process: &Process) -> u16 {
    Client::connect(process.admin)
        .await
        .ask("GET", "/readyz", &[("host", &process.admin.to_string())], b"")
        .await
        .status
}

#[tokio::test]
async fn at_sigterm_it_is_not_ready_serves_on_finishes_and_ends_well() {
    let (text, mut arrivals, release) = slow().await;
    let files = Files::new();
    let text = with_server(&files, &text, "shutdown_delay = \"1h\"");
    let mut process = Process::start_written(files, &text).await;
    assert_eq!(ready(&process).await, 200);
    let mut kept = Client::connect(process.address).await;
    assert_eq!(kept.ask("GET", "/now", &[], b"").await.field("connection"), None);
    let mut busy = Client::connect(process.address).await;
    busy.send(request("GET", "/up", &[], b"")).await;
    soon(arrivals.recv()).await;
    let mut second = Client2::connect(process.address).await;
    assert_eq!(second.get("/now").await.0.status, 200);

    process.signal(Signal::TERM);
    process.line("serving on").await;
    assert_eq!(ready(&process).await, 503);
    // Once a thread knows; each is told by itself.
    loop {
        let answer = Client::connect(process.address).await.ask("GET", "/now", &[], b"").await;
        assert_eq!(answer.status, 200, "new connections are served");
        if answer.field("connection") == Some("close") {
            break;
        }
    }
    let last = loop {
        let answer = kept.ask("GET", "/now", &[], b"").await;
        if answer.field("connection").is_some() {
            break answer;
        }
    };
    assert_eq!((last.status, last.field("connection")), (200, Some("close")));
    assert_eq!(kept.rest().await, b"", "and it is closed");
    soon(async {
        while second.0.ready().await.is_ok() {
            tokio::task::yield_now().await
        }
    })
    .await;

    process.signal(Signal::TERM);
    process.line("finishing").await;
    let address = process.address;
    until(|| std::net::TcpStream::connect(address).is_err()).await;
    release.notify_one();
    assert_eq!(busy.answer("GET").await.text(), "late");
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn websockets_get_a_close_frame_and_streams_end_by_themselves() {
    let web = Upstream::raw(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        write(&mut stream, agreed).await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let bytes = Upstream::raw(|_, mut stream| async move {
        let mut word = [0; 5];
        while stream.read_exact(&mut word).await.is_ok() {
            write(&mut stream, word).await;
        }
    })
    .await;
    let stream = "[[listener]]\nname = \"bytes\"\naddress = \"127.0.0.1:0\"\nprotocol = \"tcp\"\ncluster = \"bytes\"\n";
    let text = [route("up", "/*", &[]), cluster("up", &[web.address]), cluster("bytes", &[bytes.address])].concat();
    let mut process = Process::start(Files::new(), &format!("{stream}{text}")).await;
    let headers = [("host", &*process.admin.to_string()), ("authorization", "Bearer a-token-for-the-tests")];
    let status = Client::connect(process.admin).await.ask("GET", "/api/v1/status", &headers, b"").await.json();
    let listeners = status["listeners"].as_array().expect("listeners");
    let place = listeners.iter().find(|listener| listener["name"] == "bytes").expect("it is there");
    let mut open = Client::connect(place["address"].as_str().unwrap().parse().unwrap()).await;
    open.send("first").await;
    assert_eq!(open.take(5).await, b"first");
    let mut socket = Client::connect(process.address).await;
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    socket.send(request("GET", "/chat", &handshake, b"")).await;
    assert_eq!(socket.head().await.status, 101);
    process.signal(Signal::TERM);
    assert_eq!(socket.take(4).await, b"\x88\x02\x03\xe9", "going away");
    open.send("after").await;
    assert_eq!(open.take(5).await, b"after");
    drop((socket, open));
    assert!(process.ended().await.success());
}

/// What a supervisor hears.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn new(files: &Files) -> Self {
        let socket = UnixDatagram::bind(files.path("notify")).unwrap();
        socket.set_read_timeout(Some(crate::harness::BROKEN)).unwrap();
        Self(socket)
    }

    /// The next message that isn't about being alive.
    fn hears(&self) -> String {
        loop {
            let text = self.any();
            if text != "WATCHDOG=1" {
                return text;
            }
        }
    }

    fn any(&self) -> String {
        let mut buffer = [0; 1000];
        let length = self.0.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_is_told_of_beginning_reload_upgrade_life_and_end() {
    let (text, ..) = slow().await;
    let files = Files::new();
    let supervisor = Supervisor::new(&files);
    let path = files.path("notify");
    let mut process = Process::start_with(files, &text, |command| {
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "100000");
    })
    .await;
    assert_eq!(supervisor.hears(), "READY=1\nSTATUS=serving");
    process.signal(Signal::HUP);
    let reloading = supervisor.hears();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(supervisor.hears(), "READY=1\nSTATUS=serving");
    while supervisor.any() != "WATCHDOG=1" {}

    process.upgrade().await;
    let id = process.id.as_raw_nonzero();
    assert_eq!(supervisor.hears(), format!("MAINPID={id}"));
    assert_eq!(supervisor.hears(), "READY=1\nSTATUS=serving");
    assert!(process.ended().await.success());
    // The old one is gone, so that this is the new one's.
    for _ in 0..3 {
        while supervisor.any() != "WATCHDOG=1" {}
    }
    process.signal(Signal::TERM);
    assert_eq!(supervisor.hears(), "STOPPING=1\nSTATUS=finishing requests on their way");
    process.line("stopped").await;
}

/// A shell that does something and becomes the program.
fn shell(files: &Files, before: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    let run = format!("{before} exec \"$0\" run --config \"$1\"");
    command
        .args(["-c", &run])
        .arg(program())
        .arg(files.path("sluice.toml"))
        .stderr(Stdio::piped())
        .stdin(Stdio::null());
    command
}

#[tokio::test]
async fn sockets_of_systemd_are_used_by_name_and_handed_on() {
    let (text, ..) = slow().await;
    let files = Files::new();
    files.configure(&text);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let activation = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=public; exec 3<&0 0</dev/null;";
    let mut command = shell(&files, activation);
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)));
    let mut process = Process::spawn(files, command).await;
    assert_eq!(process.address, address);
    for _ in 0..2 {
        // Both threads share the one queue.
        for _ in 0..20 {
            assert_eq!(Client::connect(address).await.ask("GET", "/now", &[], b"").await.text(), "now");
        }
        process.upgrade().await;
    }
    assert_eq!(process.address, address);
}

#[tokio::test]
async fn descriptors_that_run_out_hold_up_new_connections_alone() {
    let (text, ..) = slow().await;
    let files = Files::new();
    let text = std::fs::read_to_string(files.configure(&text)).unwrap();
    // By default they keep to what files allow.
    let unlimited = "name = \"public\"\nlimits = { connections = 0, connections_per_address = 0 }";
    files.write("sluice.toml", &text.replace("name = \"public\"", unlimited));
    let command = shell(&files, "ulimit -n 96;");
    let mut process = Process::spawn(files, command).await;
    let mut first = Client::connect(process.address).await;
    assert_eq!(first.ask("GET", "/now", &[], b"").await.status, 200);
    let many: Vec<_> = (0..120).map(|_| std::net::TcpStream::connect(process.address).unwrap()).collect();
    process.line("can't accept connections").await;
    assert_eq!(first.ask("GET", "/now", &[], b"").await.text(), "now", "what is open is served");
    drop(many);
    let mut late = Client::connect(process.address).await;
    assert_eq!(late.ask("GET", "/now", &[], b"").await.text(), "now");
    let headers = [("host", &*process.admin.to_string()), ("authorization", "Bearer a-token-for-the-tests")];
    let metrics = Client::connect(process.admin).await.ask("GET", "/metrics", &headers, b"").await.text();
    let name = "sluice_accept_failures_total{listener=\"public\",reason=\"process-descriptors\"} ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok());
    assert!((1..500).contains(&count.unwrap_or_default()), "it tries now and then: {count:?}");
}
