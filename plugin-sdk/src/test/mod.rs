//! A test double of the gateway, so that a plugin's hooks run in `cargo test` without Wasm. Only on native
//! targets.
//!
//! [`MockHost`] lends the capabilities and lets a test program them; [`TestExchange`] is one request and its
//! answer; [`TestPlugin`] runs the hooks. Edits, answers and limits are judged by the gateway's rules as far as
//! a plugin can meet them; grants aren't (everything is lent).
//!
//! ```
//! use sluice_plugin::prelude::*;
//! use sluice_plugin::test::{MockHost, TestExchange};
//!
//! struct Stamp;
//!
//! impl Plugin for Stamp {
//!     type Config = sluice_plugin::config::Empty;
//!     fn configure(_: Self::Config) -> Result<Self> {
//!         Ok(Self)
//!     }
//! }
//!
//! impl OnRequest for Stamp {
//!     fn on_request(&self, request: &mut Request, exchange: &Exchange) -> Result<Decision> {
//!         let seconds = sluice_plugin::clock::now().as_secs();
//!         request.set_header("x-stamp", format!("{} {seconds}", exchange.client_address()))?;
//!         Ok(Decision::Continue)
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let host = MockHost::new();
//! host.set_time(std::time::Duration::from_secs(1_000));
//! let plugin = host.configure::<Stamp>(json!({}))?;
//! let exchange = TestExchange::get("/users/7").client_address("192.0.2.7");
//! assert_eq!(plugin.on_request(&exchange)?, Decision::Continue);
//! assert_eq!(exchange.request_header("x-stamp").as_deref(), Some("192.0.2.7 1000"));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "crypto")]
mod crypto;
mod edit;
mod exchange;
mod host;
mod limiter;
mod pick;
mod plugin;
mod store;
pub(crate) mod sys;

pub use exchange::TestExchange;
pub use host::MockHost;
pub use pick::TestPick;
pub use plugin::TestPlugin;
