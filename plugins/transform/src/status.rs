//! Replacements of statuses.

use std::collections::BTreeMap;

use serde::de::{self, Deserializer};
use sluice_plugin::prelude::*;

/// From exact statuses, or from a class of them, to others.
#[derive(Default)]
pub struct Statuses {
    exact: BTreeMap<u16, u16>,
    /// By the first digit.
    classes: BTreeMap<u16, u16>,
}

impl Statuses {
    /// What stands for `status`, if it is replaced.
    pub fn replacement(&self, status: u16) -> Option<u16> {
        self.exact.get(&status).or_else(|| self.classes.get(&(status / 100))).copied()
    }

    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.classes.is_empty()
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut statuses = Self::default();
        for (from, to) in BTreeMap::<String, u16>::deserialize(deserializer)? {
            if !(200..=599).contains(&to) {
                return Err(de::Error::custom(format_args!("{to}, for {from}, isn't within 200 and 599")));
            }
            let class =
                from.strip_suffix("xx").and_then(|digit| digit.parse().ok()).filter(|class| (2..=5).contains(class));
            let exact = from.parse().ok().filter(|status| (200..=599).contains(status));
            match (class, exact) {
                (Some(class), _) => statuses.classes.insert(class, to),
                (None, Some(exact)) => statuses.exact.insert(exact, to),
                (None, None) => {
                    let what = "is no status to replace; write it like \"404\" or \"5xx\"";
                    return Err(de::Error::custom(format_args!("`{from}` {what}")));
                }
            };
        }
        Ok(statuses)
    }
}
