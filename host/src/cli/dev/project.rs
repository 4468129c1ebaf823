//! A plugin's project on disk: what of it is source, how it is built, and where the component comes out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use sluice::reload::watch::Watched;

/// Folders that are made by building, or that tools keep.
const MADE: [&str; 6] = ["target", "node_modules", "build", "dist", "venv", "__pycache__"];
/// Files that building changes.
const MADE_FILES: [&str; 3] = ["wasm", "lock", "sum"];
/// Files that are watched; more, and it is no plugin's project.
const MOST_FILES: usize = 10_000;

/// A project's folder.
#[derive(Clone)]
pub struct Project {
    folder: PathBuf,
    /// What a shell runs in the folder.
    command: String,
}

/// How building failed.
pub struct Failure(pub String);

impl Project {
    /// # Errors
    /// It is no folder, or doesn't say how it is built.
    pub fn open(folder: &Path, command: Option<String>) -> Result<Self, String> {
        let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
        let command = match command {
            Some(command) => command,
            None if folder.join("build.sh").is_file() => "sh build.sh".to_owned(),
            None => {
                return Err(format!(
                    "{}: there is no build.sh; name the command that builds the component with --build",
                    folder.display()
                ));
            }
        };
        Ok(Self { folder, command })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn command(&self) -> &str {
        &self.command
    }

    /// What the plugin is called: as its folder.
    pub fn name(&self) -> String {
        self.folder.file_name().map_or_else(|| "plugin".into(), |name| name.to_string_lossy().into_owned())
    }

    /// Its cases, which also say how it is configured; they may not be there.
    pub fn cases(&self) -> PathBuf {
        self.folder.join("cases.toml")
    }

    /// What the cases say of the plugin's configuration; nothing, without cases.
    ///
    /// # Errors
    /// They can't be read.
    pub fn plugin(&self) -> Result<toml::Table, String> {
        let path = self.cases();
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(toml::Table::new()),
            Err(error) => return Err(wrong(&error)),
        };
        let mut cases: toml::Table = text.parse().map_err(|error| wrong(&error))?;
        match cases.remove("plugin") {
            Some(toml::Value::Table(plugin)) => Ok(plugin),
            None => Ok(toml::Table::new()),
            Some(_) => Err(wrong(&"`plugin` isn't a table")),
        }
    }

    /// The files whose changes matter, as they are now.
    pub fn sources(&self) -> Watched {
        let mut files = vec![self.cases()];
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                let is_hidden = name.starts_with('.');
                if is_hidden || files.len() >= MOST_FILES {
                    continue;
                }
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && !MADE.contains(&name.as_str()) => folders.push(path),
                    Ok(kind) if !kind.is_dir() && !is_made(&path) => files.push(path),
                    _ => {}
                }
            }
        }
        files.sort_unstable();
        files.dedup();
        Watched { files, directories: Vec::new() }
    }

    /// Build it, and find what came out. Blocks.
    ///
    /// # Errors
    /// What the command said.
    pub fn build(&self) -> Result<PathBuf, Failure> {
        let mut command = Command::new("sh");
        // Both in the order in which they come.
        command.arg("-c").arg(format!("{{ {}\n}} 2>&1", self.command)).current_dir(&self.folder);
        // Languages whose bindings this program makes look for it there.
        if let (None, Ok(own)) = (std::env::var_os("SLUICE"), std::env::current_exe()) {
            command.env("SLUICE", own);
        }
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| Failure(format!("sh: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
            return Err(Failure(if said.is_empty() { output.status.to_string() } else { said }));
        }
        self.component().ok_or_else(|| Failure("it was built, but there is no .wasm file in the folder".to_owned()))
    }

    /// The component: `NAME.wasm`, or the newest one in the folder.
    fn component(&self) -> Option<PathBuf> {
        let own = self.folder.join(format!("{}.wasm", self.name()));
        if own.is_file() {
            return Some(own);
        }
        let files = std::fs::read_dir(&self.folder).ok()?.flatten().map(|entry| entry.path());
        let components = files.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        let written =
            |path: &PathBuf| path.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        components.max_by_key(written)
    }
}

fn is_made(path: &Path) -> bool {
    let has = |known: &str| path.extension().is_some_and(|extension| extension == known);
    MADE_FILES.into_iter().any(has) || path.file_name().is_some_and(|name| name == "package-lock.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let project = Project::open(folder.path(), None).unwrap();
        (folder, project)
    }

    #[test]
    fn what_building_makes_is_no_source() {
        let (_folder, project) = project(&[
            ("build.sh", ""),
            ("src/lib.rs", ""),
            ("src/deep/key.rs", ""),
            ("target/release/x.rs", ""),
            (".venv/x.py", ""),
            ("Cargo.lock", ""),
            ("a.wasm", ""),
        ]);
        let relative = |path: PathBuf| path.strip_prefix(project.folder()).unwrap().display().to_string();
        let files: Vec<String> = project.sources().files.into_iter().map(relative).collect();
        assert_eq!(files, ["build.sh", "cases.toml", "src/deep/key.rs", "src/lib.rs"]);
    }

    #[test]
    fn building_gives_a_component_or_says_what_was_said() {
        let (_folder, good) = project(&[("build.sh", "echo made; touch x.wasm")]);
        assert_eq!(good.build().ok().unwrap(), good.folder().join("x.wasm"));
        let (_folder, bad) = project(&[("build.sh", "echo one; echo two >&2; exit 3")]);
        assert_eq!(bad.build().err().unwrap().0, "one\ntwo");
        let (_folder, silent) = project(&[("build.sh", "exit 3")]);
        assert!(silent.build().err().unwrap().0.contains('3'));
        let (_folder, empty) = project(&[("build.sh", "true")]);
        assert!(empty.build().err().unwrap().0.contains("no .wasm"));
        assert!(Project::open(Path::new("/nowhere"), None).is_err());
    }
}
