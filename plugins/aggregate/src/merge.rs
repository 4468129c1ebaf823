//! Many JSON texts into one object. Values stay byte for byte.

use std::collections::BTreeSet;

use sluice_plugin::json::Document;
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::Value;

/// The member that lists the branches that are left out.
pub const PARTIAL: &str = "_partial";

/// The answer on its way.
pub struct Merger {
    /// Members and values, as JSON, that have a name of their own.
    members: Vec<(String, String)>,
    /// Members of objects that are spread, which give way to the others.
    spread: Vec<(String, String)>,
    left_out: Vec<String>,
}

impl Merger {
    pub fn new() -> Self {
        Self { members: Vec::new(), spread: Vec::new(), left_out: Vec::new() }
    }

    /// Add what a branch answered.
    pub fn add(&mut self, name: &str, body: &Document, spread: bool) {
        match body.members() {
            Some(members) if spread => {
                self.spread.extend(members.into_iter().map(|(name, value)| (name, value.to_owned())));
            }
            _ => self.members.push((name.to_owned(), body.text().trim().to_owned())),
        }
    }

    /// Put a default, given as JSON, in place of what a branch didn't answer.
    pub fn fill_in(&mut self, name: &str, default: String, spread: bool) {
        self.left_out.push(name.to_owned());
        match Document::parse(default.as_bytes()) {
            Ok(default) if default.members().is_some() || !spread => self.add(name, &default, spread),
            // Nothing is to be spread.
            _ => {}
        }
    }

    /// The answer.
    pub fn finish(self) -> LocalResponse {
        let mut taken = BTreeSet::from([PARTIAL.to_owned()]);
        let mut body = String::from("{");
        for (name, value) in self.members.into_iter().chain(self.spread) {
            if taken.contains(&name) {
                continue;
            }
            push_member(&mut body, &name, &value);
            taken.insert(name);
        }
        if self.left_out.is_empty() {
            body.push('}');
            return LocalResponse::typed(200, "application/json", body);
        }
        let list = Value::from(self.left_out.clone()).to_string();
        push_member(&mut body, PARTIAL, &list);
        body.push('}');
        LocalResponse::typed(200, "application/json", body)
            .with_header("x-partial", self.left_out.join(", "))
            // What is missing now may be there in a moment.
            .with_header("cache-control", "no-store")
    }
}

fn push_member(body: &mut String, name: &str, value: &str) {
    if body.len() > 1 {
        body.push(',');
    }
    body.push_str(&Value::from(name).to_string());
    body.push(':');
    body.push_str(value);
}
