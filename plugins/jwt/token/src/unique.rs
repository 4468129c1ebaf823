//! Objects of JSON whose members have different names. Of two with one name readers take either, so what one of them
//! checks another may not see (RFC 7515 section 4, RFC 7519 section 4).

use std::fmt;

use sluice_plugin::prelude::*;
use sluice_plugin::serde::Deserializer;
use sluice_plugin::serde::de::{Error as _, MapAccess, Visitor};
use sluice_plugin::serde_json::{Map, Value};

/// An object without two members of one name.
pub(crate) struct Unique(pub(crate) Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
                let mut all = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if all.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member occurs twice"));
                    }
                }
                Ok(Unique(all))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
