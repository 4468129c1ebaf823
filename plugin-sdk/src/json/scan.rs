//! Finding one's way in a text that is known to be JSON. Yields ranges of it; never copies, never panics, and
//! on text that isn't JSON finds nothing or nonsense.

use std::ops::Range;

/// A member of an object: its name in quotes, and its value.
pub(super) struct Member {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// What a value is, as far as an edit must know.
pub(super) enum Value {
    Object(Vec<Member>),
    Array(Vec<Range<usize>>),
    Scalar,
}

/// Where the only value of a text is, without the white space around it.
pub(super) fn whole(text: &str) -> Range<usize> {
    let mut scanner = Scanner { text: text.as_bytes(), at: 0 };
    scanner.skip_space();
    scanner.value()
}

/// Take a value apart, one level deep.
pub(super) fn open(text: &str, value: &Range<usize>) -> Value {
    let bytes = text.as_bytes().get(..value.end).unwrap_or_default();
    let mut scanner = Scanner { text: bytes, at: value.start };
    match scanner.peek() {
        Some(b'{') => Value::Object(scanner.members()),
        Some(b'[') => Value::Array(scanner.elements()),
        _ => Value::Scalar,
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Go past a byte, if it is next after white space.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn members(&mut self) -> Vec<Member> {
        let mut members = Vec::new();
        self.take(b'{');
        self.skip_space();
        while self.peek() == Some(b'"') {
            let name = self.value();
            self.take(b':');
            self.skip_space();
            members.push(Member { name, value: self.value() });
            if !self.take(b',') {
                break;
            }
            self.skip_space();
        }
        members
    }

    fn elements(&mut self) -> Vec<Range<usize>> {
        let mut elements = Vec::new();
        self.take(b'[');
        self.skip_space();
        while !matches!(self.peek(), None | Some(b']')) {
            elements.push(self.value());
            if !self.take(b',') {
                break;
            }
            self.skip_space();
        }
        elements
    }

    /// Go past a value that begins here.
    fn value(&mut self) -> Range<usize> {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => break,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                break;
            }
        }
        start..self.at
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return,
                b'\\' => self.at += 1,
                _ => {}
            }
        }
    }
}
