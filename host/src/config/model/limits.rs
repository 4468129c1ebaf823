//! How much clients may take of the gateway.

use std::time::Duration;

/// `limits` of a listener. 0 is no limit; none is what the files that the process may have open make sensible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Open at a time, over all threads.
    pub connections: Option<u64>,
    /// Of one client, open at a time.
    pub per_address: Option<u64>,
    /// Requests on one connection before it is closed.
    pub requests: u64,
}

impl Default for ConnectionLimits {
    /// Nobody asks for so much in one go, but what lives for ever is moved from time to time.
    fn default() -> Self {
        Self { connections: None, per_address: None, requests: 100_000 }
    }
}

/// `[overload]`: when requests are answered 503 before they cost anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    pub memory: MemoryLimit,
    /// Requests at a time, over all listeners; none if they aren't limited.
    pub requests: Option<u64>,
    /// What clients are told to wait.
    pub retry_after: Duration,
}

impl Default for Overload {
    fn default() -> Self {
        Self { memory: MemoryLimit::Share(90), requests: None, retry_after: Duration::from_secs(1) }
    }
}

/// How much memory may be in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// It isn't looked at.
    Off,
    /// Bytes of this process.
    Bytes(u64),
    /// Percent of what the control group, or the machine, has.
    Share(u8),
}
