//! The one spelling of a path: match, plugins and upstream see the same bytes. Refuses what two readers
//! could take for two things; never looks at the host or the query's meaning.

use std::borrow::Cow;

use crate::config::model::EncodedSlashes;

use super::percent::{is_path_character, is_unreserved, push_escape, split_escape};

/// Why a target is answered with 400. The client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path doesn't begin with a slash")]
    NotAbsolute,
    #[error("the path has `?` or `#` in it")]
    Delimiter,
    #[error("the path has a `%` without two hexadecimal digits after it")]
    InvalidEscape,
    #[error("the path has an encoded slash")]
    EncodedSlash,
    #[error("the path has an encoded dot")]
    EncodedDot,
    #[error("the path has a backslash")]
    Backslash,
    #[error("the path has an encoded NUL")]
    EncodedNul,
    #[error("the path or the query has a control character")]
    ControlCharacter,
    #[error("the path has a dot segment with a parameter")]
    DotParameter,
    #[error("the path climbs above its root")]
    AboveRoot,
}

/// The normal form of a path (origin-form, without query). What is normal already isn't copied; what is
/// borrowed may be shorter than `path` all the same: `/a/.` is its own beginning `/a/`.
///
/// - Empty segments are left out: `//` is `/`.
/// - Dot segments are resolved (RFC 3986, section 5.2.4), after slashes were merged.
/// - Escapes of unreserved characters are decoded, others get upper-case digits (sections 6.2.2.1, 6.2.2.2).
/// - Characters that can't stand in a path are escaped.
///
/// A trailing slash stays. Applied again, nothing changes.
///
/// # Errors
/// The path could mean something else to an upstream: see [`PathError`].
pub fn normalize(path: &str) -> Result<Cow<'_, str>, PathError> {
    normalize_with(path, EncodedSlashes::Reject)
}

/// The same, where encoded slashes may be accepted: kept as characters of their segment, or decoded before anything
/// else is done.
///
/// # Errors
/// As [`normalize`].
pub fn normalize_with(path: &str, slashes: EncodedSlashes) -> Result<Cow<'_, str>, PathError> {
    if slashes == EncodedSlashes::Decode && (path.contains("%2F") || path.contains("%2f")) {
        let decoded = path.replace("%2F", "/").replace("%2f", "/");
        return normalize(&decoded).map(|normal| Cow::Owned(normal.into_owned()));
    }
    if is_plain(path) {
        return Ok(Cow::Borrowed(path));
    }
    let Some(relative) = path.strip_prefix('/') else { return Err(PathError::NotAbsolute) };
    let mut out = Output { path, borrowed: 0, owned: None };
    let mut segments = relative.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "" | "." if last => out.push("", Form::Normal),
            "" | "." => out.take_over(),
            ".." => {
                out.pop()?;
                if last {
                    out.push("", Form::Normal);
                }
            }
            _ => out.push(segment, form(segment, slashes)?),
        }
    }
    Ok(out.finish())
}

/// Whether a path has nothing in it that asks for a closer look, as most have.
fn is_plain(path: &str) -> bool {
    let mut after_slash = false;
    let quiet = path.bytes().all(|byte| {
        let odd = after_slash && matches!(byte, b'/' | b'.');
        after_slash = byte == b'/';
        !odd && PLAIN[usize::from(byte)]
    });
    quiet && path.starts_with('/')
}

/// Bytes that stand for themselves in a path, and the slash. One for each byte, so that every index fits.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < plain.len() {
        plain[byte] = byte == b'/' as usize || is_path_character(byte as u8);
        byte += 1;
    }
    plain
};

/// Nothing in a query is changed; a control character in it is refused.
///
/// # Errors
/// [`PathError::ControlCharacter`]
pub fn check_query(query: &str) -> Result<(), PathError> {
    if query.bytes().any(|byte| byte.is_ascii_control()) { Err(PathError::ControlCharacter) } else { Ok(()) }
}

/// Whether a segment has to be written anew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Normal,
    Other,
}

fn form(segment: &str, slashes: EncodedSlashes) -> Result<Form, PathError> {
    refuse_dot_parameter(segment)?;
    let mut form = Form::Normal;
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if is_path_character(byte) {
            rest = after;
        } else if byte == b'%' {
            let (decoded, after) = split_escape(rest).ok_or(PathError::InvalidEscape)?;
            match (decoded, slashes) {
                (b'/', EncodedSlashes::Keep) => refuse_hidden_dots(segment)?,
                _ => refuse_escape_of(decoded)?,
            }
            let lower_case = rest.iter().take(3).any(u8::is_ascii_lowercase);
            if is_unreserved(decoded) || lower_case {
                form = Form::Other;
            }
            rest = after;
        } else {
            refuse_raw(byte)?;
            form = Form::Other;
            rest = after;
        }
    }
    Ok(form)
}

