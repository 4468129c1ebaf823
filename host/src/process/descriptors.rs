//! How many files and sockets the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What was found and made of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// Before.
    pub found: u64,
    /// From now on.
    pub limit: u64,
}

/// How many there may be now; `u64::MAX` if as many as the machine has.
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raise the limit of open files as far as the process may: each connection takes one, and another to its endpoint.
pub fn raise_descriptor_limit() -> Descriptors {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let count = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    let found = count(current);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, limit = found, "the limit of open files can't be raised");
    }
    Descriptors { found, limit: descriptor_limit() }
}
