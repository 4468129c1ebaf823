//! Everything derived from one configuration and one set of components.

pub mod thread;
