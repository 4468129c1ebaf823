//! Reads one table key by key, and reports all that is wrong with it. Knows nothing of what the keys
//! mean: its callers say which there are and how each is read.

use toml::de::{DeTable, DeValue};

use super::document::{Node, Source};
use super::problem::{At, Fault, Place, Problems, quote};
use super::suggest;

/// The keys that a table may have.
pub(super) struct Keys {
    pub known: &'static [&'static str],
    /// Part of the contract, but not of this version.
    pub later: &'static [&'static str],
}

/// One table being read.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    table: &'a DeTable<'a>,
    pub place: Place,
    /// What the whole is called in messages: `route "users"`. Empty for tables that stand alone.
    pub subject: String,
    /// The path to this table within it: `match`.
    path: String,
    /// Known keys that unknown ones were probably meant to be.
    misspelt: Vec<&'static str>,
    source: &'a Source,
    problems: &'a Problems,
}

impl<'a> Entry<'a> {
    /// The top level of a file.
    pub fn root(table: &'a DeTable<'a>, source: &'a Source, problems: &'a Problems) -> Self {
        let (place, subject, path) = (source.place(0), String::new(), String::new());
        Self { table, place, subject, path, misspelt: Vec::new(), source, problems }
    }

    /// A table that is an entry of an array, named in messages by its `name` key.
    pub fn named(node: Node<'a>, kind: &str, problems: &'a Problems) -> Option<Self> {
        let DeValue::Table(table) = node.value else { return None };
        let name = table.get("name").and_then(|value| Node::new(value, node.source()).text());
        let subject = name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {}", quote(name)));
        Some(Self {
            table,
            place: node.place(),
            subject,
            path: String::new(),
            misspelt: Vec::new(),
            source: node.source(),
            problems,
        })
    }

    /// Reports the keys that aren't among `keys`.
    pub fn allow(mut self, keys: &Keys) -> Self {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if keys.known.contains(&name) {
                continue;
            }
            let fault = if keys.later.contains(&name) {
                Fault::unsupported(quote(name), "remove it")
            } else {
                self.misspelt.extend(suggest::nearest(name, keys.known.iter().copied()));
                Fault::new(format!("unknown key {}", quote(name)), suggest::remedy(name, "valid keys", keys.known))
            };
            self.problems.add(&self.source.place(key.span().start), self.key(""), fault);
        }
        self
    }

    /// How `name` in this table is called in messages; the table itself if it is empty.
    pub fn key(&self, name: &str) -> String {
        let path = match (self.path.is_empty(), name.is_empty()) {
            (false, false) => format!("{}.{name}", self.path),
            (false, true) => self.path.clone(),
            (true, _) => name.to_owned(),
        };
        match (self.subject.is_empty(), path.is_empty()) {
            (true, _) => path,
            (false, true) => self.subject.clone(),
            (false, false) => format!("{}: {path}", self.subject),
        }
    }

    pub fn problems(&self) -> &'a Problems {
        self.problems
    }

    pub fn report(&self, place: &Place, name: &str, fault: Fault) {
        self.problems.add(place, self.key(name), fault);
    }

    pub fn node(&self, name: &str) -> Option<Node<'a>> {
        self.table.get(name).map(|value| Node::new(value, self.source))
    }

    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Whether a key that has been reported was probably meant to be `name`.
    pub fn is_misspelt(&self, name: &str) -> bool {
        self.misspelt.contains(&name)
    }

    /// Every key, with its place and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Place, Node<'a>)> + use<'a> {
        let source = self.source;
        let table = self.table;
        table.iter().map(move |(key, value)| {
            let name: &str = key.get_ref();
            (name, source.place(key.span().start), Node::new(value, source))
        })
    }

    /// Reads `name` with `parse`. `None` if it is absent or wrong; the latter is reported.
    pub fn read<T>(&self, name: &str, parse: impl FnOnce(Node<'a>) -> Result<T, Fault>) -> Option<At<T>> {
        self.parse(self.node(name)?, name, parse)
    }

    /// Reads `name`, which has to be there.
    pub fn require<T>(
        &self,
        name: &str,
        example: &str,
        parse: impl FnOnce(Node<'a>) -> Result<T, Fault>,
    ) -> Option<At<T>> {
        if !self.has(name) && !self.is_misspelt(name) {
            let fault = Fault::new(format!("missing key \"{name}\""), format!("add {name} = {example}"));
            self.report(&self.place, "", fault);
        }
        self.read(name, parse)
    }

    /// Reads the value of `node`, which is called `name`, with `parse`, and reports what is wrong.
    pub fn parse<T>(
        &self,
        node: Node<'a>,
        name: &str,
        parse: impl FnOnce(Node<'a>) -> Result<T, Fault>,
    ) -> Option<At<T>> {
        match parse(node) {
            Ok(value) => Some(node.at(value)),
            Err(fault) => {
                self.report(&node.place(), name, fault);
                None
            }
        }
    }

    /// The elements of the array `name`; one that isn't an array is reported.
    pub fn items(&self, name: &str, example: &str) -> Option<At<Vec<Node<'a>>>> {
        self.read(name, |node| {
            let wrong = || Fault::new(format!("expected an array, found {}", node.kind()), format!("write {example}"));
            Ok(node.items().ok_or_else(wrong)?.collect())
        })
    }

    /// The array `name`, each element read with `parse`. Elements that are wrong are reported and left out.
    pub fn list<T>(
        &self,
        name: &str,
        example: &str,
        mut parse: impl FnMut(Node<'a>) -> Result<T, Fault>,
    ) -> Option<At<Vec<At<T>>>> {
        let items = self.items(name, example)?;
        let value = items.value.into_iter().filter_map(|node| self.parse(node, name, &mut parse)).collect();
        Some(At { value, place: items.place })
    }

    /// The table `name` within this one.
    pub fn table(&self, name: &str, example: &str) -> Option<Self> {
        self.inner(self.node(name)?, name, example)
    }

    /// `node` as a table within this one, called `name`.
    pub fn inner(&self, node: Node<'a>, name: &str, example: &str) -> Option<Self> {
        let DeValue::Table(table) = node.value else {
            let fault = Fault::new(format!("expected a table, found {}", node.kind()), format!("write {example}"));
            self.report(&node.place(), name, fault);
            return None;
        };
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Some(Self { table, place: node.place(), path, misspelt: Vec::new(), ..self.clone() })
    }
}
