//! A JSON text and its edits.

use std::fmt;
use std::ops::Range;

use serde::de::IgnoredAny;

use super::pointer::Pointer;
use super::scan::{self, Value};

/// A JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document(String);

/// Why a text can't be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonError {
    /// It isn't JSON in UTF-8 (RFC 8259).
    Malformed,
    /// An object on the way has several members of that name; readers disagree about which counts.
    Duplicate(String),
    /// There is no such place, and none can be made: something on the way is no object, or an index is past
    /// the end of an array.
    NoPlace,
}

/// How far a pointer leads.
enum Found {
    /// All the way. `parent` is the container's range; none for the whole document.
    Value { range: Range<usize>, parent: Option<Parent> },
    /// To a container that lacks the next token. `missing` counts the tokens that are left.
    Missing { container: Range<usize>, missing: usize },
    /// Nowhere.
    Nothing,
}

/// The container of a value, and the value's part of it.
struct Parent {
    /// The whole entry: in an object with its name.
    entry: Range<usize>,
    /// The end of the entry before it, if there is one.
    before: Option<usize>,
    /// The start of the entry after it, if there is one.
    after: Option<usize>,
}

impl Document {
    /// Check a text.
    ///
    /// # Errors
    /// [`JsonError::Malformed`]
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(text).map_err(|_| JsonError::Malformed)?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| JsonError::Malformed)?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// The text of the value at a place, if there is one.
    ///
    /// # Errors
    /// [`JsonError::Duplicate`]
    pub fn find(&self, pointer: &Pointer) -> Result<Option<&str>, JsonError> {
        Ok(match self.follow(pointer)? {
            Found::Value { range, .. } => self.0.get(range),
            Found::Missing { .. } | Found::Nothing => None,
        })
    }

    /// Put a value, given as JSON, at a place. Objects that are missing on the way are made; `-` adds to an array.
    ///
    /// # Errors
    /// [`JsonError::Malformed`] if the value isn't JSON, [`JsonError::Duplicate`], [`JsonError::NoPlace`]
    pub fn set(&mut self, pointer: &Pointer, value: &str) -> Result<(), JsonError> {
        serde_json::from_str::<IgnoredAny>(value).map_err(|_| JsonError::Malformed)?;
        match self.follow(pointer)? {
            Found::Value { range, .. } => self.0.replace_range(range, value),
            Found::Missing { container, missing } => self.insert(&container, pointer, missing, value)?,
            Found::Nothing => return Err(JsonError::NoPlace),
        }
        Ok(())
    }

    /// Remove the value at a place. Whether there was one; the whole document can't be removed.
    ///
    /// # Errors
    /// [`JsonError::Duplicate`]
    pub fn remove(&mut self, pointer: &Pointer) -> Result<bool, JsonError> {
        let Found::Value { parent: Some(parent), .. } = self.follow(pointer)? else { return Ok(false) };
        // With its comma, and the white space up to it.
        let removed = match (parent.before, parent.after) {
            (Some(before), _) => before..parent.entry.end,
            (None, Some(after)) => parent.entry.start..after,
            (None, None) => parent.entry,
        };
        self.0.replace_range(removed, "");
        Ok(true)
    }

    /// The members of the whole document, if it is an object: names, decoded, and values, as texts.
    pub fn members(&self) -> Option<Vec<(String, &str)>> {
        let Value::Object(members) = scan::open(&self.0, &scan::whole(&self.0)) else { return None };
        let members =
            members.into_iter().filter_map(|member| Some((self.name(&member.name)?, self.0.get(member.value)?)));
        Some(members.collect())
    }

    fn follow(&self, pointer: &Pointer) -> Result<Found, JsonError> {
        let mut range = scan::whole(&self.0);
        let mut parent = None;
        for (depth, token) in pointer.0.iter().enumerate() {
            let entries: Vec<(Range<usize>, Range<usize>)> = match scan::open(&self.0, &range) {
                Value::Object(members) => members.into_iter().map(|m| (m.name.start..m.value.end, m.value)).collect(),
                Value::Array(elements) => elements.into_iter().map(|element| (element.clone(), element)).collect(),
                Value::Scalar => return Ok(Found::Nothing),
            };
            let index = match self.0.as_bytes().get(range.start) {
                Some(b'{') => self.member(&entries, token)?,
                _ => match index(token, entries.len()) {
                    Some(index) => index,
                    None => return Ok(Found::Nothing),
                },
            };
            let Some((entry, value)) = index.and_then(|index| entries.get(index)) else {
                return Ok(Found::Missing { container: range, missing: pointer.0.len() - depth });
            };
            let position = index.unwrap_or_default();
            parent = Some(Parent {
                entry: entry.clone(),
                before: position.checked_sub(1).and_then(|before| entries.get(before)).map(|(entry, _)| entry.end),
                after: entries.get(position + 1).map(|(entry, _)| entry.start),
            });
            range = value.clone();
        }
        Ok(Found::Value { range, parent })
    }

    /// The index of the member with a name.
    fn member(&self, entries: &[(Range<usize>, Range<usize>)], name: &str) -> Result<Option<usize>, JsonError> {
        let mut found = None;
        for (index, (entry, _)) in entries.iter().enumerate() {
            if self.name(entry).as_deref() == Some(name) {
                if found.is_some() {
                    return Err(JsonError::Duplicate(name.to_owned()));
                }
                found = Some(index);
            }
        }
        Ok(found)
    }

    /// The decoded string at the start of a range.
    fn name(&self, range: &Range<usize>) -> Option<String> {
        let text = self.0.get(range.clone())?;
        serde_json::Deserializer::from_str(text).into_iter::<String>().next()?.ok()
    }

    /// Put a new entry at the end of a container.
    fn insert(
        &mut self,
        container: &Range<usize>,
        pointer: &Pointer,
        missing: usize,
        value: &str,
    ) -> Result<(), JsonError> {
        let tokens = pointer.0.get(pointer.0.len().saturating_sub(missing)..).unwrap_or_default();
        let Some((first, rest)) = tokens.split_first() else { return Err(JsonError::NoPlace) };
        let mut entry = String::new();
        let last = match scan::open(&self.0, container) {
            Value::Object(members) => {
                push_name(&mut entry, first);
                members.last().map(|member| member.value.end)
            }
            Value::Array(elements) => elements.last().map(|element| element.end),
            Value::Scalar => return Err(JsonError::NoPlace),
        };
        for token in rest {
            entry.push('{');
            push_name(&mut entry, token);
        }
        entry.push_str(value);
        entry.extend(rest.iter().map(|_| '}'));
        match last {
            Some(end) => self.0.insert_str(end, &format!(",{entry}")),
            None => self.0.insert_str(container.start + 1, &entry),
        }
        Ok(())
    }
}

