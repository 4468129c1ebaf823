//! What tests are written with: gateways in temporary directories, upstream servers that do as they are told,
//! clients that speak in bytes. Everything is on the loopback device and on ports that the system chooses.

pub mod client;
pub mod collector;
pub mod components;
pub mod frames;
pub mod pebble;
pub mod process;
pub mod raw2;
pub mod redis;
pub mod site;
pub mod upstream;

use std::future::Future;
use std::time::Duration;

/// Long enough for a busy machine. Nothing takes so long unless it is broken.
pub const BROKEN: Duration = Duration::from_secs(30);

/// Wait for something that has to happen.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(BROKEN, future).await {
            Ok(output) => output,
            Err(_) => panic!("what was waited for at {caller} never happened"),
        }
    }
}

/// Ask until it is so, for things that tell nobody when they change.
#[track_caller]
pub fn until(mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    soon(async move {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
}