/// A server that decodes slashes mustn't find dot segments between them.
fn refuse_hidden_dots(segment: &str) -> Result<(), PathError> {
    let mut rest = segment.as_bytes();
    loop {
        let end = rest.windows(3).position(|three| three.eq_ignore_ascii_case(b"%2f"));
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        if matches!(part, b"." | b".." | [b'.', b';', ..] | [b'.', b'.', b';', ..]) {
            return Err(PathError::EncodedSlash);
        }
        if end.is_none() {
            return Ok(());
        }
        rest = after.get(3..).unwrap_or_default();
    }
}

/// Servers that cut off parameters see a dot segment in `..;x`, others don't.
fn refuse_dot_parameter(segment: &str) -> Result<(), PathError> {
    let Some(rest) = segment.strip_prefix('.') else { return Ok(()) };
    let rest = rest.strip_prefix('.').unwrap_or(rest).as_bytes();
    if matches!(rest, [b';', ..] | [b'%', b'3', b'b' | b'B', ..]) { Err(PathError::DotParameter) } else { Ok(()) }
}

fn refuse_escape_of(byte: u8) -> Result<(), PathError> {
    match byte {
        b'/' => Err(PathError::EncodedSlash),
        b'.' => Err(PathError::EncodedDot),
        b'\\' => Err(PathError::Backslash),
        0 => Err(PathError::EncodedNul),
        _ => Ok(()),
    }
}

fn refuse_raw(byte: u8) -> Result<(), PathError> {
    match byte {
        b'\\' => Err(PathError::Backslash),
        b'?' | b'#' => Err(PathError::Delimiter),
        _ if byte.is_ascii_control() => Err(PathError::ControlCharacter),
        _ => Ok(()),
    }
}

/// The path as far as it is known: a part of the original as long as that will do.
struct Output<'a> {
    path: &'a str,
    /// How much of `path` is the output, if nothing is owned.
    borrowed: usize,
    owned: Option<String>,
}

impl<'a> Output<'a> {
    /// A slash and a segment. Until the first difference, this is what comes next in `path`.
    fn push(&mut self, segment: &str, form: Form) {
        if form == Form::Other {
            self.take_over();
        }
        match &mut self.owned {
            None => self.borrowed += 1 + segment.len(),
            Some(out) => {
                out.push('/');
                match form {
                    Form::Normal => out.push_str(segment),
                    Form::Other => rewrite(segment.as_bytes(), out),
                }
            }
        }
    }

    /// The last segment goes.
    fn pop(&mut self) -> Result<(), PathError> {
        self.take_over();
        let out = self.owned.get_or_insert_default();
        let cut = out.rfind('/').ok_or(PathError::AboveRoot)?;
        out.truncate(cut);
        Ok(())
    }

    /// From here on the output isn't a part of `path` any more.
    fn take_over(&mut self) {
        if self.owned.is_none() {
            let mut out = String::with_capacity(self.path.len());
            out.push_str(self.path.get(..self.borrowed).unwrap_or_default());
            self.owned = Some(out);
        }
    }

    fn finish(self) -> Cow<'a, str> {
        match self.owned {
            Some(out) => Cow::Owned(out),
            None => Cow::Borrowed(self.path.get(..self.borrowed).unwrap_or_default()),
        }
    }
}

