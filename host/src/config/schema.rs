//! The configuration as JSON Schema (draft 7), for editors: which keys there are, and what they take. The keys
//! come from the same lists that the reader refuses unknown ones by. What depends on other entries, as the
//! names of clusters do, is left to `sluice check`.

use serde_json::{Map, Value, json};

use super::entry::Keys;
use super::written::keys;

/// The schema of one configuration file.
pub fn schema() -> Value {
    let mut top = table(
        &keys::TOP,
        &[],
        &[
            ("include", list(text("A pattern of further files, such as \"routes.d/*.toml\""))),
            ("admin", admin()),
            ("access_log", access_log()),
            ("server", server()),
            ("identity", identity()),
            ("plugins", plugins()),
            ("listener", list(listener())),
            ("plugin", list(plugin())),
            ("route", list(route())),
            ("cluster", list(cluster())),
        ],
    );
    if let Value::Object(top) = &mut top {
        top.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
        top.insert("title".into(), "The configuration of Sluice".into());
    }
    top
}

fn admin() -> Value {
    let own = [
        ("address", address("Where the admin API and the dashboard listen")),
        ("hosts", list(text("A name that Host may carry besides the address itself"))),
        ("token", secret("Bearer token; needed where the address isn't loopback")),
    ];
    table(&keys::ADMIN, &["address"], &own)
}

fn access_log() -> Value {
    let output = table(
        &keys::ACCESS_OUTPUT,
        &[],
        &[
            ("file", text("The file that lines go to")),
            ("rotate", either(&[size("The size at which it is moved aside"), choice(&["never"])])),
            ("keep", number("Old files that are kept")),
            ("syslog", text("A socket's path, or an address for UDP")),
            ("facility", text("Syslog's facility")),
        ],
    );
    let own = [
        ("output", either(&[choice(&["stdout", "stderr"]), output])),
        ("format", choice(&["json", "common", "combined"])),
        ("fields", list(text("A member of a line of JSON"))),
        ("when", choice(&["always", "errors"])),
        ("redact", list(text("A header field or query parameter that is secret"))),
    ];
    table(&keys::ACCESS_LOG, &[], &own)
}

fn server() -> Value {
    let own = [
        ("threads", number("Data threads; 0 is one for each core")),
        ("drain", duration("How long requests on their way may take to finish at shutdown")),
        ("trusted_proxies", list(text("A network whose forwarding fields are believed"))),
        ("name", text("The name in Via and CDN-Loop")),
    ];
    table(&keys::SERVER, &[], &own)
}

fn identity() -> Value {
    let field = || text("The request field that carries it upstream");
    table(&keys::IDENTITY, &[], &[("subject", field()), ("issuer", field()), ("claims", field())])
}

fn plugins() -> Value {
    let own = [
        ("directory", text("The drop-in directory")),
        ("cache", text("Compiled code and last good versions; the gateway's own")),
    ];
    table(&keys::PLUGINS, &[], &own)
}

fn listener() -> Value {
    let own = [
        ("name", name()),
        ("address", address("Where it listens")),
        ("protocol", choice(&["http", "tcp"])),
        ("cluster", text("Where byte streams go")),
        ("sni", map(text("The cluster for the name that a TLS client asks for"))),
        ("idle_timeout", duration("Without a byte in either direction")),
        ("proxy_protocol", list(text("A network whose connections begin with a PROXY protocol header"))),
    ];
    table(&keys::LISTENER, &["name", "address"], &own)
}

fn plugin() -> Value {
    let limits = [
        ("memory", size("Memory of one instance")),
        ("time", duration("Computing time of one call; waiting isn't counted")),
        ("deadline", duration("Time of one call with waiting")),
        ("configure", duration("Computing time of configure")),
        ("instances", number("Instances over all threads")),
        ("body", size("Whole bodies, for the hooks that take them")),
        ("response", size("One answer to an http-client call")),
        ("calls", number("http-client calls in one exchange")),
        ("log", size("Log text of one call")),
        ("kv", size("Everything that the plugin keeps in kv")),
        ("series", number("Series of the plugin's own metrics")),
    ];
    let own = [
        ("name", name()),
        ("component", text("The file, inside the drop-in directory")),
        ("config", json!({ "type": "object", "description": "What the plugin makes of it" })),
        ("grants", list(json!({ "type": ["string", "object"] }))),
        ("limits", table(&keys::LIMITS, &[], &limits)),
        ("isolation", choice(&["pooled", "request"])),
        ("on_error", choice(&["closed", "open"])),
    ];
    table(&keys::PLUGIN, &["name", "component"], &own)
}

