//! The configuration in documents: what they show is taken by the reader, and fits the schema.

use std::collections::BTreeSet;
use std::fs;

use super::*;

/// How a block of TOML is marked, after its language.
#[derive(Debug, PartialEq)]
enum Kind {
    /// A configuration as it stands.
    Whole,
    /// A part, which lacks entries that it names.
    Fragment,
    /// Cases of `sluice plugin test`, which the command line looks at.
    Cases,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All documents below a folder, without what was built and what projects are made of.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "templates", "fuzz"].contains(&&*name) && !name.starts_with('.') {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Blocks of TOML with their marks and lines.
fn blocks(text: &str) -> Vec<(usize, Kind, String)> {
    let mut blocks: Vec<(usize, Kind, String)> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(mark) => {
                let mut words = mark.split_whitespace();
                inside = words.next() == Some("toml");
                if inside {
                    let kind = match words.next() {
                        Some("fragment") => Kind::Fragment,
                        Some("cases") => Kind::Cases,
                        Some(file) if !file.starts_with("file=") => panic!("line {}: what is {file:?}?", number + 1),
                        _ => Kind::Whole,
                    };
                    blocks.push((number + 1, kind, String::new()));
                }
            }
            None if inside => {
                let (.., text) = blocks.last_mut().unwrap();
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// The names of all entries of a kind.
fn defined(file: &toml::Table, kind: &str) -> BTreeSet<String> {
    let entries = file.get(kind).and_then(toml::Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.get("name")?.as_str()?.to_owned())).collect()
}

/// All texts at `key`, wherever it is: alone, in a list, or as the `name` of tables in one.
fn named(value: &toml::Value, keys: &[&str], found: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, inner) in table {
                if keys.contains(&key.as_str()) {
                    let one = |value: &toml::Value| {
                        let name = value.get("name").unwrap_or(value);
                        name.as_str().map(str::to_owned)
                    };
                    found.extend(one(inner));
                    found.extend(inner.as_array().into_iter().flatten().filter_map(one));
                    if key == "sni" {
                        found.extend(inner.as_table().into_iter().flatten().filter_map(|(_, name)| one(name)));
                    }
                }
                named(inner, keys, found);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| named(item, keys, found)),
        _ => {}
    }
}

/// What a part lacks: the clusters that it names, and a listener. Plugins are dropped into `plugins`.
fn completion(text: &str, plugins: &Path) -> String {
    let file: toml::Table = text.parse().unwrap();
    let find = |keys: &[&str]| {
        let mut found = BTreeSet::new();
        named(&toml::Value::Table(file.clone()), keys, &mut found);
        found
    };
    let mut more = String::new();
    for name in find(&["cluster", "clusters", "sni", "http-client"]).difference(&defined(&file, "cluster")) {
        more.push_str(&format!("[[cluster]]\nname = \"{name}\"\nendpoints = [\"127.0.0.1:9\"]\n"));
    }
    if !file.contains_key("listener") {
        more.push_str("[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n");
    }
    for name in find(&["plugins", "plugin"]).difference(&defined(&file, "plugin")) {
        fs::write(plugins.join(format!("{name}.wasm")), "").unwrap();
    }
    more
}

/// What environment variables have, by what they are called.
fn environment(name: &str) -> Option<String> {
    Some(if name.ends_with("_URL") { "redis://127.0.0.1:6379" } else { "word" }.to_owned())
}

#[test]
fn configurations_in_documents_are_right() {
    let mut paths = Vec::new();
    documents(&root(), &mut paths);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for (line, kind, block) in blocks(&text) {
            if kind == Kind::Cases {
                continue;
            }
            seen += 1;
            let directory = tempfile::tempdir().unwrap();
            for folder in ["plugins", "routes.d", "secrets"] {
                fs::create_dir(directory.path().join(folder)).unwrap();
            }
            // What secrets and endpoints are read from.
            for file in block.split("file = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let path = directory.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "127.0.0.1:9\n").unwrap();
            }
            let more = if kind == Kind::Fragment {
                completion(&block, &directory.path().join("plugins"))
            } else {
                String::new()
            };
            let whole = format!("{block}\n{more}");
            let own = directory.path().join("sluice.toml");
            let place = format!("{}:{line}", path.strip_prefix(root()).unwrap().display());
            if let Err(problems) = Loading::new(&own, &environment).run(Some(&whole)).outcome {
                wrong.push(format!("{place}: {problems:#?}"));
            }
            wrong.extend(schema::check(&whole).into_iter().map(|misfit| format!("{place}: schema: {misfit}")));
        }
    }
    assert!(seen > 25, "only {seen} blocks were found: the search is broken");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn configurations_of_examples_fit_the_schema() {
    let mut wrong = Vec::new();
    let mut folders = vec![root().join("examples"), root().join("config")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".toml") && name != "Cargo.toml" {
                let text = fs::read_to_string(&path).unwrap();
                wrong.extend(schema::check(&text).into_iter().map(|misfit| format!("{}: {misfit}", path.display())));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}
