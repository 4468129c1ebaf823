//! Randomness from the operating system, for plugins with the grant `random`. Never seeded, never
//! kept: an instance that starts from a snapshot gets as good bytes as any other.

use crate::plugin::wasm::bindings::random;
use crate::plugin::wasm::guest::Guest;

/// The most bytes in one call.
const MOST: u32 = 4096;

impl random::Host for Guest {
    fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        wasmtime::ensure!(len <= MOST, "`random.bytes` gives at most {MOST} bytes, not {len}");
        let mut bytes = vec![0; len as usize];
        getrandom::fill(&mut bytes).map_err(|error| wasmtime::format_err!("no randomness to be had: {error}"))?;
        Ok(bytes)
    }
}
