//! Cases as they are written: what a plugin is asked, what its host calls are answered, and what it should do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The keys of a `[[plugin]]` in the gateway's configuration, without `name` and `component`.
    #[serde(default)]
    pub plugin: toml::Table,
    #[serde(default, rename = "case")]
    pub cases: Vec<Case>,
}

/// One request, and what should become of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// Instead of the file's.
    pub config: Option<toml::Table>,
    #[serde(default)]
    pub request: Request,
    /// How often it is sent; the last time counts.
    #[serde(default = "once")]
    pub times: u32,
    /// Whether `--repeat` may send it more often: not if the plugin remembers.
    #[serde(default = "yes")]
    pub repeat: bool,
    /// Who an earlier authenticator found.
    pub identity: Option<Identity>,
    /// What the requests that the plugin sends are answered.
    #[serde(default)]
    pub upstream: Vec<Upstream>,
    /// What the plugin's response hooks see.
    #[serde(default)]
    pub answer: Answer,
    /// For a balance plugin: what it chooses from.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// For a balance plugin: indexes that were tried before.
    #[serde(default)]
    pub tried: Vec<usize>,
    #[serde(default)]
    pub expect: Expect,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    pub method: String,
    pub scheme: String,
    pub host: String,
    /// With the query.
    pub path: String,
    pub headers: Fields,
    pub body: String,
    pub client_address: IpAddr,
    /// What `{name}` in the route's path matched.
    pub captures: BTreeMap<String, String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            scheme: "http".into(),
            host: "example.com".into(),
            path: "/".into(),
            headers: Fields::default(),
            body: String::new(),
            client_address: IpAddr::from([192, 0, 2, 1]),
            captures: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub subject: String,
    pub issuer: Option<String>,
    pub expires_at: Option<u64>,
    pub claims: Option<toml::Table>,
}

/// An answer to a request that the plugin sends. The first that fits and wasn't used counts; the last one that
/// fits is used again and again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub cluster: String,
    pub method: Option<String>,
    /// With the query.
    pub path: Option<String>,
    /// `timeout`, `unavailable` or `too-large`, instead of an answer.
    pub error: Option<UpstreamError>,
    #[serde(default = "ok")]
    pub status: u16,
    #[serde(default)]
    pub headers: Fields,
    #[serde(default)]
    pub body: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamError {
    Timeout,
    Unavailable,
    TooLarge,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    pub status: u16,
    pub headers: Fields,
    pub body: String,
}

impl Default for Answer {
    fn default() -> Self {
        Self { status: 200, headers: Fields::default(), body: String::new() }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub address: Option<String>,
    #[serde(default = "once")]
    pub weight: u32,
    #[serde(default)]
    pub in_flight: u32,
    #[serde(default)]
    pub latency_us: u64,
    #[serde(default = "yes")]
    pub healthy: bool,
    #[serde(default)]
    pub failures: u32,
}

/// What should come of it. What isn't named isn't compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Of the last hook of the request phase: `identified`, `no-credentials`, `denied`, `allowed`, `admitted`, `rejected`,
    /// `continue`, `respond`, `replace`, `picked`, or `failed` for an error of the plugin.
    pub decision: Option<String>,
    /// A part of the error's text.
    pub error: Option<String>,
    /// The answer: the plugin's own, or what it made of `answer`.
    pub status: Option<u16>,
    pub headers: Fields,
    pub body: Option<String>,
    /// The body as JSON, in whatever order and with whatever spaces.
    pub json: Option<toml::Value>,
    pub identity: Option<ExpectIdentity>,
    pub quota: Option<ExpectQuota>,
    pub request: ExpectRequest,
    /// Published attributes, by the name that the plugin gave them.
    pub attributes: BTreeMap<String, String>,
    /// The requests that the plugin sent, in order: `GET users /users/7`.
    pub sent: Option<Vec<String>>,
    /// The index of the endpoint; `false`: none.
    pub pick: Option<Pick>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectRequest {
    pub method: Option<String>,
    /// With the query.
    pub path: Option<String>,
    pub headers: Fields,
    pub body: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectIdentity {
    pub subject: Option<String>,
    pub issuer: Option<String>,
    pub expires_at: Option<u64>,
    pub claims: Option<toml::Table>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectQuota {
    pub policy: Option<String>,
    pub limit: Option<u64>,
    pub window_ms: Option<u64>,
    pub remaining: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Pick {
    Index(usize),
    None(False),
}

/// Fields by name: a value, several, or `false` for none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Fields(pub BTreeMap<String, Values>);

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Values {
    One(String),
    Many(Vec<String>),
    Absent(False),
}

/// `false`, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "bool")]
pub struct False;

impl TryFrom<bool> for False {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Err("only `false` has a meaning here") } else { Ok(Self) }
    }
}

impl Values {
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
            Self::Absent(_) => &[],
        }
    }
}

fn ok() -> u16 {
    200
}

fn once() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl Cases {
    /// Read a file.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: can't be read: {error}; name a file of cases", path.display()))?;
        let cases = Self::parse(&text).map_err(|why| format!("{}: {why}", path.display()))?;
        if cases.cases.is_empty() {
            return Err(format!("{}: there is no [[case]]", path.display()));
        }
        Ok(cases)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let cases: Self = toml::from_str(text).map_err(|error| {
            let before = |span: std::ops::Range<usize>| text.get(..span.start).unwrap_or(text).matches('\n').count();
            let line = error.span().map_or(0, |span| before(span) + 1);
            format!("line {line}: {}", error.message())
        })?;
        for reserved in ["name", "component"] {
            if cases.plugin.contains_key(reserved) {
                return Err(format!("[plugin] has no key `{reserved}`: the command line names the component"));
            }
        }
        Ok(cases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_cases_of_the_manual() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins.md");
        let page = std::fs::read_to_string(page).unwrap();
        let blocks: Vec<&str> =
            page.split("```toml cases\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!blocks.is_empty());
        for block in blocks {
            Cases::parse(block).unwrap();
        }
    }

    #[test]
    fn reads_cases() {
        let text = r#"
            plugin.grants = ["clock"]
            [[case]]
            name = "one"
            request = { path = "/a?b=c", headers = { a = "1", b = ["2", "3"] } }
            upstream = [{ cluster = "users", status = 404, body = "no" }, { cluster = "users", error = "timeout" }]
            [case.expect]
            decision = "continue"
            headers = { x = false }
            json = { a = [1, 2] }
            pick = 1
        "#;
        let cases = Cases::parse(text).unwrap();
        let case = &cases.cases[0];
        assert_eq!(case.request.headers.0["b"].texts(), ["2", "3"]);
        assert_eq!((case.upstream[0].status, case.upstream[1].error), (404, Some(UpstreamError::Timeout)));
        assert!(case.expect.headers.0["x"].texts().is_empty());
        assert_eq!((case.expect.pick, case.times), (Some(Pick::Index(1)), 1));
    }

    #[test]
    fn says_where_it_is_wrong() {
        for (text, part) in [
            ("[[case]]\nname = \"a\"\n\n[[case]]\nnam = \"b\"", "line 5: unknown field `nam`"),
            ("[[case]]\nname = \"a\"\nexpect = { staus = 1 }", "line 3: unknown field `staus`"),
            ("[[case]]\nrequest = {}", "missing field `name`"),
            ("[plugin]\nname = \"x\"", "[plugin] has no key `name`"),
        ] {
            let error = Cases::parse(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
