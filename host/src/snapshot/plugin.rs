//! A plugin as a snapshot holds it: what makes its threads' parts, and what it was made of.

use std::sync::Arc;

use crate::config::model::{IdentityFields, Plugin};
use crate::plugin::role::{Hooks, PluginFactory};
use crate::plugin::wasm::Component;

/// One plugin of a snapshot.
pub struct PluginEntry {
    pub factory: Arc<dyn PluginFactory>,
    pub configured: Plugin,
    /// The identity fields that it can't write.
    pub identity: IdentityFields,
    /// None if there is no version that works; then all its calls fail.
    pub component: Option<Arc<Component>>,
}

impl PluginEntry {
    /// SHA-256 of the file in hexadecimal.
    pub fn digest(&self) -> Option<&str> {
        self.component.as_ref().map(|component| component.inspection().digest.as_str())
    }

    /// The hooks that it has; none if they aren't known.
    pub fn hooks(&self) -> Option<Hooks> {
        self.component.as_ref().map(|component| component.inspection().hooks)
    }

    /// Whether it would be the same if it were made anew of a file with that digest.
    pub fn is_same(&self, digest: &str, configured: &Plugin, identity: &IdentityFields) -> bool {
        self.digest() == Some(digest) && self.is_configured_as(configured) && self.identity == *identity
    }

    /// Whether it was configured the same, wherever that was written.
    pub fn is_configured_as(&self, configured: &Plugin) -> bool {
        let Plugin { name, component, config, has_config, grants, limits, isolation, on_error, state, place: _ } =
            configured;
        let own = &self.configured;
        (name, component, config, has_config) == (&own.name, &own.component, &own.config, &own.has_config)
            && (grants, limits, isolation, on_error) == (&own.grants, &own.limits, &own.isolation, &own.on_error)
            && *state == own.state
    }
}

impl std::fmt::Debug for PluginEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.configured.name;
        f.debug_struct("PluginEntry").field("name", name).field("digest", &self.digest()).finish_non_exhaustive()
    }
}
