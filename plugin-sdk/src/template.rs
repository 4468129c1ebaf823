//! Texts, paths and queries with variables from an exchange, for configurations.
//!
//! | Variable | Value |
//! |---|---|
//! | `{NAME}` | the segment that `{NAME}` in the route's path captured, decoded |
//! | `{client_address}` | the client's IP address |
//! | `{identity.subject}`, `{identity.issuer}` | who was authenticated |
//! | `{attribute:PLUGIN.NAME}` | what a plugin published |
//! | `{header:NAME}` | the first value of a request header, if it is text |
//! | `{query:NAME}` | the first value of a query parameter, decoded |
//!
//! `{{` and `}}` are braces. In paths and queries values are encoded; one that would still change the
//! path's structure is refused.

use serde::de::{self, Deserialize, Deserializer};

use crate::{Exchange, Request, encode};

/// A text with variables, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// A path and query with variables, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetTemplate {
    /// What stands between slashes.
    segments: Vec<Template>,
    /// What stands between `&`; empty if there is no query.
    parameters: Vec<Template>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Variable {
    Capture(String),
    ClientAddress,
    Subject,
    Issuer,
    Attribute(String),
    Header(String),
    Query(String),
}

/// Why a template isn't one. The text says what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError(String);

/// Why a template gives nothing for an exchange. It is the client's fault or the route's, never the plugin's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderError {
    /// There is nothing to put in for this variable.
    Missing(String),
    /// The value of this variable would change the structure of the path: it is empty, a dot segment, or
    /// has a slash, a backslash or a NUL in it.
    Unsafe(String),
}

impl Template {
    /// Parse a template.
    ///
    /// # Errors
    /// A brace without its other, or an unknown variable.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(found) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(found);
            literal.push_str(before);
            if let Some(after) = after.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = after.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some(after) = after.strip_prefix('{') {
                let (name, after) = after
                    .split_once('}')
                    .ok_or_else(|| TemplateError("`{` without `}`; write `{{` for a brace".to_owned()))?;
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Variable(Variable::parse(name)?));
                rest = after;
            } else {
                return Err(TemplateError("`}` without `{`; write `}}` for a brace".to_owned()));
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The text, nothing encoded: for header values and the like.
    ///
    /// # Errors
    /// [`RenderError::Missing`]
    pub fn render(&self, request: &Request, exchange: &Exchange) -> Result<String, RenderError> {
        self.render_with(request, exchange, |out, value| out.push_str(value))
    }

    /// Whether there is a variable in it.
    pub fn has_variables(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Variable(_)))
    }

    fn render_with(
        &self,
        request: &Request,
        exchange: &Exchange,
        push: impl Fn(&mut String, &str),
    ) -> Result<String, RenderError> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(variable) => match variable.value(request, exchange) {
                    Some(value) => push(&mut out, &value),
                    None => return Err(RenderError::Missing(variable.to_string())),
                },
            }
        }
        Ok(out)
    }

    /// One segment of a path. Literal text stays as it is written.
    fn render_segment(&self, request: &Request, exchange: &Exchange) -> Result<String, RenderError> {
        for part in &self.0 {
            if let Part::Variable(variable) = part
                && let Some(value) = variable.value(request, exchange)
                && value.contains(['/', '\\', '\0'])
            {
                return Err(RenderError::Unsafe(variable.to_string()));
            }
        }
        let segment = self.render_with(request, exchange, encode::push)?;
        let dots = segment.strip_prefix("..").or_else(|| segment.strip_prefix('.'));
        let dangerous = segment.is_empty() || dots.is_some_and(|rest| rest.is_empty() || rest.starts_with("%3B"));
        match self.0.iter().find_map(|part| if let Part::Variable(variable) = part { Some(variable) } else { None }) {
            Some(variable) if dangerous => Err(RenderError::Unsafe(variable.to_string())),
            _ => Ok(segment),
        }
    }
}

