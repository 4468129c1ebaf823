//! Values that may be secret: `{ env = "X" }` and `{ file = "…" }` filled in, TOML made JSON. What
//! is wrong is said by the name of the variable or file, never by a value.

use serde_json::{Map, Number, Value};
use toml::de::{DeTable, DeValue};

use super::document::Node;
use super::files::Surroundings;
use super::problem::{Fault, quote};

/// Bound of a `{ file = "…" }` value in bytes.
const LARGEST: u64 = 1 << 20;

/// A string, or a reference to one.
pub(super) fn text(node: Node<'_>, surroundings: &Surroundings<'_>) -> Result<String, Fault> {
    if let DeValue::Table(table) = node.value
        && let Some(reference) = reference(table)
    {
        return reference.fetch(surroundings);
    }
    let expected = || {
        Fault::new(
            format!("expected a string, {{ env = \"…\" }} or {{ file = \"…\" }}, found {}", node.kind()),
            "write the value in quotes, or say where it is kept",
        )
    };
    node.text().map(str::to_owned).ok_or_else(expected)
}

/// A table as JSON text, with references filled in at any depth below it. Each fault goes to `report`.
pub(super) fn json<'a>(
    node: Node<'a>,
    surroundings: &Surroundings<'_>,
    report: &mut dyn FnMut(Node<'a>, Fault),
) -> Option<String> {
    let mut faults = 0;
    let mut counted = |node: Node<'a>, fault: Fault| {
        faults += 1;
        report(node, fault);
    };
    let value = match node.value {
        // The table itself is never a reference, though it may have one key named "file".
        DeValue::Table(table) => object(table, node, surroundings, &mut counted),
        _ => {
            let message = format!("expected a table, found {}", node.kind());
            counted(node, Fault::new(message, "write config = { key = value }"));
            Value::Null
        }
    };
    (faults == 0).then(|| value.to_string())
}

fn object<'a>(
    table: &'a DeTable<'a>,
    node: Node<'a>,
    surroundings: &Surroundings<'_>,
    report: &mut dyn FnMut(Node<'a>, Fault),
) -> Value {
    let entries = table.iter().map(|(key, inner)| {
        let name: &str = key.get_ref();
        (name.to_owned(), convert(Node::new(inner, node.source()), surroundings, report))
    });
    Value::Object(entries.collect::<Map<_, _>>())
}

/// The parser bounds how deep values nest.
fn convert<'a>(node: Node<'a>, surroundings: &Surroundings<'_>, report: &mut dyn FnMut(Node<'a>, Fault)) -> Value {
    let number = |number: Option<Number>| number.map(Value::Number);
    let converted = match node.value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Boolean(value) => Some(Value::Bool(*value)),
        DeValue::Datetime(value) => Some(Value::String(value.to_string())),
        DeValue::Integer(written) => {
            number(i64::from_str_radix(written.as_str(), written.radix()).ok().map(Number::from))
        }
        DeValue::Float(written) => number(written.as_str().parse().ok().and_then(Number::from_f64)),
        DeValue::Array(_) => {
            node.items().map(|items| Value::Array(items.map(|item| convert(item, surroundings, report)).collect()))
        }
        DeValue::Table(table) => match reference(table) {
            None => Some(object(table, node, surroundings, report)),
            Some(reference) => match reference.fetch(surroundings) {
                Ok(text) => Some(Value::String(text)),
                Err(fault) => {
                    report(node, fault);
                    return Value::Null;
                }
            },
        },
    };
    converted.unwrap_or_else(|| {
        report(node, Fault::new("holds a number that JSON can't express", "write a finite number of at most 64 bits"));
        Value::Null
    })
}

/// Where a value is kept.
enum Reference<'a> {
    Environment(&'a str),
    File(&'a str),
}

/// A table with exactly one key, `env` or `file`, that is a string.
fn reference<'a>(table: &'a DeTable<'a>) -> Option<Reference<'a>> {
    let mut entries = table.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else { return None };
    let DeValue::String(target) = value.get_ref() else { return None };
    match key.get_ref().as_ref() {
        "env" => Some(Reference::Environment(target)),
        "file" => Some(Reference::File(target)),
        _ => None,
    }
}

impl Reference<'_> {
    fn fetch(&self, surroundings: &Surroundings<'_>) -> Result<String, Fault> {
        match self {
            Self::Environment(name) => (surroundings.environment)(name).ok_or_else(|| {
                Fault::new(
                    format!("the environment variable {} isn't set", quote(name)),
                    "set it before starting, or name another",
                )
            }),
            Self::File(name) => {
                let path = surroundings.base.join(name);
                let mut text = surroundings.read(&path, LARGEST).map_err(|reason| {
                    Fault::new(
                        format!("the file {} {reason}", quote(&path.to_string_lossy())),
                        "relative paths start at the directory of the main configuration file",
                    )
                })?;
                // One line end, as editors and `echo` leave it.
                if text.ends_with('\n') {
                    text.pop();
                    if text.ends_with('\r') {
                        text.pop();
                    }
                }
                Ok(text)
            }
        }
    }
}
