//! Tests of the whole gateway, as clients, operators and upstream servers see it.

mod harness;
mod plugins;
