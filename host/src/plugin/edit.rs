//! Edits that plugins make to an exchange, each checked before anything changes. Pure: this module
//! knows nothing of Wasm, and whatever runs a plugin goes through it.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};

use super::exchange::{Exchange, LocalResponse, RequestHead};
use crate::config::model::IdentityFields;
use crate::fields::is_gateway_owned;
use crate::route::normalize;

/// The most fields in one head.
pub const MAX_FIELDS: usize = 128;
/// The most bytes in the names and values of one head.
pub const MAX_HEAD: usize = 64 << 10;
/// The longest path with query in bytes.
pub const MAX_TARGET: usize = 16 << 10;
/// The most bytes that a plugin keeps for one exchange.
pub const MAX_STATE: usize = 64 << 10;
/// The most attributes of one exchange.
pub const MAX_ATTRIBUTES: usize = 32;
/// The most bytes in an attribute's name and value.
pub const MAX_ATTRIBUTE: usize = 1 << 10;

/// Why an edit was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("{0}")]
    Invalid(String),
    #[error("the field is the gateway's own")]
    Forbidden,
    #[error("it can only be read in this hook")]
    ReadOnly,
    #[error("{0}")]
    TooLarge(String),
}

impl RequestHead {
    /// Replace the method.
    ///
    /// # Errors
    /// It is no token (RFC 9110, 5.6.2), or `CONNECT`, which would make the request another thing.
    pub fn set_method(&mut self, method: &str) -> Result<(), EditError> {
        self.method = parse_method(method)?;
        Ok(())
    }

    /// Replace the path, which is normalized as a client's; the query stays.
    ///
    /// # Errors
    /// A client's request with this path would be refused.
    pub fn set_path(&mut self, path: &str) -> Result<(), EditError> {
        let path = checked_path(path)?;
        self.target = join(&path, self.target.query())?;
        Ok(())
    }

    /// Replace the query; none removes it with its `?`.
    ///
    /// # Errors
    /// It has characters that no query may have (RFC 3986, 3.4).
    pub fn set_query(&mut self, query: Option<&str>) -> Result<(), EditError> {
        if let Some(query) = query {
            check_query(query)?;
        }
        self.target = join(self.target.path(), query)?;
        Ok(())
    }
}

/// A method, if a request may have it.
///
/// # Errors
/// It is no token (RFC 9110, 5.6.2), or `CONNECT`.
pub fn parse_method(method: &str) -> Result<Method, EditError> {
    match Method::from_bytes(method.as_bytes()) {
        Ok(Method::CONNECT) => {
            Err(EditError::Invalid("the method CONNECT isn't for requests that are forwarded".into()))
        }
        Ok(parsed) if method.len() <= 32 => Ok(parsed),
        _ => Err(EditError::Invalid("the method is no token of at most 32 characters".into())),
    }
}

/// Path and query, the path normalized as a client's.
///
/// # Errors
/// A client's request with this target would be refused.
pub fn parse_target(target: &str) -> Result<PathAndQuery, EditError> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if let Some(query) = query {
        check_query(query)?;
    }
    join(&checked_path(path)?, query)
}

fn checked_path(path: &str) -> Result<String, EditError> {
    if path.len() > MAX_TARGET {
        return Err(too_long("path", MAX_TARGET));
    }
    match normalize(path) {
        Ok(path) => Ok(path.into_owned()),
        Err(error) => Err(EditError::Invalid(error.to_string())),
    }
}

fn check_query(query: &str) -> Result<(), EditError> {
    if query.len() > MAX_TARGET {
        return Err(too_long("query", MAX_TARGET));
    }
    if query.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>')) {
        return Ok(());
    }
    Err(EditError::Invalid(
        "the query must be percent-encoded: no spaces, `#`, `\"`, `<`, `>`, control or non-ASCII characters".into(),
    ))
}

fn join(path: &str, query: Option<&str>) -> Result<PathAndQuery, EditError> {
    let whole = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    if whole.len() > MAX_TARGET {
        return Err(too_long("path with its query", MAX_TARGET));
    }
    PathAndQuery::try_from(whole)
        .map_err(|_| EditError::Invalid("the path has characters that must be percent-encoded".into()))
}

/// Put one value in place of all values of a field.
///
/// # Errors
/// Name or value are illegal, the field is the gateway's, or the head would be too large.
pub fn set_header(headers: &mut HeaderMap, name: &str, value: &[u8], own: &IdentityFields) -> Result<(), EditError> {
    let (name, value) = checked_field(name, value, own)?;
    let freed: usize = headers.get_all(&name).iter().map(|old| old.len() + name.as_str().len()).sum();
    let fields = headers.len() - headers.get_all(&name).iter().count();
    check_room(fields, head_size(headers) - freed, &name, &value)?;
    // The map holds far fewer fields than it could, so it always takes one more.
    headers.try_insert(name, value).map(drop).map_err(|_| too_many())
}

/// Add a value to those that a field has.
///
/// # Errors
/// As for [`set_header`].
pub fn append_header(headers: &mut HeaderMap, name: &str, value: &[u8], own: &IdentityFields) -> Result<(), EditError> {
    let (name, value) = checked_field(name, value, own)?;
    check_room(headers.len(), head_size(headers), &name, &value)?;
    headers.try_append(name, value).map(drop).map_err(|_| too_many())
}

