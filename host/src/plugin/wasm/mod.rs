//! Plugins that are WebAssembly components: the implementation of [`super::role`] on wasmtime.
//!
//! From a file to a call: [`PluginHost::load`] checks, compiles and links a component ([`compile`]);
//! [`PluginHost::configure`] proves it as a plugin with one instance ([`factory`]); each thread has a pool
//! of instances ([`pool`], [`stock`]) in which hooks are called ([`thread`]). A guest sees the exchange by handles
//! ([`handles`]) and nothing of the gateway but what it was lent ([`super::capabilities`]).

pub(crate) mod bindings;
mod cache;
pub mod child;
mod compile;
mod component;
mod engine;
mod error;
mod factory;
pub(crate) mod guest;
mod handles;
mod host;
mod image;
mod inspect;
mod instance;
mod lift;
pub(crate) mod linker;
mod meter;
mod pick;
mod pool;
mod stock;
mod thread;
mod unavailable;

pub use component::Component;
pub use error::{ConfigureError, HostError, LoadError, PACKAGE, VERSION};
pub use host::{Options, PluginHost};
pub use inspect::{Inspection, Kind, MAX_BYTES, inspect};

#[cfg(test)]
mod tests;
