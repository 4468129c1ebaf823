//! Path patterns: `/users/{id}`, `/files/*`. Literals are brought to the form that request paths have
//! after normalization, so that comparing bytes is enough. Pure.

use std::sync::Arc;

use super::document::Node;
use super::model::{PathPattern, Segment};
use super::problem::{Fault, quote};
use super::values::text;

/// `match.path`.
pub(super) fn path_pattern(node: Node<'_>) -> Result<PathPattern, Fault> {
    let written = text(node, "a path such as \"/users/{id}\"", "put it in quotes")?;
    parse(written).map_err(|(what, remedy)| {
        Fault::new(
            format!("expected a path such as \"/users/{{id}}\" or \"/files/*\", but {} {what}", quote(written)),
            remedy,
        )
    })
}

/// What is wrong with a pattern, and the remedy.
pub(super) type Wrong = (String, String);

fn wrong<T>(what: impl Into<String>, remedy: impl Into<String>) -> Result<T, Wrong> {
    Err((what.into(), remedy.into()))
}

pub(super) fn parse(written: &str) -> Result<PathPattern, Wrong> {
    let Some(rest) = written.strip_prefix('/') else {
        return if written == "*" {
            wrong("doesn't begin with a slash", "write \"/*\" for every path")
        } else {
            wrong("doesn't begin with a slash", "begin it with a slash")
        };
    };
    if rest == "*" {
        return Ok(PathPattern { segments: Vec::new(), prefix: true });
    }
    let (body, prefix) = match rest.strip_suffix("/*") {
        Some(body) => (body, true),
        None => (rest, false),
    };
    let parts: Vec<&str> = body.split('/').collect();
    let mut segments = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        if part.is_empty() && (prefix || !last) {
            return wrong("has two slashes in a row", "write one; requests' slashes are merged too");
        }
        let segment = parse_segment(part)?;
        if segments.contains(&segment) && matches!(segment, Segment::Capture(_)) {
            return wrong(format!("names {part} twice"), "give each capture a name of its own");
        }
        segments.push(segment);
    }
    Ok(PathPattern { segments, prefix })
}

fn parse_segment(part: &str) -> Result<Segment, Wrong> {
    if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return if is_capture_name(name) {
            Ok(Segment::Capture(Arc::from(name)))
        } else {
            wrong(
                format!("has a capture without a valid name, {}", quote(part)),
                "name it with letters, digits, hyphens and underscores: \"{id}\"",
            )
        };
    }
    if part.contains(['{', '}']) {
        return wrong("has a capture that isn't a whole segment", "let {name} stand alone between two slashes");
    }
    if part.contains('*') {
        return wrong("has a \"*\" that isn't its last segment", "use {name} for one segment, and /* at the end alone");
    }
    canonical_literal(part).map(Segment::Literal)
}

/// What may stand between the braces of a capture.
pub(super) fn is_capture_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(inner)
}

/// Escapes in canonical form (RFC 3986, section 6.2.2): unreserved characters as themselves, hex digits
/// in upper case. Characters that no path may hold are escaped.
fn canonical_literal(part: &str) -> Result<String, Wrong> {
    let mut out = String::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let Some((high, low)) = hex(bytes.next()).zip(hex(bytes.next())) else {
                    return wrong("has an invalid escape", "write % and two hexadecimal digits; a percent sign is %25");
                };
                match u8::try_from(high * 16 + low).unwrap_or(0) {
                    b'/' | b'\\' | b'.' | 0 => {
                        return wrong(
                            "has an encoded slash, backslash, dot or NUL",
                            "leave it out; requests with such paths are refused",
                        );
                    }
                    decoded if is_unreserved(decoded) => out.push(char::from(decoded)),
                    decoded => escape(&mut out, decoded),
                }
            }
            b'?' | b'#' => return wrong("has a query or fragment", "match queries with match.query"),
            b'\\' | 0..=0x1f | 0x7f => return wrong("has a backslash or control character", "remove it"),
            byte if is_path_character(byte) => out.push(char::from(byte)),
            byte => escape(&mut out, byte),
        }
    }
    if is_dot_segment(&out) {
        return wrong("has a dot segment", "write the path without it; requests' dot segments are resolved or refused");
    }
    Ok(out)
}

