//! The repository itself: what ARCHITECTURE.md says of the modules holds, and links in documents lead somewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::components::root;

/// Modules by their floor, as the table in ARCHITECTURE.md has them.
fn floors() -> BTreeMap<String, u8> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut floors = BTreeMap::new();
    for row in text.lines().filter_map(|line| line.strip_prefix("| ")) {
        let mut cells = row.split(" | ");
        let (Some(Ok(floor)), Some(modules)) = (cells.next().map(str::parse), cells.next()) else { continue };
        floors.extend(modules.split('`').skip(1).step_by(2).map(|name| (name.to_owned(), floor)));
    }
    floors
}

/// All files below `folder` with that extension, without what was built or belongs to version control.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found
}

/// The modules that a line of code names by `crate::`; also `use crate::{a, b}`.
fn named(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default();
    let word = |text: &'static str| move |c: char| !(c.is_alphanumeric() || text.contains(c));
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group.split([',', '}']).filter_map(|part| part.trim().split("::").next())),
            None => names.extend(rest.split(word("_")).next()),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn modules_import_from_lower_floors_alone() {
    let floors = floors();
    let source = root().join("host/src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in files(&source, "rs") {
        let relative = path.strip_prefix(&source).unwrap();
        let own = relative.components().next().unwrap().as_os_str().to_string_lossy();
        let own = own.trim_end_matches(".rs");
        // Tests may build what they test out of anything.
        if own == "lib" || relative.to_string_lossy().contains("tests") {
            continue;
        }
        let floor = *floors.get(own).unwrap_or_else(|| panic!("ARCHITECTURE.md has no floor for `{own}`"));
        let text = fs::read_to_string(&path).unwrap();
        for line in text.split("\n#[cfg(test)]").next().unwrap().lines() {
            for name in named(line).into_iter().filter(|name| *name != own) {
                seen += 1;
                let Some(other) = floors.get(name) else {
                    wrong.push(format!("{}: `{name}` has no floor", relative.display()));
                    continue;
                };
                // Those of the highest floor know everyone, those of the lowest each other.
                let fits = *other < floor || (*other == floor && [0, 6].contains(&floor));
                if !fits {
                    wrong.push(format!("{}: `{own}` ({floor}) knows `{name}` ({other})", relative.display()));
                }
            }
        }
    }
    assert!(seen > 150, "only {seen} imports were found: the search is broken");
    assert_eq!(wrong, [] as [String; 0]);
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for path in files(root(), "md") {
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            seen += 1;
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            if !target.exists() || !(anchor.is_empty() || has_heading(&target, anchor)) {
                broken.push(format!("{}: {link}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(seen > 20, "only {seen} links were found: the search is broken");
    assert_eq!(broken, [] as [String; 0]);
}

/// Whether a document has a heading that is linked by `anchor`: in lower case, with hyphens for spaces.
fn has_heading(path: &Path, anchor: &str) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix('#')).any(|heading| {
        let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
        let slug: String = heading.trim_start_matches('#').trim().chars().filter(kept).collect();
        slug.to_lowercase().replace(' ', "-") == anchor
    })
}

#[test]
fn the_dashboard_s_libraries_are_as_they_were_fetched() {
    let vendor = root().join("host/dashboard/vendor");
    let checked = std::process::Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&vendor)
        .output();
    let checked = checked.expect("sha256sum runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let listed = fs::read_to_string(vendor.join("SHA256SUMS")).unwrap();
    let scripts = files(&vendor, "js").len() + files(&vendor, "css").len();
    assert_eq!(listed.lines().count(), scripts, "a library isn't listed");
}
