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

mod variable;

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};

use crate::{Exchange, Request, encode};

use variable::Variable;

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
        check_escapes(path)?;
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
        Some(parameters.join("&")).filter(|query| !query.is_empty())
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

/// Escapes that the gateway refuses in paths.
fn check_escapes(path: &str) -> Result<(), TemplateError> {
    for after in path.split('%').skip(1) {
        let escape = after.get(..2).unwrap_or(after);
        match u8::from_str_radix(escape, 16) {
            Ok(b'/' | b'.' | b'\\' | 0) => return Err(TemplateError(format!("`%{escape}` has no place in a path"))),
            Ok(_) if escape.len() == 2 && !escape.starts_with('+') => {}
            _ => return Err(TemplateError("`%` needs two hexadecimal digits after it".to_owned())),
        }
    }
    Ok(())
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

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(variable) => write!(f, "there is no `{variable}`"),
            Self::Unsafe(variable) => write!(f, "`{variable}` can't be part of a path"),
        }
    }
}

impl std::error::Error for RenderError {}

#[cfg(test)]
mod tests;
