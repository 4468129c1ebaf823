//! From a changed file to a published snapshot: watch, load, check, build, publish.

mod build;
mod certificates;
mod changes;
mod choose;
mod components;
mod controller;
mod discovery;
pub mod lastgood;
pub mod load;
mod report;
pub mod settle;
pub mod watch;

pub use build::{Builder, Built, Prepare, StartError};
pub use controller::{Controller, Request};
pub use discovery::Discovery;