/// `.` and `..`, also with a parameter, which some servers cut off.
fn is_dot_segment(literal: &str) -> bool {
    let Some(rest) = literal.strip_prefix('.') else { return false };
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    rest.is_empty() || rest.starts_with(';') || rest.starts_with("%3B")
}

fn escape(out: &mut String, byte: u8) {
    out.push('%');
    for digit in [byte >> 4, byte & 15] {
        out.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// `pchar` of RFC 3986, section 3.3, without escapes.
fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(written: &str) -> String {
        match parse(written) {
            Ok(pattern) => {
                let mut out = String::new();
                for segment in &pattern.segments {
                    match segment {
                        Segment::Literal(text) => out.push_str(&format!("/{text}")),
                        Segment::Capture(name) => out.push_str(&format!("/<{name}>")),
                    }
                }
                if pattern.prefix { format!("{out}/**") } else { out }
            }
            Err((what, _)) => format!("! {what}"),
        }
    }

    #[test]
    fn patterns_are_parsed() {
        assert_eq!(show("/"), "/");
        assert_eq!(show("/*"), "/**");
        assert_eq!(show("/users/{id}"), "/users/<id>");
        assert_eq!(show("/users/{id}/*"), "/users/<id>/**");
        assert_eq!(show("/users/"), "/users/");
        assert_eq!(parse("/users/").unwrap().segments, [Segment::Literal("users".into()), Segment::Literal("".into())]);
    }

    #[test]
    fn literals_are_brought_to_canonical_form() {
        assert_eq!(show("/%7euser/%41"), "/~user/A");
        assert_eq!(show("/a%3bb"), "/a%3Bb");
        assert_eq!(show("/a;b:c@d"), "/a;b:c@d");
        assert_eq!(show("/grüße"), "/gr%C3%BC%C3%9Fe");
        assert_eq!(show("/a b"), "/a%20b");
    }

    #[test]
    fn wrong_patterns_are_refused() {
        assert_eq!(show("users"), "! doesn't begin with a slash");
        assert_eq!(show(""), "! doesn't begin with a slash");
        assert_eq!(show("*"), "! doesn't begin with a slash");
        assert_eq!(show("//"), "! has two slashes in a row");
        assert_eq!(show("//*"), "! has two slashes in a row");
        assert_eq!(show("/a//b"), "! has two slashes in a row");
        assert_eq!(show("/a//*"), "! has two slashes in a row");
        assert_eq!(show("/a/*/b"), "! has a \"*\" that isn't its last segment");
        assert_eq!(show("/a*"), "! has a \"*\" that isn't its last segment");
        assert_eq!(show("/x{id}"), "! has a capture that isn't a whole segment");
        assert_eq!(show("/{}"), "! has a capture without a valid name, \"{}\"");
        assert_eq!(show("/{a}/{a}"), "! names {a} twice");
        assert_eq!(show("/a/../b"), "! has a dot segment");
        assert_eq!(show("/a/."), "! has a dot segment");
        assert_eq!(show("/..;x/a"), "! has a dot segment");
        assert_eq!(show("/.%3bx"), "! has a dot segment");
        assert_eq!(show("/..."), "/...");
        assert_eq!(show("/a%2fb"), "! has an encoded slash, backslash, dot or NUL");
        assert_eq!(show("/%2e%2e/b"), "! has an encoded slash, backslash, dot or NUL");
        assert_eq!(show("/a%2"), "! has an invalid escape");
        assert_eq!(show("/a%zz"), "! has an invalid escape");
        assert_eq!(show("/a?b=1"), "! has a query or fragment");
        assert_eq!(show("/a\\b"), "! has a backslash or control character");
    }
}
