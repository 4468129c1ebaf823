//! Endpoints that are slow or fail when told to, in this process: what they get is counted where it arrives.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

/// An HTTP/1.1 server with a thread for each connection.
pub struct Endpoint {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Microseconds that an answer takes.
    delay: AtomicU64,
    failing: AtomicBool,
    requests: AtomicU64,
    ended: AtomicBool,
}

impl Endpoint {
    /// Serve at a free port.
    ///
    /// # Errors
    /// There is none.
    pub fn start(delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port for an endpoint")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        shared.delay.store(delay.as_micros().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if of_thread.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&of_thread);
                // A connection that breaks is its peer's matter.
                std::thread::spawn(move || shared.serve(&connection));
            }
        });
        Ok(Self { port, shared })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Answer 503 from now on, or no longer.
    pub fn fail(&self, failing: bool) {
        self.shared.failing.store(failing, Ordering::Relaxed);
    }

    /// How many requests have come since this was asked last.
    pub fn take_requests(&self) -> u64 {
        self.shared.requests.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes up the one who accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn serve(&self, connection: &TcpStream) -> Option<()> {
        connection.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(connection);
        let mut line = Vec::new();
        loop {
            // The head of a request without a body ends at the first empty line.
            loop {
                line.clear();
                if reader.read_until(b'\n', &mut line).ok()? == 0 {
                    return None;
                }
                if line == b"\r\n" {
                    break;
                }
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_micros(self.delay.load(Ordering::Relaxed)));
            let status = if self.failing.load(Ordering::Relaxed) { "503 Service Unavailable" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
            (&mut &*connection).write_all(answer.as_bytes()).ok()?;
        }
    }
}