/// A segment that [`form`] found valid.
fn rewrite(mut rest: &[u8], out: &mut String) {
    while let Some((&byte, after)) = rest.split_first() {
        let (value, escaped, after) = match split_escape(rest) {
            Some((value, after)) => (value, !is_unreserved(value), after),
            None => (byte, !is_path_character(byte), after),
        };
        if escaped {
            push_escape(out, value)
        } else {
            out.push(char::from(value))
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(path: &str) -> Result<String, PathError> {
        normalize(path).map(Cow::into_owned)
    }

    #[test]
    fn normal_paths_are_not_copied() {
        for path in ["/", "/a", "/a/", "/a/b.c/...", "/a;v=1/b", "/gr%C3%BC%C3%9Fe/a%20b", "/.well-known/x", "/a:b@c"] {
            assert!(matches!(normalize(path), Ok(Cow::Borrowed(same)) if same == path), "{path}");
        }
    }

    #[test]
    fn slashes_are_merged_and_dot_segments_resolved() {
        for (raw, normal) in [
            ("//", "/"),
            ("//a", "/a"),
            ("/a//b///", "/a/b/"),
            ("/.", "/"),
            ("/a/.", "/a/"),
            ("/a/./b", "/a/b"),
            ("/./a", "/a"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/b/../c", "/a/c"),
            ("/a/b/c/../../d/", "/a/d/"),
            ("/a//../b", "/b"),
            ("/a/b/..", "/a/"),
        ] {
            assert_eq!(owned(raw).as_deref(), Ok(normal), "{raw}");
        }
    }

    #[test]
    fn escapes_get_one_spelling() {
        for (raw, normal) in [
            ("/%7euser/%41b", "/~user/Ab"),
            ("/a%3bb%3B", "/a%3Bb%3B"),
            ("/grüße", "/gr%C3%BC%C3%9Fe"),
            ("/a|b[c]\"", "/a%7Cb%5Bc%5D%22"),
            ("/%25%32%66", "/%252f"),
            ("/a//%61", "/a/a"),
            ("/100%25", "/100%25"),
            ("/%0a", "/%0A"),
        ] {
            assert_eq!(owned(raw).as_deref(), Ok(normal), "{raw}");
        }
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for (raw, error) in [
            ("", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("a/b", PathError::NotAbsolute),
            ("http://x/", PathError::NotAbsolute),
            ("/a%2Fb", PathError::EncodedSlash),
            ("/a%2fb", PathError::EncodedSlash),
            ("/a%5Cb", PathError::Backslash),
            ("/a\\b", PathError::Backslash),
            ("/%2e%2e/a", PathError::EncodedDot),
            ("/.%2E/a", PathError::EncodedDot),
            ("/a%2eb", PathError::EncodedDot),
            ("/a%", PathError::InvalidEscape),
            ("/a%2", PathError::InvalidEscape),
            ("/a%zz", PathError::InvalidEscape),
            ("/a%+1", PathError::InvalidEscape),
            ("/a%/b", PathError::InvalidEscape),
            ("/%00", PathError::EncodedNul),
            ("/a\0", PathError::ControlCharacter),
            ("/a\tb", PathError::ControlCharacter),
            ("/a\x7f", PathError::ControlCharacter),
            ("/a?b", PathError::Delimiter),
            ("/a#b", PathError::Delimiter),
            ("/..;/a", PathError::DotParameter),
            ("/a/..;x=1/b", PathError::DotParameter),
            ("/.;x", PathError::DotParameter),
            ("/..%3b/a", PathError::DotParameter),
            ("/..", PathError::AboveRoot),
            ("/../a", PathError::AboveRoot),
            ("/a/../../b", PathError::AboveRoot),
            ("/a//../..", PathError::AboveRoot),
        ] {
            assert_eq!(owned(raw), Err(error), "{raw}");
        }
    }

    #[test]
    fn encoded_slashes_are_what_they_are_said_to_be() {
        let with = |path, slashes| normalize_with(path, slashes).map(Cow::into_owned);
        for (raw, kept, decoded) in [
            ("/a%2fb", "/a%2Fb", "/a/b"),
            ("/a/b%2F.../c", "/a/b%2F.../c", "/a/b/.../c"),
            ("/a%2F%2fb", "/a%2F%2Fb", "/a/b"),
            ("/a%252Fb", "/a%252Fb", "/a%252Fb"),
            ("/a", "/a", "/a"),
        ] {
            assert_eq!(with(raw, EncodedSlashes::Keep).as_deref(), Ok(kept), "{raw}");
            assert_eq!(with(raw, EncodedSlashes::Decode).as_deref(), Ok(decoded), "{raw}");
            assert_eq!(with(kept, EncodedSlashes::Keep).as_deref(), Ok(kept), "{raw}");
        }
        for slashes in [EncodedSlashes::Keep, EncodedSlashes::Decode] {
            assert_eq!(with("/a%2eb", slashes), Err(PathError::EncodedDot));
            assert_eq!(with("/a%5Cb", slashes), Err(PathError::Backslash));
        }
        for hidden in ["/a/..%2fb", "/a/b%2F..", "/a%2f.%2Fb", "/a%2f..;x%2Fb"] {
            assert_eq!(with(hidden, EncodedSlashes::Keep), Err(PathError::EncodedSlash), "{hidden}");
        }
        assert_eq!(with("/a/b%2F..%2f..", EncodedSlashes::Decode).as_deref(), Ok("/"));
        assert_eq!(with("/..%2fa", EncodedSlashes::Decode), Err(PathError::AboveRoot));
    }

    #[test]
    fn queries_are_free_of_control_characters() {
        assert_eq!(check_query("a=%00&b=../[]|"), Ok(()));
        assert_eq!(check_query("a\rb"), Err(PathError::ControlCharacter));
    }
}
