//! Why a plugin host, a component or a plugin can't be made. The texts are for the operator: what is
//! wrong, and what to do.

use std::path::PathBuf;

use crate::config::model::Capability;
use crate::plugin::role::Hooks;

/// The WIT package that this host speaks.
pub const PACKAGE: &str = "sluice:plugin";
/// Its version.
pub const VERSION: &str = "0.1.0";

/// The plugin host can't be made.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("the WebAssembly engine doesn't start: {0}")]
    Engine(String),
    #[error("can't start a thread: {0}")]
    Thread(#[source] std::io::Error),
    #[error("the cache directory {path:?} can't be used: {reason}")]
    Cache { path: PathBuf, reason: String },
}

/// The bytes of a file aren't a plugin's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("is empty; is it still being copied?")]
    Empty,
    #[error("has {size} bytes; {limit} are the most")]
    TooLarge { size: usize, limit: usize },
    #[error("is no WebAssembly: it must begin with the bytes 00 61 73 6d{hint}")]
    NotWasm { hint: &'static str },
    #[error("is broken or cut short: {0}")]
    Malformed(String),
    #[error(
        "is a core module without a component type; build it with bindings for the WIT package `{PACKAGE}`, or turn it \
         into a component with `wasm-tools component new`"
    )]
    NoComponentType,
    #[error(
        "is a core module that imports `{0}`; build it for `wasm32-unknown-unknown` or `wasm32-wasip2`, or turn it into \
         a component with `wasm-tools component new --adapt`"
    )]
    NeedsAdapter(String),
    #[error("can't be turned into a component: {0}")]
    Encode(String),
    #[error("has {count} {what}; {limit} are the most")]
    TooComplex { what: &'static str, count: u64, limit: u64 },
    #[error(
        "was built for version {found} of `{PACKAGE}` (`{name}`); this gateway speaks {VERSION}: build it against that \
         version"
    )]
    Version { name: String, found: String },
    #[error("exports no hook; a plugin exports at least one of {}", hook_names())]
    NoHook,
    #[error(
        "imports `{0}`, which this gateway doesn't have; plugins may import `{PACKAGE}@{VERSION}` and WASI 0.2 without \
         files, sockets and HTTP"
    )]
    UnknownImport(String),
    #[error("doesn't fit its interfaces: {0}")]
    Interface(String),
    #[error("takes longer than {} s to compile", .limit.as_secs())]
    TooSlow { limit: std::time::Duration },
    #[error("doesn't compile: {0}")]
    Compile(String),
}

/// A component can't serve as the plugin that the configuration makes of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigureError {
    #[error(
        "imports `{}`, which isn't granted; to grant it, add `grants = [{}]`", .capability.name(),
        .capability.grant(&["CLUSTER"])
    )]
    NotGranted { capability: Capability },
    #[error("takes no configuration (it doesn't export `lifecycle`); remove the key `config`")]
    TakesNoConfiguration,
    #[error("needs {needed} of memory to start; `limits.memory` allows {allowed}: raise it")]
    Memory { needed: String, allowed: String },
    #[error("needs tables with {needed} elements to start; `limits.tables` allows {allowed}: raise it")]
    Tables { needed: usize, allowed: usize },
    #[error("refuses its configuration: {0}")]
    Refused(String),
    #[error("took longer than `limits.configure` to take its configuration")]
    Time,
    #[error("failed while it started or took its configuration: {0}")]
    Failed(String),
}

fn hook_names() -> String {
    let names: Vec<String> = Hooks::ALL.iter().map(|(_, name)| format!("`{name}`")).collect();
    names.join(", ")
}
