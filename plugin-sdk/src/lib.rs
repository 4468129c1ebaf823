//! Write plugins for the Sluice gateway.
//!
//! A plugin is a type that implements [`Plugin`] and one trait for each *hook* it serves; one line
//! exports it. What is exported is what the gateway calls, and nothing else.
//!
//! ```
//! use sluice_plugin::prelude::*;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// Who may come in.
//!     subjects: Vec<String>,
//! }
//!
//! struct Guests(Config);
//!
//! impl Plugin for Guests {
//!     type Config = Config;
//!
//!     fn configure(config: Config) -> Result<Self> {
//!         if config.subjects.is_empty() {
//!             return Err(Error::at("subjects", "name at least one"));
//!         }
//!         Ok(Self(config))
//!     }
//! }
//!
//! impl Authorize for Guests {
//!     fn authorize(&self, request: &mut Request, _: &Exchange, identity: Option<&Identity>) -> Result<Authorization> {
//!         let invited = identity.is_some_and(|identity| self.0.subjects.contains(&identity.subject));
//!         if invited || request.method() == "GET" {
//!             return Ok(Authorization::Allowed);
//!         }
//!         Ok(Authorization::Denied(LocalResponse::problem(403, "You may look but not touch")))
//!     }
//! }
//!
//! sluice_plugin::export!(Guests: Authorize);
//!
//! # fn main() -> Result<()> {
//! // Natively, the same code runs against a test double.
//! use sluice_plugin::test::{MockHost, TestExchange};
//!
//! let plugin = MockHost::new().configure::<Guests>(json!({ "subjects": ["alice"] }))?;
//! let exchange = TestExchange::new("DELETE", "/users/7");
//! let Authorization::Denied(answer) = plugin.authorize(&exchange, None)? else { panic!("allowed") };
//! assert_eq!(answer.status, 403);
//! # Ok(())
//! # }
//! ```
//!
//! Build it with `cargo build --target wasm32-unknown-unknown` as a `cdylib`: the file is what the
//! gateway's plugin directory takes.
//!
//! # Rules
//! - An instance serves many exchanges, and an exchange may meet several instances: keep nothing about an
//!   exchange in `self`. [`Exchange::set_state`] keeps it for you.
//! - An [`Error`] is a failure of the plugin, which the route's `on_error` decides about. What the *client* did
//!   wrong is a decision: answer with a [`LocalResponse`].
//! - A panic ends the instance and costs that exchange a 503; its message is in the gateway's log.
//! - Capabilities ([`clock`], [`random`], [`kv`], [`limiter`], [`metrics`], [`http`], and `crypto`, whose test double
//!   needs this crate's feature of that name) have to be granted in the gateway's configuration; using one
//!   imports it. [`log`] needs no grant.

#![warn(missing_docs)]

// The guest's, whose test is native.
#[cfg(all(test, not(target_family = "wasm")))]
#[path = "wasm/alloc.rs"]
mod alloc;
mod balance;
mod body;
pub mod clock;
pub mod config;
#[cfg(any(feature = "crypto", target_family = "wasm"))]
pub mod crypto;
mod decision;
pub mod encode;
mod error;
mod exchange;
mod export;
mod field;
pub mod http;
mod identity;
pub mod json;
pub mod kv;
pub mod limiter;
mod local_response;
pub mod log;
mod message;
pub mod metrics;
mod plugin;
pub mod random;
pub mod template;
#[cfg(not(target_family = "wasm"))]
pub mod test;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod wasm;

pub use balance::{Endpoint, Endpoints, PickContext};
pub use body::{Body, Chunk};
pub use decision::{Authentication, Authorization, BodyDecision, Decision, Quota, Verdict};
pub use error::{EditError, Error, Result};
pub use exchange::Exchange;
pub use field::Field;
pub use identity::Identity;
pub use local_response::LocalResponse;
pub use message::{Origin, Request, Response};
pub use plugin::{
    Aggregate, Authenticate, Authorize, Balance, OnRequest, OnRequestBody, OnRequestChunk, OnResponse, OnResponseBody,
    OnResponseChunk, Plugin, RateLimit,
};
pub use serde;
pub use serde_json;

/// What most plugins use. `use sluice_plugin::prelude::*;`
pub mod prelude {
    pub use crate::{
        Aggregate, Authenticate, Authentication, Authorization, Authorize, Balance, Body, BodyDecision, Chunk,
        Decision, Endpoint, Endpoints, Error, Exchange, Identity, LocalResponse, OnRequest, OnRequestBody,
        OnRequestChunk, OnResponse, OnResponseBody, OnResponseChunk, Origin, PickContext, Plugin, Quota, RateLimit,
        Request, Response, Result, Verdict, log,
    };
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;
}

/// What stands behind the handles and capabilities: the gateway, or natively the test double.
#[cfg(not(target_family = "wasm"))]
use test::sys;
#[cfg(target_family = "wasm")]
use wasm::sys;

/// Whole milliseconds, as many as fit.
fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
