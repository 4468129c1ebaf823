//! Configuration: read, checked and resolved.

pub mod model;
