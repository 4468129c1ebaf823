//! Edits of JSON bodies. What isn't edited stays byte for byte.

use sluice_plugin::json::{Document, JsonError, Pointer};
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::Value;
use sluice_plugin::template::{Template, TemplateError};

/// What is done to a body, in this order.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub struct Edits(Vec<Edit>);

#[derive(Deserialize)]
#[serde(try_from = "Written")]
enum Edit {
    Set(Pointer, New),
    Remove(Pointer),
    Move(Pointer, Pointer),
}

/// A value to put in.
enum New {
    Text(Template),
    /// As JSON.
    Fixed(String),
}

/// An edit as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    set: Option<Pointer>,
    value: Option<Value>,
    remove: Option<Pointer>,
    r#move: Option<Pointer>,
    to: Option<Pointer>,
}

impl TryFrom<Written> for Edit {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written { set: Some(pointer), value: Some(value), remove: None, r#move: None, to: None } => {
                Ok(Self::Set(pointer, New::read(value).map_err(|error| error.to_string())?))
            }
            Written { set: None, value: None, remove: Some(pointer), r#move: None, to: None } => {
                Ok(Self::Remove(pointer))
            }
            Written { set: None, value: None, remove: None, r#move: Some(from), to: Some(to) } => {
                Ok(Self::Move(from, to))
            }
            _ => {
                let forms = "{ set = \"…\", value = … }, { remove = \"…\" } or { move = \"…\", to = \"…\" }";
                Err(format!("an edit is one of {forms}"))
            }
        }
    }
}

impl New {
    fn read(value: Value) -> Result<Self, TemplateError> {
        match value {
            Value::String(text) => Template::parse(&text).map(Self::Text),
            other => Ok(Self::Fixed(other.to_string())),
        }
    }

    /// As JSON; none if a variable is missing.
    fn render(&self, request: &Request, exchange: &Exchange) -> Option<String> {
        match self {
            Self::Text(template) => template.render(request, exchange).ok().map(|text| Value::String(text).to_string()),
            Self::Fixed(json) => Some(json.clone()),
        }
    }
}

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The edited body; none if it is empty or nothing changes.
    ///
    /// # Errors
    /// It isn't JSON, or an edit can't be made.
    pub fn apply(&self, body: &[u8], request: &Request, exchange: &Exchange) -> Result<Option<Vec<u8>>, JsonError> {
        if body.is_empty() {
            return Ok(None);
        }
        let mut document = Document::parse(body)?;
        for edit in &self.0 {
            match edit {
                Edit::Set(pointer, new) => {
                    if let Some(value) = new.render(request, exchange) {
                        document.set(pointer, &value)?;
                    }
                }
                Edit::Remove(pointer) => {
                    document.remove(pointer)?;
                }
                Edit::Move(from, to) => {
                    if let Some(value) = document.find(from)?.map(str::to_owned) {
                        document.remove(from)?;
                        document.set(to, &value)?;
                    }
                }
            }
        }
        let edited = document.into_text().into_bytes();
        Ok((edited != body).then_some(edited))
    }
}
