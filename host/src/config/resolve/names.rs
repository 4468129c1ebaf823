//! The names of one kind of entry, with where they are written.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::problem::{At, Fault, Place, Problems, quote};
use crate::config::suggest;
use crate::config::written::Head;

/// Comparing each of thousands of missing names with thousands of others takes long, and helps nobody.
pub(super) const MOST_SUGGESTIONS: usize = 100;

pub(super) struct Names<'a> {
    kind: &'static str,
    /// Positions among the entries of the kind.
    index: HashMap<&'a str, (usize, &'a Place)>,
    /// Whether an entry has no name, or there are entries under a misspelt key, so that a name that isn't
    /// found may be theirs.
    incomplete: bool,
}

impl<'a> Names<'a> {
    /// Collects the names, and reports those that are there twice.
    pub fn collect(
        kind: &'static str,
        heads: impl Iterator<Item = &'a Head>,
        misspelt: &[&str],
        problems: &Problems,
    ) -> Self {
        let mut index: HashMap<&'a str, (usize, &'a Place)> = HashMap::new();
        let mut incomplete = misspelt.contains(&kind);
        for (position, head) in heads.enumerate() {
            let Some(name) = &head.name else {
                incomplete = true;
                continue;
            };
            if let Some((_, first)) = index.get(&*name.value) {
                let message = format!("another {kind} has that name, at {first}");
                problems.add(
                    &name.place,
                    format!("{}: name", head.subject),
                    Fault::new(message, "rename one of the two"),
                );
                continue;
            }
            index.insert(&name.value, (position, &name.place));
        }
        Self { kind, index, incomplete }
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).map(|(position, _)| *position)
    }

    /// The names, sorted.
    pub fn sorted(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.index.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// The position of `name`. One that isn't there is reported for `key`.
    pub fn resolve(&self, name: &At<Arc<str>>, key: &str, problems: &Problems) -> Option<usize> {
        let found = self.position(&name.value);
        if found.is_none() && !self.incomplete {
            let remedy = if problems.len() > MOST_SUGGESTIONS {
                String::new()
            } else if self.index.is_empty() {
                format!("add a [[{}]] of that name", self.kind)
            } else {
                suggest::remedy(&name.value, &format!("{}s", self.kind), &self.sorted())
            };
            let fault = Fault::new(format!("there is no {} {}", self.kind, quote(&name.value)), remedy);
            problems.add(&name.place, key, fault);
        }
        found
    }

    /// Whether there may be names that couldn't be read.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }
}
