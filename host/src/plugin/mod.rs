//! Plugins: what they see, what they may do, and what runs them.

pub mod capabilities;
pub mod chain;
pub mod difference;
pub mod edit;
pub mod exchange;
pub mod http_client;
pub mod role;
pub mod wasm;
