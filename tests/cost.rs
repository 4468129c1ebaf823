//! What a proxied request costs in allocations: repeatable where times aren't. In a program of its own, since its
//! allocator counts for all threads, those of other tests too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sluice::gateway::{Gateway, Options};

/// The most allocations of a small request through the gateway without plugins.
const MOST: usize = 12;

/// Requests in a batch.
const BATCH: usize = 200;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The test's own threads don't count.
    static IS_TEST: Cell<bool> = const { Cell::new(false) };
}

impl Counting {
    fn count() {
        if !IS_TEST.try_with(Cell::get).unwrap_or(true) {
            ALLOCATIONS.fetch_add(1, Relaxed);
        }
    }
}

// SAFETY: everything is the system's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[tokio::test]
async fn a_request_allocates_little() {
    IS_TEST.set(true);
    let upstream = upstream();
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("plugins")).unwrap();
    let file = directory.path().join("sluice.toml");
    let text = format!(
        "[server]\nthreads = 1\n[plugins]\ndirectory = \"plugins\"\n\
         [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\nprotocol = \"http\"\n\
         [[route]]\nname = \"all\"\nmatch = {{ path = \"/*\" }}\ncluster = \"up\"\n\
         [[cluster]]\nname = \"up\"\nendpoints = [\"{upstream}\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    let gateway = Gateway::start(Options::new(&file)).await.unwrap();
    let address = gateway.address("public").unwrap();
    let least = tokio::task::spawn_blocking(move || least_of_batches(address)).await.unwrap();
    gateway.shutdown().await;
    println!("{least} allocations in {BATCH} requests");
    assert!(least > 0, "nothing is counted");
    assert!(least <= MOST * BATCH, "a request makes {:.1} allocations", least as f64 / BATCH as f64);
}

/// Whatever else the gateway does now and then isn't in all batches.
fn least_of_batches(address: SocketAddr) -> usize {
    IS_TEST.set(true);
    let mut client = TcpStream::connect(address).unwrap();
    let batch = |client: &mut TcpStream| {
        let before = ALLOCATIONS.load(Relaxed);
        for _ in 0..BATCH {
            let head = "GET /some/path?x=1 HTTP/1.1\r\nhost: test\r\naccept: */*\r\nuser-agent: test/1\r\n\
                accept-encoding: gzip, br\r\naccept-language: en\r\n\r\n";
            client.write_all(head.as_bytes()).unwrap();
            let answer = read_to(client, b"\r\n\r\nok");
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
        }
        ALLOCATIONS.load(Relaxed) - before
    };
    batch(&mut client);
    (0..10).map(|_| batch(&mut client)).min().unwrap()
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