/// Remove all values of a field.
///
/// # Errors
/// The name is illegal, or the field is the gateway's.
pub fn remove_header(headers: &mut HeaderMap, name: &str, own: &IdentityFields) -> Result<(), EditError> {
    let name = checked_name(name, own)?;
    headers.remove(&name);
    Ok(())
}

fn checked_field(name: &str, value: &[u8], own: &IdentityFields) -> Result<(HeaderName, HeaderValue), EditError> {
    let name = checked_name(name, own)?;
    let value = HeaderValue::from_bytes(value).map_err(|_| {
        EditError::Invalid(format!("the value for `{name}` has control characters (line breaks, NUL, …)"))
    })?;
    Ok((name, value))
}

fn checked_name(name: &str, own: &IdentityFields) -> Result<HeaderName, EditError> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| EditError::Invalid(format!("`{}` is no field name", clip(name))))?;
    if is_gateway_owned(&name, own) { Err(EditError::Forbidden) } else { Ok(name) }
}

fn check_room(fields: usize, size: usize, name: &HeaderName, value: &HeaderValue) -> Result<(), EditError> {
    if fields >= MAX_FIELDS {
        return Err(too_many());
    }
    if size + name.as_str().len() + value.len() > MAX_HEAD {
        return Err(too_long("head", MAX_HEAD));
    }
    Ok(())
}

fn head_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

fn too_many() -> EditError {
    EditError::TooLarge(format!("there would be more than {MAX_FIELDS} fields"))
}

fn too_long(what: &str, limit: usize) -> EditError {
    EditError::TooLarge(format!("the {what} would be longer than {limit} bytes"))
}

/// A status that a plugin may answer with.
///
/// # Errors
/// It isn't within 200 and 599.
pub fn parse_status(status: u16) -> Result<StatusCode, EditError> {
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| (200..=599).contains(&status.as_u16()))
        .ok_or_else(|| EditError::Invalid(format!("the status {status} isn't within 200 and 599")))
}

/// An answer that a plugin made.
///
/// # Errors
/// What [`set_header`] and [`parse_status`] refuse, in words for the plugin's author.
pub fn local_response<N: AsRef<str>, V: AsRef<[u8]>>(
    status: u16,
    fields: impl IntoIterator<Item = (N, V)>,
    body: Bytes,
    own: &IdentityFields,
) -> Result<LocalResponse, String> {
    let status = parse_status(status).map_err(|error| error.to_string())?;
    Ok(LocalResponse { status, headers: checked_fields(fields, own)?, body })
}

/// The fields of a message that a plugin made.
///
/// # Errors
/// What [`set_header`] refuses, in words for the plugin's author.
pub fn header_map<N: AsRef<str>, V: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (N, V)>,
    own: &IdentityFields,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in checked_fields(fields, own)? {
        headers.try_append(name, value).map_err(|_| too_many().to_string())?;
    }
    Ok(headers)
}

fn checked_fields<N: AsRef<str>, V: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (N, V)>,
    own: &IdentityFields,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut size = 0;
    let mut checked = Vec::new();
    for (name, value) in fields {
        let (name, value) = checked_field(name.as_ref(), value.as_ref(), own).map_err(|error| match error {
            EditError::Forbidden => format!("the field `{}` is the gateway's own", clip(name.as_ref())),
            other => other.to_string(),
        })?;
        check_room(checked.len(), size, &name, &value).map_err(|error| error.to_string())?;
        size += name.as_str().len() + value.len();
        checked.push((name, value));
    }
    Ok(checked)
}

impl Exchange {
    /// What `plugin` keeps for this exchange; empty if it keeps nothing.
    pub fn state(&self, plugin: &str) -> &[u8] {
        self.states.iter().find(|(name, _)| **name == *plugin).map_or(&[], |(_, state)| state)
    }

    /// Keep `state` for later hooks of `plugin`.
    ///
    /// # Errors
    /// It has more than [`MAX_STATE`] bytes.
    pub fn set_state(&mut self, plugin: &std::sync::Arc<str>, state: Vec<u8>) -> Result<(), EditError> {
        if state.len() > MAX_STATE {
            return Err(too_long("state", MAX_STATE));
        }
        match self.states.iter_mut().find(|(name, _)| name == plugin) {
            Some((_, old)) => *old = state,
            None => self.states.push((plugin.clone(), state)),
        }
        Ok(())
    }

    /// A published attribute, as `plugin.attribute`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Publish an attribute of `plugin`.
    ///
    /// # Errors
    /// The name isn't made of letters, digits, `-`, `_` and `.`, or a bound is passed.
    pub fn set_attribute(&mut self, plugin: &str, name: &str, value: String) -> Result<(), EditError> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            let told = clip(name);
            return Err(EditError::Invalid(format!(
                "`{told}` is no attribute name: use letters, digits, `-`, `_`, `.`"
            )));
        }
        if name.len() + value.len() > MAX_ATTRIBUTE {
            return Err(too_long("attribute", MAX_ATTRIBUTE));
        }
        let full = format!("{plugin}.{name}");
        if let Some((_, old)) = self.attributes.iter_mut().find(|(found, _)| *found == full) {
            *old = value;
        } else if self.attributes.len() >= MAX_ATTRIBUTES {
            return Err(EditError::TooLarge(format!("there would be more than {MAX_ATTRIBUTES} attributes")));
        } else {
            self.attributes.push((full, value));
        }
        Ok(())
    }
}

/// Enough of a text to recognise it, without characters that play tricks on a terminal.
fn clip(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests;
