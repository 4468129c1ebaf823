//! The access log: one line for each request. A data thread writes the line into a buffer of its own and
//! never waits; one thread takes the buffers and writes them out. What doesn't fit is dropped and counted.

mod combined;
mod entry;
mod field;
mod file;
mod json;
mod redact;
mod sink;
mod syslog;
mod time;
mod writer;

pub use entry::{Entry, Log, Outcome};
pub use field::Field;
pub use redact::{is_secret_field, is_secret_parameter};
pub use writer::{Lane, Writer};
