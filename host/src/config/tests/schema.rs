//! The schema and the reader are of one mind, as far as a schema can say it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::reference::whole;
use crate::config::schema::schema;
use crate::config::written::keys;

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
            "maximum",
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
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::Array(_) => "array",
            _ => "object",
        };
        // An integer is a number too.
        if !kinds.iter().any(|kind| *kind == own || (*kind == "number" && own == "integer")) {
            found.push(format!("{place} is of type {own}"));
            return;
        }
    }
    let outside = |number: i64| {
        let bound = |word: &str| schema.get(word).and_then(Value::as_i64);
        bound("minimum").is_some_and(|least| number < least) || bound("maximum").is_some_and(|most| number > most)
    };
    if value.as_i64().is_some_and(outside) {
        found.push(format!("{place} is out of bounds"));
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

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// What of a configuration file doesn't fit the schema.
pub(super) fn check(text: &str) -> Vec<String> {
    let value: Value = toml::from_str(text).unwrap();
    let mut found = Vec::new();
    misfits(&SCHEMA, &value, "", &mut found);
    found
}

/// The keys of every table in a schema.
fn tables(schema: &Value, found: &mut Vec<BTreeSet<String>>) {
    match schema {
        Value::Object(words) => {
            if let Some(properties) = words.get("properties").and_then(Value::as_object) {
                found.push(properties.keys().cloned().collect());
            }
            words.values().for_each(|inner| tables(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| tables(inner, found)),
        _ => {}
    }
}

#[test]
fn the_schema_has_the_tables_and_keys_of_the_reader() {
    let mut described = Vec::new();
    tables(&SCHEMA, &mut described);
    let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<String>>();
    for (name, keys) in keys::ALL {
        assert!(described.contains(&set(keys.known)), "the schema has no table with the keys of {name}");
    }
    let read = |keys: &BTreeSet<String>| keys::ALL.iter().any(|(_, known)| set(known.known) == *keys);
    for keys in described {
        let refers = keys == set(&["env"]) || keys == set(&["file"]);
        assert!(refers || read(&keys), "no table has the keys {keys:?}");
    }
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
        ("[[listener]]\nname = \"a\"\naddress = \"a:1\"\ntls = { certificat = \"a\" }", ".listener[].tls fits nothing"),
        ("[[cluster]]\nname = \"a\"\nlimits = { request = 1 }", ".cluster[].limits.request is unknown"),
        ("[[cluster]]\nname = \"a\"\nbalance = \"rr\"", ".cluster[].balance fits nothing"),
        (
            "[[cluster]]\nname = \"a\"\nhealth_check = { expect = [99] }",
            ".cluster[].health_check.expect[] is out of bounds",
        ),
    ] {
        let found = check(text);
        assert!(found.len() == 1 && found[0].starts_with(wrong), "{text}: {found:?}");
    }
}
