//! The configuration as JSON Schema (draft 7), for editors: which keys there are, and what they take. A
//! test holds it to what the reader takes. What depends on other entries, as the names of clusters do, is left to
//! `sluice check`.

mod cluster;

use serde_json::{Map, Value, json};

use cluster::cluster;

/// The schema of one configuration file.
pub fn schema() -> Value {
    let mut top = table(
        &[],
        &[
            ("include", list(text("A pattern of further files, such as \"routes.d/*.toml\""))),
            ("admin", admin()),
            ("access_log", access_log()),
            ("server", server()),
            ("overload", overload()),
            ("http", http()),
            ("identity", identity()),
            ("plugins", plugins()),
            ("state", state()),
            ("acme", acme()),
            ("tracing", tracing()),
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
        ("token", secret("Bearer token; needed where the address isn't loopback and clients show no certificates")),
        ("tls", either(&[choice("A certificate is made up, for development", &["self-signed"]), tls()])),
        (
            "probes",
            table(
                &["address"],
                &[
                    ("address", address("Where /healthz and /readyz are answered without TLS or token")),
                    ("metrics", flag("Whether /metrics is there too")),
                ],
            ),
        ),
    ];
    table(&["address"], &own)
}

fn access_log() -> Value {
    let output = table(
        &[],
        &[
            ("file", text("The file that lines go to")),
            ("rotate", either(&[size("The size at which it is moved aside"), choice("It isn't", &["never"])])),
            ("keep", number("Old files that are kept")),
            ("syslog", text("A socket's path, or an address for UDP")),
            ("facility", text("Syslog's facility")),
        ],
    );
    let own = [
        ("output", either(&[choice("Where lines go", &["stdout", "stderr"]), output])),
        ("format", choice("The form of a line", &["json", "common", "combined"])),
        ("fields", list(text("A member of a line of JSON"))),
        ("when", choice("Which requests get a line", &["always", "errors"])),
        ("redact", list(text("A header field or query parameter that is secret"))),
    ];
    table(&[], &own)
}

fn server() -> Value {
    let own = [
        ("threads", number("Data threads; 0 is one for each core")),
        ("drain", duration("How long requests on their way may take to finish at shutdown")),
        ("shutdown_delay", duration("How long it serves on at shutdown, when it says already that it isn't ready")),
        ("pid_file", text("Where the process's number is told")),
        ("trusted_proxies", list(text("A network whose forwarding fields are believed"))),
        ("name", text("The name in Via and CDN-Loop")),
        ("zone", text("Where this gateway is, for clusters with prefer_zone")),
    ];
    table(&[], &own)
}

fn overload() -> Value {
    let own = [
        ("memory", either(&[text("A share such as \"80%\", a size, or \"off\""), number("Bytes")])),
        ("requests", number("Requests at a time, over all listeners")),
        ("retry_after", duration("What clients are told to wait")),
    ];
    table(&[], &own)
}

fn http() -> Value {
    let own = [
        ("encoded_slashes", choice("What %2F in a path is", &["reject", "keep", "decode"])),
        ("underscores", choice("What becomes of request fields with _ in their names", &["drop", "keep"])),
        ("max_head", size("Bytes of a request's head")),
        ("max_target", size("Bytes of path and query")),
        ("max_fields", number("Fields of a request")),
        ("max_body", size("Bytes of a request's body")),
        ("max_streams", number("Streams of HTTP/2 at a time")),
        ("head_timeout", duration("From a request's first byte to the end of its head")),
        ("keep_alive_timeout", duration("Between an answer and the next request")),
        ("send_timeout", duration("For a client that takes nothing of its answer")),
    ];
    table(&[], &own)
}

fn identity() -> Value {
    let field = || text("The request field that carries it upstream");
    table(&[], &[("subject", field()), ("issuer", field()), ("claims", field())])
}

fn plugins() -> Value {
    let own = [
        ("directory", text("The drop-in directory")),
        ("cache", text("Compiled code and last good versions; the gateway's own")),
    ];
    table(&[], &own)
}

fn state() -> Value {
    let own = [
        ("backend", choice("Where it is kept", &["memory", "redis"])),
        (
            "url",
            secret("Where Redis is: redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss:// over TLS, or unix:///PATH"),
        ),
        ("ca", text("PEM file of the authorities whose certificates count, for rediss://")),
        ("username", text("Whom to be there")),
        ("password", secret("That user's, or the server's")),
        ("database", number("Which of the server's databases")),
        ("prefix", text("What all keys begin with")),
        ("timeout", duration("For one operation")),
        ("on_error", choice("What happens while Redis is away", &["local", "closed", "open"])),
    ];
    table(&["backend"], &own)
}

fn acme() -> Value {
    let own = [
        (
            "directory",
            json!({ "type": "string", "pattern": "^https://", "description": "URL of the authority's directory" }),
        ),
        ("contact", list(text("mailto: and an address"))),
        ("storage", text("Where the account and certificates are kept; the gateway's own")),
        ("ca", text("PEM file of the authorities that vouch for the authority's server")),
        ("challenge", choice("How names are shown to be yours", &["tls-alpn-01", "http-01"])),
    ];
    table(&[], &own)
}

fn tracing() -> Value {
    let own = [
        ("endpoint", json!({ "type": "string", "pattern": "^https?://", "description": "URL of the collector" })),
        ("protocol", choice("How it is spoken to", &["grpc", "http"])),
        (
            "sample",
            json!({ "type": "number", "minimum": 0, "maximum": 1, "description": "The share of requests without a parent that are told" }),
        ),
        ("service", text("service.name of the resource")),
        ("headers", map(secret("A field that is sent with each export"))),
        ("ca", text("PEM file of the authorities that vouch for the collector")),
    ];
    table(&["endpoint"], &own)
}

fn listener() -> Value {
    let limits = [
        ("connections", number("Open at a time; 0 is no limit. By default half of the files that may be open")),
        ("connections_per_address", number("Of one client, open at a time; 0 is no limit. 10000 by default")),
        ("requests_per_connection", number("Before a connection is closed; 0 is no limit")),
    ];
    let own = [
        ("name", name()),
        ("address", address("Where it listens")),
        ("protocol", choice("What it accepts", &["http", "tcp"])),
        ("cluster", text("Where byte streams go")),
        ("sni", map(text("The cluster for the name that a TLS client asks for"))),
        ("idle_timeout", duration("Without a byte in either direction")),
        ("proxy_protocol", list(text("A network whose connections begin with a PROXY protocol header"))),
        ("tls", either(&[choice("A certificate is made up, for development", &["self-signed"]), tls()])),
        ("limits", table(&[], &limits)),
    ];
    table(&["name", "address"], &own)
}

fn tls() -> Value {
    let files =
        || [("certificate", text("PEM file of the certificate and its chain")), ("key", text("PEM file of its key"))];
    let more = [
        ("certificates", list(table(&["certificate", "key"], &files()))),
        ("acme", list(text("A name that the certificate is for, which an authority gives by [acme]"))),
        ("client_ca", text("PEM file of the authorities that vouch for clients")),
        ("client_auth", choice("Whether clients have to show a certificate", &["required", "optional"])),
        ("min_version", choice("The oldest version of TLS", &["1.2", "1.3"])),
    ];
    table(&[], &[&files()[..], &more].concat())
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
        ("tables", number("Elements in all tables of one instance")),
    ];
    let own = [
        ("name", name()),
        ("component", text("The file, inside the drop-in directory")),
        ("config", json!({ "type": "object", "description": "What the plugin makes of it" })),
        ("grants", either(&[list(json!({ "type": ["string", "object"] })), json!({ "type": "object" })])),
        ("limits", table(&[], &limits)),
        (
            "isolation",
            choice(
                "Which instance an exchange meets: one of several that serve for long, or one of its own",
                &["pooled", "request"],
            ),
        ),
        (
            "on_error",
            choice("What follows a failure: the exchange is answered 503, or the chain goes on", &["closed", "open"]),
        ),
    ];
    table(&["name", "component"], &own)
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
        ("scheme", choice("The new scheme", &["http", "https"])),
        ("host", text("The new host")),
        ("path", text("The new path; {name} stands for the route's captures")),
    ];
    let respond = [
        ("status", number("The answer's status")),
        ("headers", map(json!({ "type": ["string", "array"], "description": "The answer's header fields" }))),
        ("body", text("The answer's body")),
    ];
    let own = [
        ("name", name()),
        ("listeners", list(text("A listener's name"))),
        ("match", table(&[], &matcher)),
        ("plugins", list(text("A plugin's name, or the stem of a dropped file"))),
        ("cluster", text("Where requests go")),
        ("clusters", list(either(&[text("A cluster's name"), table(&["name"], &weighted)]))),
        ("redirect", table(&[], &redirect)),
        ("respond", table(&["status"], &respond)),
        ("anonymous", flag("Let requests without identity pass the authenticators")),
        ("fall_through", flag("With a method that the route lacks, try less specific ones")),
    ];
    table(&["name"], &own)
}

