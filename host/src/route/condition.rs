//! What a route asks of a request beside host and path: methods, header fields, query parameters.

use http::{HeaderName, Method};

use super::percent::Decoded;
use super::table::RouteRequest;
use crate::config::model::{Match, ValuePattern};

/// The conditions of one route.
#[derive(Debug)]
pub(super) struct Conditions {
    /// Empty: any. With `GET` stands `HEAD`.
    methods: Vec<Method>,
    headers: Vec<(HeaderName, ValuePattern)>,
    query: Vec<(String, ValuePattern)>,
}

impl Conditions {
    pub(super) fn of(matcher: &Match) -> Self {
        let mut methods = matcher.methods.clone();
        if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
            methods.push(Method::HEAD);
        }
        Self { methods, headers: matcher.headers.clone(), query: matcher.query.clone() }
    }

    pub(super) fn accepts(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    pub(super) fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Whether header fields and query are as wanted. A field or parameter that occurs more than once
    /// is as wanted if one of its values is, so that a stricter route isn't evaded by repeating one.
    pub(super) fn hold(&self, request: &RouteRequest<'_>) -> bool {
        self.headers.iter().all(|(name, wanted)| has_header(request, name, wanted))
            && self.query.iter().all(|(name, wanted)| has_parameter(request.query, name, wanted))
    }
}

fn has_header(request: &RouteRequest<'_>, name: &HeaderName, wanted: &ValuePattern) -> bool {
    match wanted {
        ValuePattern::Present => request.headers.contains_key(name),
        ValuePattern::Exact(value) => request.headers.get_all(name).iter().any(|found| found == value.as_str()),
    }
}

fn has_parameter(query: Option<&str>, name: &str, wanted: &ValuePattern) -> bool {
    let Some(query) = query else { return false };
    query.split('&').any(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        !pair.is_empty()
            && is_text(found, name)
            && match wanted {
                ValuePattern::Present => true,
                ValuePattern::Exact(wanted) => is_text(value, wanted),
            }
    })
}

fn is_text(encoded: &str, text: &str) -> bool {
    Decoded::query(encoded).eq(text.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_any_occurrence_counts() {
        let exact = |value: &str| ValuePattern::Exact(value.into());
        let query = Some("a=1&a=2&b+c=%C3%BC&d&&e=");
        assert!(has_parameter(query, "a", &exact("1")) && has_parameter(query, "a", &exact("2")));
        assert!(has_parameter(query, "b c", &exact("ü")));
        assert!(has_parameter(query, "d", &ValuePattern::Present) && has_parameter(query, "d", &exact("")));
        assert!(has_parameter(query, "e", &exact("")));
        assert!(!has_parameter(query, "a", &exact("3")));
        assert!(!has_parameter(query, "", &ValuePattern::Present));
        assert!(!has_parameter(None, "a", &ValuePattern::Present));
    }
}
