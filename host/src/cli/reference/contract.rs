//! The plugin contract: what there is, by name, and the files themselves.

use std::fmt::Write as _;
use std::fs;

use wit_parser::{Resolve, WorldItem};

use super::{cell, plain, root};

const HEAD: &str = "
# The plugin contract

The WIT package `sluice:plugin`, by which plugins and gateway know each other. A plugin exports the hooks that it serves, and imports the
capabilities that it uses, which have to be [granted](../configuration.md#plugin). A published interface never changes; what is new is a new
interface. [Writing plugins](../plugins.md) shows how to build on it.
";

/// In the order in which one reads them.
const FILES: [(&str, &str); 4] =
    [("hooks.wit", "Hooks"), ("capabilities.wit", "Capabilities"), ("types.wit", "Types"), ("worlds.wit", "Worlds")];

pub fn page() -> String {
    let folder = root().join("wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(&folder).unwrap();
    let package = &resolve.packages[package];
    let mut page = HEAD.to_owned();
    page.push_str("\n## Interfaces\n\n| Interface | Functions | About |\n|---|---|---|\n");
    for (name, id) in &package.interfaces {
        let interface = &resolve.interfaces[*id];
        let own = interface.functions.keys().map(|name| format!("`{}`", name.trim_start_matches("[method]")));
        writeln!(page, "| `{name}` | {} | {} |", own.collect::<Vec<_>>().join(" "), first(&interface.docs.contents))
            .unwrap();
    }
    page.push_str("\n## Worlds by role\n\n| World | Exports | About |\n|---|---|---|\n");
    for (name, id) in &package.worlds {
        let world = &resolve.worlds[*id];
        let exported = world.exports.values().filter_map(|item| match item {
            WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.as_ref().map(|name| format!("`{name}`")),
            _ => None,
        });
        writeln!(page, "| `{name}` | {} | {} |", exported.collect::<Vec<_>>().join(" "), last(&world.docs.contents))
            .unwrap();
    }
    for (name, title) in FILES {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        write!(page, "\n## {title}\n\n```wit\n{text}```\n").unwrap();
    }
    page
}

/// The first paragraph of what documents something.
fn first(docs: &Option<String>) -> String {
    cell(&plain(docs.as_deref().unwrap_or_default().split("\n\n").next().unwrap_or_default()))
}

/// The last line: remarks on a whole file count as documentation of what comes first in it.
fn last(docs: &Option<String>) -> String {
    cell(&plain(docs.as_deref().unwrap_or_default().trim().lines().last().unwrap_or_default()))
}

#[test]
fn every_file_of_the_contract_is_shown() {
    let shown = FILES.map(|(name, _)| name);
    for entry in fs::read_dir(root().join("wit")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(shown.contains(&name.as_str()), "{name}");
    }
}
