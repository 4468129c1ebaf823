//! Tests of the whole gateway, as clients, operators and upstream servers see it.

mod acme;
mod admin;
mod authoring;
mod check;
mod dashboard;
mod destinations;
mod dev;
mod entry;
mod explain;
mod failures;
mod fleet;
mod harness;
mod hostile;
mod malformed;
mod monitoring;
mod passing;
mod pieces;
mod plugins;
mod readme;
mod reload;
mod repository;
mod strictness;
mod tls;
mod tokens;
mod upstreams;
mod websocket;
