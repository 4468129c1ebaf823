//! One request and its answer: what is known of it besides its messages.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{EditError, Identity, Result, sys};

/// One request and its answer: what is known of it besides its messages.
///
/// Its state is the gateway's, so that it can be written through a shared reference.
pub struct Exchange(pub(crate) sys::Exchange);

impl Exchange {
    /// Unique for each request; also in the log and in the `x-request-id` field upstream.
    pub fn id(&self) -> String {
        self.0.id()
    }

    /// The name of the route that matched.
    pub fn route(&self) -> String {
        self.0.route()
    }

    /// The name of the listener that accepted the connection.
    pub fn listener(&self) -> String {
        self.0.listener()
    }

    /// The client's IP address, `192.0.2.7` or `2001:db8::7`. From a trusted proxy this is the
    /// address it forwarded.
    pub fn client_address(&self) -> String {
        self.0.client_address()
    }

    /// The identity that an authenticator found earlier in this chain.
    pub fn identity(&self) -> Option<Identity> {
        self.0.identity()
    }

    /// What this plugin stored with [`set_state`](Self::set_state) in an earlier hook of the same exchange; empty at
    /// first.
    pub fn state(&self) -> Vec<u8> {
        self.0.state()
    }

    /// Keep up to 64 KiB for this plugin's later hooks of the same exchange.
    ///
    /// # Errors
    /// [`EditError::TooLarge`]
    pub fn set_state(&self, state: &[u8]) -> Result<(), EditError> {
        self.0.set_state(state)
    }

    /// The state as [`set_state_json`](Self::set_state_json) stored it; none if nothing was.
    ///
    /// # Errors
    /// What was stored isn't of this type.
    pub fn state_json<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let state = self.state();
        if state.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_slice(&state)?)) }
    }

    /// Keep a value for this plugin's later hooks of the same exchange.
    ///
    /// # Errors
    /// It doesn't serialize, or to more than 64 KiB.
    pub fn set_state_json(&self, state: &impl Serialize) -> Result<()> {
        Ok(self.set_state(&serde_json::to_vec(state)?)?)
    }

    /// An attribute that a plugin of this chain published, as `plugin-name.attribute-name`.
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.0.attribute(name)
    }

    /// Publish an attribute for later plugins: `set_attribute("tier", "gold")` of a plugin
    /// configured as `keys` is read as `keys.tier`. At most 32 for an exchange, 1 KiB each.
    ///
    /// # Errors
    /// The name isn't made of letters, digits, `-`, `_` and `.`, or a bound is exceeded.
    pub fn set_attribute(&self, name: &str, value: &str) -> Result<(), EditError> {
        self.0.set_attribute(name, value)
    }
}
