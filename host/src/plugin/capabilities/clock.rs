//! Time, for plugins with the grant `clock`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::plugin::wasm::bindings::clock;
use crate::plugin::wasm::guest::Guest;

impl clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.lent.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