/// A table with these keys and no others.
fn table(required: &[&str], keys: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|(key, schema)| ((*key).to_owned(), schema.clone())).collect();
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

fn choice(description: &str, words: &[&str]) -> Value {
    json!({ "enum": words, "description": description })
}

fn address(description: &str) -> Value {
    json!({ "type": "string", "pattern": ":[0-9]+$", "description": format!("{description}: HOST:PORT") })
}

fn duration(description: &str) -> Value {
    json!({ "type": "string", "pattern": "^[0-9]+\\s*(ms|s|m|h)$", "description": format!("{description}: \"30s\"") })
}

fn size(description: &str) -> Value {
    json!({
        "type": ["string", "integer"],
        "pattern": "^[0-9]+\\s*(B|KiB|MiB|GiB)?$",
        "minimum": 0,
        "description": format!("{description}: \"16MiB\""),
    })
}

/// `204`, or `"2xx"` for a class of them.
fn status(description: &str) -> Value {
    json!({
        "type": ["integer", "string"],
        "minimum": 100,
        "maximum": 599,
        "pattern": "^[1-5]xx$",
        "description": description,
    })
}

fn secret(description: &str) -> Value {
    let from = |key: &str| json!({ "type": "object", "properties": { key: { "type": "string" } }, "required": [key], "additionalProperties": false });
    either(&[text(description), from("env"), from("file")])
}
