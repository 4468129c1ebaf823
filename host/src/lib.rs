//! Sluice: an API gateway and load balancer whose policy is WebAssembly.

pub mod acme;
pub mod admin;
pub mod balance;
pub mod body;
pub mod config;
pub mod dns;
pub mod error;
pub mod fields;
pub mod gateway;
pub mod io;
mod outbound;
pub mod overload;
pub mod plugin;
pub mod process;
pub mod proxy;
pub mod proxy_protocol;
pub mod reload;
pub mod route;
pub mod server;
pub mod snapshot;
pub mod state;
pub mod tcp;
pub mod telemetry;
pub mod tls;
pub mod upstream;