impl TargetTemplate {
    /// Parse a path and query, `/users/{id}/orders?page={query:page}`.
    ///
    /// # Errors
    /// It doesn't begin with a slash, has characters that must be encoded, a brace without its other, or an
    /// unknown variable.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let Some(relative) = text.strip_prefix('/') else {
            return Err(TemplateError("a path begins with `/`".to_owned()));
        };
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '#' | '\\' | '"' | '<' | '>')) {
            return Err(TemplateError(format!("the character {bad:?} must be percent-encoded")));
        }
        let (path, query) = match relative.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (relative, None),
        };
        if let Some(segment) = path.split('/').find(|segment| matches!(*segment, "." | "..")) {
            return Err(TemplateError(format!("`{segment}` has no place in a path")));
        }
        let parse = |parts: std::str::Split<'_, char>| parts.map(Template::parse).collect::<Result<Vec<_>, _>>();
        let parameters = query.map(|query| parse(query.split('&'))).transpose()?.unwrap_or_default();
        Ok(Self { segments: parse(path.split('/'))?, parameters })
    }

    /// The path, each variable encoded as part of one segment.
    ///
    /// # Errors
    /// A variable is missing, or would change the path's structure.
    pub fn render_path(&self, request: &Request, exchange: &Exchange) -> Result<String, RenderError> {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            path.push_str(&segment.render_segment(request, exchange)?);
        }
        Ok(path)
    }

    /// The query without `?`, each variable encoded. A parameter whose variable is missing is left out; none
    /// if nothing is left.
    pub fn render_query(&self, request: &Request, exchange: &Exchange) -> Option<String> {
        let parameters: Vec<String> = self
            .parameters
            .iter()
            .filter_map(|parameter| parameter.render_with(request, exchange, encode::push).ok())
            .collect();
        if parameters.is_empty() { None } else { Some(parameters.join("&")) }
    }

    /// Whether the template has a query.
    pub fn has_query(&self) -> bool {
        !self.parameters.is_empty()
    }

    /// Path and query.
    ///
    /// # Errors
    /// As for [`render_path`](Self::render_path).
    pub fn render(&self, request: &Request, exchange: &Exchange) -> Result<String, RenderError> {
        let mut target = self.render_path(request, exchange)?;
        if let Some(query) = self.render_query(request, exchange) {
            target.push('?');
            target.push_str(&query);
        }
        Ok(target)
    }
}

impl Variable {
    fn parse(name: &str) -> Result<Self, TemplateError> {
        let unknown = || TemplateError(format!("`{{{name}}}` is no variable"));
        if let Some((kind, name)) = name.split_once(':') {
            if name.is_empty() {
                return Err(unknown());
            }
            return match kind {
                "attribute" => Ok(Self::Attribute(name.to_owned())),
                "header" => Ok(Self::Header(name.to_owned())),
                "query" => Ok(Self::Query(name.to_owned())),
                _ => Err(unknown()),
            };
        }
        match name {
            "client_address" => Ok(Self::ClientAddress),
            "identity.subject" => Ok(Self::Subject),
            "identity.issuer" => Ok(Self::Issuer),
            _ if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) => {
                Ok(Self::Capture(name.to_owned()))
            }
            _ => Err(unknown()),
        }
    }

    fn value(&self, request: &Request, exchange: &Exchange) -> Option<String> {
        match self {
            Self::Capture(name) => request.capture(name),
            Self::ClientAddress => Some(exchange.client_address()),
            Self::Subject => exchange.identity().map(|identity| identity.subject),
            Self::Issuer => exchange.identity().and_then(|identity| identity.issuer),
            Self::Attribute(name) => exchange.attribute(name),
            Self::Header(name) => request.header_str(name),
            Self::Query(name) => request.query_parameter(name),
        }
    }
}

