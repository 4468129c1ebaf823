//! The schema and the reader are of one mind, as far as a schema can say it.

use serde_json::Value;

use super::reference::whole;
use crate::config::schema::schema;

/// What of `value` doesn't fit, by the few words of JSON Schema that ours has.
fn misfits(schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    for word in schema.as_object().unwrap().keys() {
        let known = [
            "$schema",
            "title",
            "description",
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "anyOf",
            "enum",
            "pattern",
            "minimum",
            "minLength",
            "maxLength",
        ];
        assert!(known.contains(&word.as_str()), "this test doesn't know {word}");
    }
    if let Some(kinds) = schema.get("type") {
        let kinds = kinds.as_array().map_or_else(|| vec![kinds], |kinds| kinds.iter().collect());
        let own = match value {
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::Array(_) => "array",
            _ => "object",
        };
        if !kinds.iter().any(|kind| *kind == own) {
            found.push(format!("{place} is of type {own}"));
            return;
        }
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        found.push(format!("{place} is none of {choices:?}"));
    }
    if let Some(schemas) = schema.get("anyOf").and_then(Value::as_array) {
        let fits = |schema: &Value| {
            let mut wrong = Vec::new();
            misfits(schema, value, place, &mut wrong);
            wrong.is_empty()
        };
        if !schemas.iter().any(fits) {
            found.push(format!("{place} fits nothing"));
        }
    }
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let place = format!("{place}.{key}");
                match (schema.get("properties").and_then(|own| own.get(key)), schema.get("additionalProperties")) {
                    (Some(schema), _) => misfits(schema, value, &place, found),
                    (None, Some(Value::Bool(false))) => found.push(format!("{place} is unknown")),
                    (None, Some(schema)) => misfits(schema, value, &place, found),
                    (None, None) => {}
                }
            }
            for key in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
                if !entries.contains_key(key.as_str().unwrap()) {
                    found.push(format!("{place} has no {key}"));
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter().for_each(|item| misfits(schema, item, &format!("{place}[]"), found));
            }
        }
        _ => {}
    }
}

fn check(text: &str) -> Vec<String> {
    let value: Value = toml::from_str(text).unwrap();
    let mut found = Vec::new();
    misfits(&schema(), &value, "", &mut found);
    found
}

#[test]
fn every_key_of_the_reference_fits_the_schema() {
    assert_eq!(check(&whole()), [] as [String; 0]);
}

#[test]
fn what_is_wrong_does_not_fit() {
    for (text, wrong) in [
        ("[servre]", ".servre is unknown"),
        ("[server]\nthreads = \"four\"", ".server.threads is of type string"),
        ("[[route]]\nname = \"a\"\npluginz = []", ".route[].pluginz is unknown"),
        ("[[plugin]]\nname = \"a\"", ".plugin[] has no \"component\""),
        ("[[plugin]]\nname = \"a\"\ncomponent = \"a\"\non_error = \"opne\"", ".plugin[].on_error is none of"),
        ("[admin]\naddress = \"a:1\"\ntoken = 5", ".admin.token fits nothing"),
    ] {
        let found = check(text);
        assert!(found.len() == 1 && found[0].starts_with(wrong), "{text}: {found:?}");
    }
}
