//! What the examples and their tests play on: processes that end with their owner, copies of configurations on free
//! ports, an HTTP client, and a steady load that counts.
//!
//! Everything here sees the gateway from outside, as its users do; it never uses the gateway's own code, and
//! never writes into the repository.

pub mod client;
pub mod copy;
pub mod load;
pub mod process;

pub use client::{Answer, Client};
pub use copy::Copy;
pub use load::{Load, Plan, Tally};
pub use process::Process;

use std::time::Duration;

/// How long anything may take that should take no time, on a busy machine (a first start compiles every plugin, at
/// low priority): whoever waits longer gives up, and says what for.
pub const PATIENCE: Duration = Duration::from_secs(120);
