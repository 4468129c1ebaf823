//! What requests and connections cost in allocations: repeatable where times aren't. In a program of its own, since its
//! allocator counts for all threads, those of other tests too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

use sluice::gateway::{Gateway, Options};

/// The most allocations of a small request through the gateway without plugins.
const MOST: usize = 12;
/// The most that a plugin adds which checks a field and sets one.
const MOST_OF_PLUGIN: usize = 12;
/// The most that the same adds in an instance of its own.
const MOST_OF_FRESH: usize = 50;
/// The most that all that is told of it adds: a line of the access log, a trace that is carried on and not sampled.
const MOST_OF_TELLING: usize = 6;
/// The most bytes that the gateway holds for a connection between requests.
const MOST_BYTES: usize = 4 << 10;

/// Connections that are idle at a time.
const CONNECTIONS: usize = 200;

/// What the plugin wants to see.
const KEY: &str = "x-api-key: a-long-random-word\r\n";

/// Requests in a batch.
const BATCH: usize = 200;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
/// Bytes that are allocated now.
static BYTES: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    /// The test's own threads don't count.
    static IS_TEST: Cell<bool> = const { Cell::new(false) };
}

impl Counting {
    fn count(allocations: usize, bytes: isize) {
        if !IS_TEST.try_with(Cell::get).unwrap_or(true) {
            ALLOCATIONS.fetch_add(allocations, Relaxed);
            BYTES.fetch_add(bytes, Relaxed);
        }
    }
}

// SAFETY: everything is the system's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(1, layout.size().cast_signed());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count(0, -layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(1, size.cast_signed() - layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One after the other: they share the counters.
#[tokio::test]
async fn requests_and_connections_cost_little() {
    IS_TEST.set(true);
    // First, since gateways free something even after they are gone.
    let bytes = idle_connections().await;
    assert!((1..=MOST_BYTES).contains(&bytes), "an idle connection holds {bytes} bytes");
    let plain = allocations("", "").await;
    assert!(plain > 0.0, "nothing is counted");
    assert!(plain <= MOST as f64, "a request makes {plain:.1} allocations");
    // The field costs something of its own.
    let keyed = allocations("", KEY).await;
    let pooled = allocations("pooled", KEY).await - keyed;
    assert!((1.0..=MOST_OF_PLUGIN as f64).contains(&pooled), "a plugin's call makes {pooled:.1} allocations");
    let fresh = allocations("request", KEY).await - keyed;
    assert!((1.0..=MOST_OF_FRESH as f64).contains(&fresh), "a call in a fresh instance makes {fresh:.1} allocations");
    let told = allocations("told", "").await - plain;
    assert!((1.0..=MOST_OF_TELLING as f64).contains(&told), "what is told of a request makes {told:.1} allocations");
    println!(
        "a request: {plain:.1} allocations, pooled +{pooled:.1}, fresh +{fresh:.1}, told of +{told:.1}; \
         an idle connection: {bytes} bytes"
    );
}

/// Of a request through the plugin `gate` with this isolation, or through none; or `told` of everywhere.
async fn allocations(isolation: &str, key: &'static str) -> f64 {
    let upstream = upstream();
    let site = Site::start(upstream, isolation).await;
    let address = site.gateway.address("public").unwrap();
    let least = tokio::task::spawn_blocking(move || least_of_batches(address, key)).await.unwrap();
    site.gateway.shutdown().await;
    least as f64 / BATCH as f64
}

/// How many bytes a connection holds after its first answer.
async fn idle_connections() -> usize {
    let site = Site::start(upstream(), "").await;
    let address = site.gateway.address("public").unwrap();
    let measure = move || {
        IS_TEST.set(true);
        let connect = || {
            let mut client = TcpStream::connect(address).unwrap();
            ask(&mut client, "");
            client
        };
        // What the first ones bring into being stays.
        let first: Vec<TcpStream> = (0..10).map(|_| connect()).collect();
        let before = BYTES.load(Relaxed);
        let clients: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect()).collect();
        let bytes = BYTES.load(Relaxed) - before;
        drop((first, clients));
        bytes
    };
    let bytes = tokio::task::spawn_blocking(measure).await.unwrap();
    site.gateway.shutdown().await;
    usize::try_from(bytes).unwrap_or(0) / CONNECTIONS
}

/// A gateway before an upstream.
struct Site {
    gateway: Gateway,
    _directory: tempfile::TempDir,
}

impl Site {
    async fn start(upstream: SocketAddr, isolation: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plugins = directory.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        let (mut table, mut names) = (String::new(), "");
        if isolation == "told" {
            table = "[admin]\naddress = \"127.0.0.1:0\"\n[access_log]\noutput = { file = \"access.log\" }\n\
                     [tracing]\nendpoint = \"http://127.0.0.1:9\"\nprotocol = \"http\"\nsample = 0\n"
                .to_owned();
        } else if !isolation.is_empty() {
            let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-plugins/gate.wasm");
            std::fs::copy(built, plugins.join("gate.wasm")).expect("`cargo xtask plugins` builds it");
            table = format!("[[plugin]]\nname = \"gate\"\ncomponent = \"gate.wasm\"\nisolation = \"{isolation}\"\n");
            names = "\"gate\"";
        }
        let file = directory.path().join("sluice.toml");
        let text = format!(
            "[server]\nthreads = 1\n[plugins]\ndirectory = \"plugins\"\n{table}\
             [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\nprotocol = \"http\"\n\
             [[route]]\nname = \"all\"\nmatch = {{ path = \"/*\" }}\nplugins = [{names}]\ncluster = \"up\"\n\
             [[cluster]]\nname = \"up\"\nendpoints = [\"{upstream}\"]\n"
        );
        std::fs::write(&file, text).unwrap();
        Self { gateway: Gateway::start(Options::new(&file)).await.unwrap(), _directory: directory }
    }
}

/// Whatever else the gateway does now and then isn't in all batches.
fn least_of_batches(address: SocketAddr, key: &str) -> usize {
    IS_TEST.set(true);
    let mut client = TcpStream::connect(address).unwrap();
    let batch = |client: &mut TcpStream| {
        let before = ALLOCATIONS.load(Relaxed);
        (0..BATCH).for_each(|_| ask(client, key));
        ALLOCATIONS.load(Relaxed) - before
    };
    batch(&mut client);
    (0..10).map(|_| batch(&mut client)).min().unwrap()
}

/// Make a request; the plugin wants to see a key.
fn ask(client: &mut TcpStream, key: &str) {
    let head = format!(
        "GET /some/path?x=1 HTTP/1.1\r\nhost: test\r\naccept: */*\r\nuser-agent: test/1\r\n\
        accept-encoding: gzip, br\r\naccept-language: en\r\n{key}\r\n"
    );
    client.write_all(head.as_bytes()).unwrap();
    let answer = read_to(client, b"\r\n\r\nok");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
}

/// Answers whatever comes.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        IS_TEST.set(true);
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                IS_TEST.set(true);
                let answer = "HTTP/1.1 200 OK\r\nserver: test\r\ncontent-type: text/plain\r\n\
                    date: Tue, 15 Nov 1994 08:12:31 GMT\r\ncontent-length: 2\r\n\r\nok";
                while !read_to(&mut stream, b"\r\n\r\n").is_empty() {
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    address
}

/// Read until something ends with `end`; nothing at the end of the stream.
fn read_to(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while !all.ends_with(end) {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return Vec::new(),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
        }
    }
    all
}
