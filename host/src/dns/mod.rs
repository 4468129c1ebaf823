//! Asks DNS for addresses and services: a stub resolver (RFC 1034, section 5.3.1) over UDP, and over TCP what doesn't
//! fit. It remembers nothing: whoever asks gets the time to live, and decides. What this machine knows by itself
//! (`/etc/hosts`) isn't asked for, unless other servers than the system's are wanted.

mod client;
mod hosts;
mod message;
mod name;
mod resolver;
mod system;
#[cfg(test)]
pub(crate) mod tests;

pub use name::Name;
pub use resolver::{Addresses, Found, Resolver, Service};

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// NXDOMAIN.
    #[error("there is no such name")]
    NoSuchName,
    /// The name has no records of the kind.
    #[error("the name has no such records")]
    Empty,
    #[error("no server answers in time")]
    Timeout,
    #[error("no server can be reached")]
    Unreachable,
    /// With the code of the answer (RFC 1035, section 4.1.1), such as 2 for SERVFAIL.
    #[error("the server fails, with code {0}")]
    Failed(u8),
    #[error("the server's answer is malformed")]
    Malformed,
}

impl DnsError {
    /// As metrics have it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NoSuchName => "no-such-name",
            Self::Empty => "empty",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Failed(_) => "failed",
            Self::Malformed => "malformed",
        }
    }

    /// Whether the servers have answered, and there is nothing.
    pub fn is_negative(self) -> bool {
        matches!(self, Self::NoSuchName | Self::Empty)
    }
}
