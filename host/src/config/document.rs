//! One file as parsed: values that know their line. Knows TOML, and nothing of what the keys mean.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{At, Fault, Place, Problems};

/// The name of a file and where its lines begin.
pub(super) struct Source {
    file: Arc<Path>,
    /// Offsets of the line feeds.
    breaks: Vec<usize>,
}

impl Source {
    fn new(file: Arc<Path>, text: &str) -> Self {
        Self { file, breaks: text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect() }
    }

    pub fn place(&self, offset: usize) -> Place {
        Place { file: self.file.clone(), line: self.breaks.partition_point(|at| *at < offset) + 1 }
    }
}

/// A parsed file. What could be parsed is there, even beside syntax errors.
pub(super) struct Document<'t> {
    pub source: Source,
    root: Spanned<DeTable<'t>>,
    /// Lines of the syntax errors, ascending.
    damaged: Vec<usize>,
}

impl<'t> Document<'t> {
    /// Parses `text`. Syntax errors become problems, one for a line.
    pub fn parse(text: &'t str, file: Arc<Path>, problems: &Problems) -> Self {
        /// One unclosed bracket can make an error of every line below it.
        const MOST: usize = 10;
        let source = Source::new(file, text);
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut found: Vec<(usize, String)> = errors
            .iter()
            .map(|error| {
                let offset = error.span().map_or(0, |span| span.start);
                (source.place(offset).line, error.message().to_owned())
            })
            .collect();
        found.sort_by_key(|(line, _)| *line);
        found.dedup_by_key(|(line, _)| *line);
        for (line, message) in found.iter().take(MOST) {
            let place = Place { file: source.file.clone(), line: *line };
            problems.add(&place, "", Fault::new(format!("not valid TOML: {message}"), syntax_remedy(message)));
        }
        Self { source, root, damaged: found.into_iter().map(|(line, _)| line).collect() }
    }

    pub fn root(&self) -> &DeTable<'t> {
        self.root.get_ref()
    }

    /// Whether there were syntax errors, so that names may be missing which are written.
    pub fn is_damaged(&self) -> bool {
        !self.damaged.is_empty()
    }

    /// Whether the top-level table that `line` belongs to is free of syntax errors. In one that isn't,
    /// keys may seem missing or wrong that are neither.
    pub fn is_sound_at(&self, line: usize) -> bool {
        if !self.is_damaged() {
            return true;
        }
        let starts = self.entry_lines();
        let next = starts.partition_point(|start| *start <= line);
        let begin = next.checked_sub(1).and_then(|index| starts.get(index)).copied().unwrap_or(0);
        let end = starts.get(next).copied().unwrap_or(usize::MAX);
        !self.damaged.iter().any(|damage| (begin..end).contains(damage))
    }

    /// The lines on which the top-level tables begin, ascending.
    fn entry_lines(&self) -> Vec<usize> {
        let mut lines = Vec::new();
        for (key, value) in self.root().iter() {
            lines.push(self.source.place(key.span().start).line);
            if let DeValue::Array(items) = value.get_ref() {
                lines.extend(items.iter().map(|item| self.source.place(item.span().start).line));
            }
        }
        lines.sort_unstable();
        lines
    }
}

/// What mends a syntax error, by what the parser says about it.
fn syntax_remedy(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "remove one of the two, or write [[…]] if another entry is meant"
    } else if message.contains("must be quoted") {
        "put the value in quotes"
    } else if message.contains("unclosed") || message.contains("expected `\"`") || message.contains("expected `'`") {
        "close what is opened here or above"
    } else if message.contains("key with no value") {
        "write key = value"
    } else {
        "correct this line or the one before it"
    }
}

/// A value in a document.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub value: &'a DeValue<'a>,
    offset: usize,
    source: &'a Source,
}

impl<'a> Node<'a> {
    pub fn new(value: &'a Spanned<DeValue<'a>>, source: &'a Source) -> Self {
        Self { value: value.get_ref(), offset: value.span().start, source }
    }

    pub fn source(&self) -> &'a Source {
        self.source
    }

    pub fn place(&self) -> Place {
        self.source.place(self.offset)
    }

    pub fn at<T>(&self, value: T) -> At<T> {
        At { value, place: self.place() }
    }

    /// The elements, if this is an array.
    pub fn items(&self) -> Option<impl Iterator<Item = Node<'a>> + use<'a>> {
        let source = self.source;
        match self.value {
            DeValue::Array(items) => Some(items.iter().map(move |item| Node::new(item, source))),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn text(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// Its type in words.
    pub fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }
}