impl std::fmt::Display for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Capture(name) => f.write_str(name),
            Self::ClientAddress => f.write_str("client_address"),
            Self::Subject => f.write_str("identity.subject"),
            Self::Issuer => f.write_str("identity.issuer"),
            Self::Attribute(name) => write!(f, "attribute:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for TargetTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

impl std::fmt::Display for RenderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(variable) => write!(f, "there is no `{variable}`"),
            Self::Unsafe(variable) => write!(f, "`{variable}` can't be part of a path"),
        }
    }
}

impl std::error::Error for RenderError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::TestExchange;

    fn exchange() -> TestExchange {
        TestExchange::get("/users/a?page=2&q=x+y%26z")
            .capture("id", "a b;é")
            .capture("up", "..")
            .capture("slash", "a/b")
            .capture("dot", ".")
            .header("x-tenant", "blue")
            .header("x-empty", "")
            .identity(crate::Identity::new("alice").issued_by("https://id"))
            .attribute("keys.tier", "gold")
    }

    fn target(template: &str) -> Result<String, RenderError> {
        let template = TargetTemplate::parse(template).unwrap();
        exchange().look(|request, exchange| template.render(request, exchange))
    }

    #[test]
    fn renders_text() {
        let render = |text: &str| {
            let template = Template::parse(text).unwrap();
            exchange().look(|request, exchange| template.render(request, exchange))
        };
        assert_eq!(
            render("{identity.subject}@{client_address} {{{attribute:keys.tier}}}").unwrap(),
            "alice@192.0.2.1 {gold}"
        );
        assert_eq!(render("{identity.issuer} {header:x-tenant} {query:q}").unwrap(), "https://id blue x y&z");
        assert_eq!(render("plain").unwrap(), "plain");
        assert_eq!(render("{nothing}"), Err(RenderError::Missing("nothing".into())));
    }

    #[test]
    fn encodes_in_targets() {
        assert_eq!(
            target("/v2/{id}/x-{id}?user={id}&page={query:page}").unwrap(),
            "/v2/a%20b%3B%C3%A9/x-a%20b%3B%C3%A9?user=a%20b%3B%C3%A9&page=2"
        );
        assert_eq!(target("/a?x={query:none}&y=1").unwrap(), "/a?y=1");
        assert_eq!(target("/a?x={query:none}").unwrap(), "/a");
        assert_eq!(target("/").unwrap(), "/");
        assert_eq!(target("/a/").unwrap(), "/a/");
        assert_eq!(target("/a?q={up}{slash}").unwrap(), "/a?q=..a%2Fb");
    }

    #[test]
    fn captures_cant_escape_their_segment() {
        for (template, variable) in [
            ("/a/{up}/b", "up"),
            ("/a/{dot}", "dot"),
            ("/a/.{dot}", "dot"),
            ("/a/{dot}{dot}/b", "dot"),
            ("/a/{slash}", "slash"),
            ("/a/{header:x-empty}", "header:x-empty"),
        ] {
            assert_eq!(target(template), Err(RenderError::Unsafe(variable.into())), "{template}");
        }
        assert_eq!(target("/a/x{up}").unwrap(), "/a/x..", "dots within a segment are harmless");
        assert_eq!(target("/a/{none}"), Err(RenderError::Missing("none".into())));
    }

    #[test]
    fn refuses_what_is_no_template() {
        for (text, why) in [
            ("{", "`{` without `}`; write `{{` for a brace"),
            ("a}b", "`}` without `{`; write `}}` for a brace"),
            ("{a b}", "`{a b}` is no variable"),
            ("{}", "`{}` is no variable"),
            ("{cookie:x}", "`{cookie:x}` is no variable"),
            ("{header:}", "`{header:}` is no variable"),
        ] {
            assert_eq!(Template::parse(text).unwrap_err().to_string(), why);
        }
        for (text, why) in [
            ("users", "a path begins with `/`"),
            ("/a b", "the character ' ' must be percent-encoded"),
            ("/a/../b", "`..` has no place in a path"),
        ] {
            assert_eq!(TargetTemplate::parse(text).unwrap_err().to_string(), why);
        }
    }
}
