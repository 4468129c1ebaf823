//! Edits of header fields.

use std::collections::BTreeMap;

use sluice_plugin::prelude::*;
use sluice_plugin::template::Template;
use sluice_plugin::{EditError, Field};

/// What is done to the fields of a head, in this order.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct FieldEdits {
    /// From old to new name.
    rename: BTreeMap<String, String>,
    remove: Vec<String>,
    set: BTreeMap<String, Template>,
    append: BTreeMap<String, Template>,
}

/// A head that can be edited: a request's or an answer's.
pub trait Head {
    fn values(&self, name: &str) -> Vec<Vec<u8>>;
    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), EditError>;
    fn append(&mut self, name: &str, value: &[u8]) -> Result<(), EditError>;
    fn remove(&mut self, name: &str) -> Result<(), EditError>;
}

/// An edit that the gateway refused.
pub struct Refused {
    pub name: String,
    pub why: EditError,
}

/// The values that `set` and `append` put in, rendered.
pub struct Values<'a> {
    set: Vec<(&'a str, String)>,
    append: Vec<(&'a str, String)>,
}

impl FieldEdits {
    /// Find names that no field can have, and fields that are the gateway's, before a request does.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self, at: &str) -> Result<()> {
        let renamed = self.rename.iter().flat_map(|(old, new)| [("rename", old), ("rename", new)]);
        let removed = self.remove.iter().map(|name| ("remove", name));
        let set = self.set.keys().map(|name| ("set", name));
        let appended = self.append.keys().map(|name| ("append", name));
        for (edit, name) in renamed.chain(removed).chain(set).chain(appended) {
            let key = format!("{at}.{edit}");
            if !Field::is_name(name) {
                return Err(Error::at(key, format_args!("`{name}` is no field name")));
            }
            if Field::is_gateway_owned(name) {
                return Err(Error::at(key, format_args!("the field `{name}` is the gateway's own")));
            }
        }
        Ok(())
    }

    /// The values to put in. A field whose template lacks a variable is left out.
    pub fn values(&self, request: &Request, exchange: &Exchange) -> Values<'_> {
        Values { set: render(&self.set, request, exchange), append: render(&self.append, request, exchange) }
    }

    /// Make the edits.
    ///
    /// # Errors
    /// The first that is refused; later ones aren't made.
    pub fn apply(&self, head: &mut impl Head, values: Values<'_>) -> Result<(), Refused> {
        for (old, new) in &self.rename {
            let moved = head.values(old);
            head.remove(old).map_err(refused(old))?;
            for value in moved {
                head.append(new, &value).map_err(refused(new))?;
            }
        }
        for name in &self.remove {
            head.remove(name).map_err(refused(name))?;
        }
        for (name, value) in values.set {
            head.set(name, value.as_bytes()).map_err(refused(name))?;
        }
        for (name, value) in values.append {
            head.append(name, value.as_bytes()).map_err(refused(name))?;
        }
        Ok(())
    }
}

fn render<'a>(
    templates: &'a BTreeMap<String, Template>,
    request: &Request,
    exchange: &Exchange,
) -> Vec<(&'a str, String)> {
    let rendered =
        |(name, value): (&'a String, &Template)| Some((name.as_str(), value.render(request, exchange).ok()?));
    templates.iter().filter_map(rendered).collect()
}

fn refused(name: &str) -> impl FnOnce(EditError) -> Refused {
    move |why| Refused { name: name.to_owned(), why }
}

macro_rules! head {
    ($message:ty) => {
        impl Head for $message {
            fn values(&self, name: &str) -> Vec<Vec<u8>> {
                self.header_values(name)
            }

            fn set(&mut self, name: &str, value: &[u8]) -> Result<(), EditError> {
                self.set_header(name, value)
            }

            fn append(&mut self, name: &str, value: &[u8]) -> Result<(), EditError> {
                self.append_header(name, value)
            }

            fn remove(&mut self, name: &str) -> Result<(), EditError> {
                self.remove_header(name)
            }
        }
    };
}

head!(Request);
head!(Response);
