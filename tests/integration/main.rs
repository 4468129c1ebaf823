//! Tests of the whole gateway, as clients, operators and upstream servers see it.

mod check;
mod destinations;
mod entry;
mod failures;
mod harness;
mod hostile;
mod passing;
mod plugins;
mod readme;
mod reload;
mod repository;
mod strictness;
mod tokens;
