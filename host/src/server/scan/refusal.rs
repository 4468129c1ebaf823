//! What is known of a request that isn't accepted.

use http::{Method, Request};

use crate::error::Error;
use crate::fields::is_grpc;

/// The longest text of a request line that is kept for the log.
const MAX_SHOWN: usize = 256;

/// A request whose head isn't accepted.
#[derive(Debug)]
pub struct Refusal {
    pub error: Error,
    pub method: Method,
    /// Printable, and cut if it is long; empty if there is none.
    pub path: String,
    /// A call of gRPC, as far as its head could be read.
    pub grpc: bool,
}

impl Refusal {
    /// With what can be made out of a head that is known to be bad.
    pub(in crate::server) fn new(error: Error, head: &[u8]) -> Self {
        let line = head.trim_ascii_start().split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ');
        let method = words.next().filter(|word| word.len() <= 32).and_then(|word| Method::from_bytes(word).ok());
        // Without the query, which may hold secrets.
        let path = words.next().unwrap_or_default().split(|byte| *byte == b'?').next().unwrap_or_default();
        Self { error, method: method.unwrap_or_default(), path: shown(path), grpc: false }
    }

    /// Of a request that could be read.
    pub(in crate::server) fn of<B>(error: Error, request: &Request<B>) -> Self {
        let (method, path) = (request.method().clone(), shown(request.uri().path().as_bytes()));
        Self { error, method, path, grpc: is_grpc(request.headers()) }
    }
}

fn shown(path: &[u8]) -> String {
    path.get(..MAX_SHOWN).unwrap_or(path).escape_ascii().to_string()
}
