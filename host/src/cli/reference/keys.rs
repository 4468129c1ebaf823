//! The configuration: all keys of the schema, table by table, and the reference file.

use std::fmt::Write as _;

use serde_json::Value;

use super::{cell, root};

const HEAD: &str = "
# All keys

Every table of the configuration with its keys, as the [schema](commands.md#sluice-schema) has them. [Configuration](../configuration.md) says
what each is by default and how they work together; [the reference file](file.md) shows all of them in use.

Durations are written `\"250ms\"`, `\"30s\"`, `\"2m\"` or `\"1h\"`, sizes `\"64KiB\"`, `\"16MiB\"` or `\"1GiB\"`. A secret is a string,
`{ env = \"NAME\" }` or `{ file = \"PATH\" }`.
";

/// The keys of every table.
pub fn page() -> String {
    let schema = sluice::config::schema();
    let mut page = HEAD.to_owned();
    page.push_str("\n## Top level\n\n");
    rows(&mut page, "", &schema, false);
    for (key, own) in tables(&schema) {
        let title = if own["type"] == "array" { format!("[[{key}]]") } else { format!("[{key}]") };
        write!(page, "\n## {title}\n").unwrap();
        section(&mut page, key, own);
    }
    page
}

/// The reference file.
pub fn file() -> String {
    let text = std::fs::read_to_string(root().join("config/sluice.toml")).unwrap();
    format!(
        "\n# The reference file\n\n`config/sluice.toml` of the repository: every key, with its default where it has one. A test holds it to \
         the code.\n\n```toml\n{text}```\n"
    )
}

/// The entries of an object's properties.
fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

/// Those of them that are tables, or arrays of tables.
fn tables(schema: &Value) -> Vec<(&String, &Value)> {
    properties(schema).filter(|(_, own)| !inner(own).is_empty()).collect()
}

/// The tables that a value may be: itself, its items, or one of several.
fn inner(schema: &Value) -> Vec<&Value> {
    // What refers to an environment variable or a file is a kind of text.
    if is_secret(schema) {
        return Vec::new();
    }
    if schema.get("properties").is_some() {
        return vec![schema];
    }
    let several = schema["anyOf"].as_array().into_iter().flatten();
    several.chain(schema.get("items")).flat_map(inner).collect()
}

fn section(page: &mut String, name: &str, schema: &Value) {
    for table in inner(schema) {
        page.push('\n');
        rows(page, name, table, true);
        for (key, own) in tables(table) {
            let name = format!("{name}.{key}");
            write!(page, "\n### {name}\n").unwrap();
            section(page, &name, own);
        }
    }
}

fn rows(page: &mut String, name: &str, table: &Value, linked: bool) {
    page.push_str("| Key | Takes | Meaning |\n|---|---|---|\n");
    let needed: Vec<&str> = table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, own) in properties(table) {
        let mut takes = takes(own);
        if needed.contains(&key.as_str()) {
            takes.push_str(", needed");
        }
        let more = if inner(own).is_empty() {
            String::new()
        } else if linked {
            format!("see [{name}.{key}](#{})", format!("{name}{key}").replace('.', ""))
        } else {
            format!("see [below](#{key})")
        };
        let about = about(own);
        let between = if about.is_empty() || more.is_empty() { "" } else { "; " };
        writeln!(page, "| `{key}` | {} | {}{between}{more} |", cell(&takes), cell(&about)).unwrap();
    }
}

/// What the schema says of a value, or of its items.
fn about(schema: &Value) -> String {
    let own = schema["description"].as_str().map(str::to_owned);
    let text = own.unwrap_or_else(|| {
        let several = schema["anyOf"].as_array().into_iter().flatten();
        let others = several.chain(schema.get("items")).chain(schema.get("additionalProperties"));
        others.filter(|other| other.is_object()).map(about).find(|text| !text.is_empty()).unwrap_or_default()
    });
    // How it is written stands in the other column.
    [": \"30s\"", ": \"16MiB\"", ": HOST:PORT"].iter().fold(text, |text, end| text.replace(end, ""))
}

fn is_secret(schema: &Value) -> bool {
    let env = |one: &Value| one["properties"].get("env").is_some();
    schema["anyOf"].as_array().is_some_and(|several| several.iter().any(env))
}

/// What a value has to be, in a few words.
fn takes(schema: &Value) -> String {
    if is_secret(schema) {
        return "secret".to_owned();
    }
    if let Some(several) = schema["anyOf"].as_array() {
        let mut kinds: Vec<String> = several.iter().map(takes).collect();
        kinds.dedup();
        return kinds.join(", or ");
    }
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    let described = schema["description"].as_str().unwrap_or_default();
    let written = [(": \"30s\"", "duration"), (": \"16MiB\"", "size"), (": HOST:PORT", "address")];
    if let Some((_, kind)) = written.iter().find(|(end, _)| described.ends_with(end)) {
        return (*kind).to_owned();
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => match schema.get("items") {
            Some(items) if items.get("properties").is_some() => "tables".to_owned(),
            Some(items) => format!("list of: {}", takes(items)),
            None => "list".to_owned(),
        },
        Value::String(kind) => word(kind).to_owned(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).map(word).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

fn word(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" => "whole number",
        "boolean" => "`true`, `false`",
        "object" => "table",
        other => other,
    }
}
