//! `sluice plugin new`: makes a project that builds a plugin. Never overwrites anything.

mod files;
mod language;
mod role;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

pub use language::Language;
pub use role::Role;
use sluice::config::model::Capability;

use super::fail;

#[derive(Debug, Args)]
pub struct New {
    /// The plugin's name, which is also the folder's: lower-case letters, digits and `-`
    name: String,
    /// What it is written in
    #[arg(long, value_enum)]
    lang: Language,
    /// What it is for
    #[arg(long, value_enum)]
    role: Role,
    /// What it may use besides what its role needs; may be given more than once
    #[arg(long, value_parser = role::capabilities(), value_name = "CAPABILITY")]
    grant: Vec<Capability>,
}

/// Make the project in a new folder of the current one.
pub fn new(args: &New) -> ExitCode {
    if let Err(why) = check_name(&args.name) {
        return fail(format_args!("{:?} can't be a plugin's name: {why}", args.name));
    }
    let project = Project::new(args);
    match project.write(Path::new(&args.name)) {
        Ok(()) => {
            println!("{}/ is a plugin in {}, role {}.\n", args.name, args.lang.title(), args.role.name());
            println!("    cd {}", args.name);
            println!("    sh build.sh");
            println!("    sluice plugin test {}.wasm", args.name);
            println!("    sluice plugin dev\n");
            println!("Then change {}. README.md says more.", args.lang.source());
            ExitCode::SUCCESS
        }
        Err(why) => fail(why),
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err("it must begin with a lower-case letter");
    }
    if name.len() > 64 || name.ends_with('-') || name.contains("--") || !name.bytes().all(legal) {
        return Err("it must be made of at most 64 lower-case letters, digits and single `-`");
    }
    Ok(())
}

/// The files of a project.
struct Project(Vec<(PathBuf, String)>);

impl Project {
    fn new(args: &New) -> Self {
        let mut capabilities = args.role.capabilities().to_vec();
        for grant in &args.grant {
            // Twice in a world or in a configuration is an error.
            if !capabilities.contains(grant) {
                capabilities.push(*grant);
            }
        }
        let words = words(args, &capabilities);
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        let mut add = |path: &str, text: &str| files.push((path.into(), fill(text, &words)));
        add("README.md", files::README);
        add(".gitignore", files::IGNORE);
        if let Some((_, cases)) =
            files::CASES.iter().find(|(name, _)| name.strip_suffix(".toml") == Some(args.role.name()))
        {
            add("cases.toml", cases);
        }
        for (path, text) in args.lang.files(args.role) {
            add(&path, text);
        }
        // These are copied to the letter.
        for (path, text) in args.lang.libraries() {
            files.push((path.into(), text.to_owned()));
        }
        Self(files)
    }

    fn write(&self, folder: &Path) -> Result<(), String> {
        let at = |path: &Path, error: std::io::Error| format!("{}: can't be made: {error}", path.display());
        fs::create_dir(folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("{} is there already; choose another name, or remove it", folder.display())
            }
            _ => at(folder, error),
        })?;
        for (path, text) in &self.0 {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| at(parent, error))?;
            }
            fs::write(&path, text).map_err(|error| at(&path, error))?;
        }
        Ok(())
    }
}

/// What `{{WORD}}` stands for in a template.
fn words(args: &New, capabilities: &[Capability]) -> Vec<(&'static str, String)> {
    let imports: String = capabilities
        .iter()
        .filter(|_| args.lang.names_imports())
        .map(|capability| format!("  import sluice:plugin/{}@0.1.0;\n", capability.name()))
        .collect();
    vec![
        ("NAME", args.name.clone()),
        ("SNAKE", args.name.replace('-', "_")),
        ("ROLE", args.role.name().to_owned()),
        ("WORLD", args.role.world().to_owned()),
        ("IMPORTS", imports),
        ("LANGUAGE", args.lang.title().to_owned()),
        ("SOURCE", args.lang.source().to_owned()),
        ("GRANTS", role::grants(args.role, capabilities)),
        (
            "LIMITS",
            args.lang.memory().map(|least| format!("\nlimits = {{ memory = \"{least}\" }}")).unwrap_or_default(),
        ),
        ("CONFIG", args.role.config().to_owned()),
        ("USE", args.role.example(&args.name)),
        ("NOTES", args.lang.notes().to_owned()),
        ("IMPORT", args.lang.import().to_owned()),
        ("VERSION", env!("CARGO_PKG_VERSION").to_owned()),
    ]
}

fn fill(text: &str, words: &[(&str, String)]) -> String {
    words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(&format!("{{{{{word}}}}}"), value))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn args(lang: Language, role: Role) -> New {
        New { name: "my-plugin".into(), lang, role, grant: vec![Capability::Clock, Capability::HttpClient] }
    }

    #[test]
    fn every_project_is_whole() {
        for lang in Language::value_variants() {
            for role in Role::value_variants() {
                let project = Project::new(&args(*lang, *role));
                let has = |name: &str| project.0.iter().any(|(path, _)| path.to_str() == Some(name));
                for name in ["README.md", "cases.toml", "build.sh", lang.source()] {
                    assert!(has(name), "{lang:?} {role:?}: {name}");
                }
                let mut paths: Vec<_> = project.0.iter().map(|(path, _)| path).collect();
                paths.sort();
                paths.dedup();
                assert_eq!(paths.len(), project.0.len(), "{lang:?} {role:?}: a file occurs twice");
                for (path, text) in &project.0 {
                    let ours = path.starts_with("sdk");
                    assert!(ours || !text.contains("{{"), "{lang:?} {role:?}: {}", path.display());
                }
            }
        }
    }

    #[test]
    fn what_is_granted_twice_is_named_once() {
        use Capability::{Clock, HttpClient, Kv};
        let grant = vec![Clock, Kv, HttpClient, Clock, HttpClient];
        let project = Project::new(&New { grant, ..args(Language::Python, Role::Aggregate) });
        for (file, once) in [
            ("wit/plugin.wit", "import sluice:plugin/clock@"),
            ("wit/plugin.wit", "import sluice:plugin/http-client@"),
            ("README.md", "\"clock\""),
            ("README.md", "http-client ="),
        ] {
            let (_, text) = project.0.iter().find(|(path, _)| path.to_str() == Some(file)).unwrap();
            assert_eq!(text.matches(once).count(), 1, "{once} in {file}:\n{text}");
        }
    }

    #[test]
    fn no_file_of_the_sdk_is_forgotten() {
        fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, found);
                } else {
                    found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/src");
        let mut found = Vec::new();
        walk(&root, &root, &mut found);
        found.sort();
        let mut listed: Vec<_> = files::SDK.iter().map(|(name, _)| (*name).to_owned()).collect();
        listed.sort();
        assert_eq!(listed, found, "keep cli/new/files.rs as the folder is");
    }

    #[test]
    fn names_are_checked() {
        for name in ["a", "my-plugin2"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "-a", "A", "a_b", "a-", "a--b", "../a", "a/b", "2a"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
