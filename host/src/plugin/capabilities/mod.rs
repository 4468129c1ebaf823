//! What plugins can be lent: one module for each interface. Each has the same three moments: it is linked
//! once for all (see [`super::wasm::linker`]), its shared state is made when a plugin is configured,
//! and what an instance needs is part of its store. Whether a plugin may import it at all is decided
//! when it is configured, by its grants.

pub(crate) mod clock;
pub(crate) mod crypto;
pub(crate) mod http_client;
pub(crate) mod kv;
pub(crate) mod limiter;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod random;
pub(crate) mod shared;
mod table;
pub(crate) mod wasi;