/// What a token means in an array: an element, or none for the place after the last one.
fn index(token: &str, len: usize) -> Option<Option<usize>> {
    if token == "-" {
        return Some(None);
    }
    let canonical = token == "0" || !token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit());
    let index: usize = if canonical { token.parse().ok()? } else { return None };
    match index {
        index if index < len => Some(Some(index)),
        index if index == len => Some(None),
        _ => None,
    }
}

fn push_name(out: &mut String, name: &str) {
    out.push_str(&serde_json::Value::from(name).to_string());
    out.push(':');
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("it isn't JSON"),
            Self::Duplicate(name) => write!(f, "it has several members named `{name}` in one object"),
            Self::NoPlace => f.write_str("it has no such place"),
        }
    }
}

impl std::error::Error for JsonError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, edit: impl FnOnce(&mut Document) -> Result<(), JsonError>) -> Result<String, JsonError> {
        let mut document = Document::parse(text.as_bytes())?;
        edit(&mut document)?;
        // Whatever was done, it still is JSON.
        Document::parse(document.text().as_bytes())?;
        Ok(document.into_text())
    }

    fn set(text: &str, pointer: &str, value: &str) -> Result<String, JsonError> {
        edited(text, |document| document.set(&Pointer::parse(pointer).unwrap(), value))
    }

    fn remove(text: &str, pointer: &str) -> Result<String, JsonError> {
        edited(text, |document| document.remove(&Pointer::parse(pointer).unwrap()).map(drop))
    }

    #[test]
    fn finds_what_the_rfc_says() {
        let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        let document = Document::parse(text.as_bytes()).unwrap();
        for (pointer, value) in [
            ("", text),
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(document.find(&Pointer::parse(pointer).unwrap()).unwrap(), Some(value), "{pointer}");
        }
        for pointer in ["/x", "/foo/2", "/foo/-", "/foo/00", "/foo/bar", "/a~1b/c", "/foo/+1"] {
            assert_eq!(document.find(&Pointer::parse(pointer).unwrap()).unwrap(), None, "{pointer}");
        }
        for pointer in ["x", "/~", "/~2"] {
            assert!(Pointer::parse(pointer).is_err(), "{pointer}");
        }
    }

    #[test]
    fn sets_and_keeps_the_rest() {
        let text = "\n{ \"a\" : 1.10 , \"b\":[ 1, {\"c\":\"}]\\\"\"} ] }\n";
        assert_eq!(set(text, "/a", "2").unwrap(), text.replace("1.10", "2"));
        assert_eq!(set(text, "/b/1/c", "null").unwrap(), text.replace("\"}]\\\"\"", "null"));
        assert_eq!(set(text, "/b/-", "2").unwrap(), text.replace("\"} ]", "\"},2 ]"));
        assert_eq!(set(text, "/b/2", "2").unwrap(), text.replace("\"} ]", "\"},2 ]"));
        assert_eq!(set(text, "/x/y~1/z", "[]").unwrap(), text.replace("] }", "],\"x\":{\"y/\":{\"z\":[]}} }"));
        assert_eq!(set(" { } ", "/x", "1").unwrap(), " {\"x\":1 } ");
        assert_eq!(set("[]", "/0/a", "1").unwrap(), "[{\"a\":1}]");
        assert_eq!(set(" 7 ", "", "{}").unwrap(), " {} ");
        assert_eq!(set("{\"\\u0061\":1}", "/a", "2").unwrap(), "{\"\\u0061\":2}");
    }

    #[test]
    fn says_why_it_cant_set() {
        assert_eq!(set("{\"a\":1}", "/a/b", "1"), Err(JsonError::NoPlace));
        assert_eq!(set("[1]", "/5", "1"), Err(JsonError::NoPlace));
        assert_eq!(set("[1]", "/x", "1"), Err(JsonError::NoPlace));
        assert_eq!(set("{}", "/a", "}"), Err(JsonError::Malformed));
        assert_eq!(set("{", "/a", "1"), Err(JsonError::Malformed));
        assert_eq!(set("{\"a\":1,\"\\u0061\":2}", "/a", "1"), Err(JsonError::Duplicate("a".into())));
        assert_eq!(remove("{\"a\":1,\"a\":2}", "/a"), Err(JsonError::Duplicate("a".into())));
    }

    #[test]
    fn removes_with_the_right_comma() {
        let text = "{ \"a\": 1, \"b\": [ 1, 2 , 3 ], \"c\": {} }";
        assert_eq!(remove(text, "/a").unwrap(), "{ \"b\": [ 1, 2 , 3 ], \"c\": {} }");
        assert_eq!(remove(text, "/b").unwrap(), "{ \"a\": 1, \"c\": {} }");
        assert_eq!(remove(text, "/c").unwrap(), "{ \"a\": 1, \"b\": [ 1, 2 , 3 ] }");
        assert_eq!(remove(text, "/b/1").unwrap(), text.replace(", 2 ,", " ,"));
        assert_eq!(remove("[1]", "/0").unwrap(), "[]");
        for pointer in ["", "/x", "/b/-", "/b/3", "/a/x"] {
            assert_eq!(remove(text, pointer).unwrap(), text, "{pointer}");
        }
    }

    #[test]
    fn lists_members() {
        let document = Document::parse(br#" {"a": [1], "\u0062" :"x" } "#).unwrap();
        assert_eq!(document.members().unwrap(), [("a".to_owned(), "[1]"), ("b".to_owned(), "\"x\"")]);
        assert_eq!(Document::parse(b"[]").unwrap().members(), None);
    }
}
