//! The gateway's rules for what plugins write, as far as a plugin can meet them.

use crate::{EditError, Field, LocalResponse};

pub(super) fn check_method(method: &str) -> Result<(), EditError> {
    if method.len() > 32 || !Field::is_name(method) || method == "CONNECT" {
        return Err(EditError::Invalid("the method is no token of at most 32 characters, or CONNECT".into()));
    }
    Ok(())
}

/// The path as the gateway would have it: dot segments resolved, slashes merged.
pub(super) fn normalize(path: &str) -> Result<String, EditError> {
    let invalid = |what: &str| Err(EditError::Invalid(what.to_owned()));
    let Some(relative) = path.strip_prefix('/') else { return invalid("the path must start with `/`") };
    if path.contains(['?', '#', '\\']) || path.chars().any(char::is_control) {
        return invalid("the path has characters that must be percent-encoded");
    }
    let lower = path.to_ascii_lowercase();
    if ["%2f", "%2e", "%5c", "%00"].iter().any(|escape| lower.contains(escape)) {
        return invalid("the path has an encoded slash, dot, backslash or NUL");
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in relative.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.pop().is_none() => return invalid("the path climbs above its root"),
            ".." => {}
            _ => segments.push(segment),
        }
    }
    let directory = matches!(relative.rsplit('/').next(), Some("" | "." | "..")) && !segments.is_empty();
    Ok(format!("/{}{}", segments.join("/"), if directory { "/" } else { "" }))
}

pub(super) fn check_query(query: &str) -> Result<(), EditError> {
    if query.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>".contains(&byte)) {
        return Ok(());
    }
    Err(EditError::Invalid("the query must be percent-encoded".into()))
}

pub(super) fn check_status(status: u16) -> Result<(), EditError> {
    if (200..=599).contains(&status) {
        return Ok(());
    }
    Err(EditError::Invalid(format!("the status {status} isn't within 200 and 599")))
}

pub(super) fn set(fields: &mut Vec<Field>, name: &str, value: &[u8]) -> Result<(), EditError> {
    check_field(name, value)?;
    fields.retain(|field| !field.name.eq_ignore_ascii_case(name));
    fields.push(Field::new(name, value));
    Ok(())
}

pub(super) fn append(fields: &mut Vec<Field>, name: &str, value: &[u8]) -> Result<(), EditError> {
    check_field(name, value)?;
    fields.push(Field::new(name, value));
    Ok(())
}

pub(super) fn remove(fields: &mut Vec<Field>, name: &str) -> Result<(), EditError> {
    check_name(name)?;
    fields.retain(|field| !field.name.eq_ignore_ascii_case(name));
    Ok(())
}

/// An answer that the gateway would take.
pub(super) fn check_answer(answer: &LocalResponse) -> Result<(), EditError> {
    check_status(answer.status)?;
    check_fields(&answer.headers)
}

pub(super) fn check_fields(fields: &[Field]) -> Result<(), EditError> {
    fields.iter().try_for_each(|field| check_field(&field.name, &field.value))
}

fn check_field(name: &str, value: &[u8]) -> Result<(), EditError> {
    check_name(name)?;
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(EditError::Invalid(format!("the value for `{name}` has control characters")));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), EditError> {
    if !Field::is_name(name) {
        return Err(EditError::Invalid(format!("`{}` is no field name", name.escape_debug())));
    }
    if Field::is_gateway_owned(name) { Err(EditError::Forbidden) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_as_the_gateway_does() {
        for (path, normal) in
            [("/a/./b//c", "/a/b/c"), ("/a/../b", "/b"), ("/a/b/..", "/a/"), ("/", "/"), ("/a/", "/a/")]
        {
            assert_eq!(normalize(path).as_deref(), Ok(normal), "{path}");
        }
        for path in ["a", "/..", "/a%2fb", "/a\\b", "/%2e%2e/x", "/a?b"] {
            assert!(normalize(path).is_err(), "{path}");
        }
    }

    #[test]
    fn guards_the_gateways_fields() {
        let mut fields = Vec::new();
        assert_eq!(set(&mut fields, "Content_Length", b"5"), Err(EditError::Forbidden));
        assert!(matches!(set(&mut fields, "x y", b"5"), Err(EditError::Invalid(_))));
        assert!(matches!(set(&mut fields, "x", b"5\r\nhost: evil"), Err(EditError::Invalid(_))));
        append(&mut fields, "X", b"1").unwrap();
        append(&mut fields, "x", b"2").unwrap();
        set(&mut fields, "x", b"3").unwrap();
        assert_eq!(fields, [Field::new("x", "3")]);
        remove(&mut fields, "X").unwrap();
        assert!(fields.is_empty());
    }
}