fn route() -> Value {
    let condition = || json!({ "type": ["string", "boolean"], "description": "The value, or true for any" });
    let matcher = [
        ("host", text("A host, or \"*.example.com\"")),
        ("path", json!({ "type": "string", "pattern": "^/", "description": "{name} takes one segment, /* all below" })),
        ("methods", list(text("A method; GET includes HEAD"))),
        ("headers", map(condition())),
        ("query", map(condition())),
    ];
    let weighted = [("name", text("A cluster's name")), ("weight", number("Its share"))];
    let redirect = [
        ("status", number("301, 302, 303, 307 or 308")),
        ("scheme", choice(&["http", "https"])),
        ("host", text("The new host")),
        ("path", text("The new path; {name} stands for the route's captures")),
    ];
    let respond = [
        ("status", number("The answer's status")),
        ("headers", json!({ "type": "object" })),
        ("body", text("The answer's body")),
    ];
    let own = [
        ("name", name()),
        ("listeners", list(text("A listener's name"))),
        ("match", table(&keys::MATCH, &[], &matcher)),
        ("plugins", list(text("A plugin's name, or the stem of a dropped file"))),
        ("cluster", text("Where requests go")),
        ("clusters", list(table(&keys::WEIGHTED, &["name"], &weighted))),
        ("redirect", table(&keys::REDIRECT, &[], &redirect)),
        ("respond", table(&keys::RESPOND, &["status"], &respond)),
        ("anonymous", flag("Let requests without identity pass the authenticators")),
        ("fall_through", flag("With a method that the route lacks, try less specific ones")),
    ];
    table(&keys::ROUTE, &["name"], &own)
}

fn cluster() -> Value {
    let endpoint = [("address", address("Where it is")), ("weight", number("Its share"))];
    let check = [
        ("path", text("What is requested")),
        ("interval", duration("Between two checks")),
        ("timeout", duration("For one check")),
        ("unhealthy_after", number("Failures in a row")),
        ("healthy_after", number("Successes in a row")),
    ];
    let timeouts = [
        ("connect", duration("Until a connection is open")),
        ("first_byte", duration("From the request sent to the head of the answer")),
        ("idle", duration("Without a byte of a body")),
    ];
    let own = [
        ("name", name()),
        ("endpoints", list(either(&[address("Where it is"), table(&keys::ENDPOINT, &["address"], &endpoint)]))),
        ("health_check", table(&keys::HEALTH_CHECK, &["path"], &check)),
        ("host", text("What to send as Host")),
        ("timeouts", table(&keys::TIMEOUTS, &[], &timeouts)),
        ("proxy_protocol", choice(&["v1", "v2"])),
    ];
    table(&keys::CLUSTER, &["name"], &own)
}

/// A table with these keys. One that isn't described takes anything.
fn table(keys: &Keys, required: &[&str], described: &[(&str, Value)]) -> Value {
    let property = |key: &&str| {
        let known = described.iter().find(|(name, _)| name == key);
        ((*key).to_owned(), known.map_or_else(|| json!({}), |(_, schema)| schema.clone()))
    };
    let properties: Map<String, Value> = keys.known.iter().map(property).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// A table whose keys are the user's own.
fn map(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn either(schemas: &[Value]) -> Value {
    json!({ "anyOf": schemas })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 128, "description": "What the others call it" })
}

fn number(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

fn choice(words: &[&str]) -> Value {
    json!({ "enum": words })
}

fn address(description: &str) -> Value {
    json!({ "type": "string", "pattern": ":[0-9]+$", "description": format!("{description}: HOST:PORT") })
}

fn duration(description: &str) -> Value {
    json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$", "description": format!("{description}: \"30s\"") })
}

fn size(description: &str) -> Value {
    json!({
        "type": ["string", "integer"],
        "pattern": "^[0-9]+(KiB|MiB|GiB)$",
        "minimum": 0,
        "description": format!("{description}: \"16MiB\""),
    })
}

fn secret(description: &str) -> Value {
    let from = |key: &str| json!({ "type": "object", "properties": { key: { "type": "string" } }, "required": [key], "additionalProperties": false });
    either(&[text(description), from("env"), from("file")])
}
