//! What a plugin is written in: the files of a project, and what its author has to know.

use clap::ValueEnum;

use super::files::{self, File};
use super::role::Role;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    Python,
    C,
    #[value(name = "cpp", alias = "c++")]
    Cpp,
    Go,
}

/// A file of a project and its text.
pub type Placed = (String, &'static str);

impl Language {
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
            Self::Python => "Python",
            Self::C => "C",
            Self::Cpp => "C++",
            Self::Go => "Go",
        }
    }

    /// The file that the author changes.
    pub fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::JavaScript => "plugin.js",
            Self::TypeScript => "plugin.ts",
            Self::Python => "plugin.py",
            Self::C => "plugin.c",
            Self::Cpp => "plugin.cpp",
            Self::Go => "plugin.go",
        }
    }

    /// Whether `wit/plugin.wit` has to name what is imported. Other languages import what they use.
    pub fn names_imports(self) -> bool {
        matches!(self, Self::JavaScript | Self::TypeScript | Self::Python)
    }

    /// What an instance has to have at least, with some ease; none: the default is enough.
    pub fn memory(self) -> Option<&'static str> {
        match self {
            Self::Python => Some("64MiB"),
            Self::Go => Some("32MiB"),
            _ => None,
        }
    }

    /// How one more capability is imported.
    pub fn import(self) -> &'static str {
        match self {
            Self::Rust => "`sdk/src/lib.rs`: using a module imports it",
            Self::JavaScript | Self::TypeScript | Self::Python => {
                "`wit/plugin.wit` for the import, and `sluice/` for the module that goes with it"
            }
            Self::C => "`sluice/capabilities.h`: using one imports it",
            Self::Cpp => "`sluice/capabilities.hpp`: using one imports it",
            Self::Go => "the packages in `sluice/`: using one imports it",
        }
    }

    pub fn notes(self) -> &'static str {
        match self {
            Self::Rust => {
                "The SDK is in `sdk`, in the version of the gateway that made this project; `cargo doc --open -p sluice-plugin` shows it.\n\
                 `sluice_plugin::test` runs hooks natively, in `cargo test`."
            }
            Self::JavaScript | Self::TypeScript => {
                "It runs in QuickJS, without the interfaces of browsers or Node: no fetch, timers, console, URL or TextEncoder; the modules\n\
                 in `sluice/` are what there is. An import that the plugin names in `wit/plugin.wit` has to be granted, used or not.\n\
                 `Date.now()` traps and `Math.random()` is the same in every instance: use `sluice/clock.js` and `sluice/random.js`."
            }
            Self::Python => {
                "It runs in CPython, all of it in the component: 18 MB, and some seconds to compile when the gateway first sees it. Import\n\
                 modules at the top of a file only. An import that the plugin names in `wit/plugin.wit` has to be granted, used or not.\n\
                 There are no files and sockets, `time.time()` traps and `random` has the same seed in every instance: use `sluice.clock`,\n\
                 `sluice.random` and, instead of `print`, `sluice.log`."
            }
            Self::Go => {
                "`sluice/roles.go` has the interfaces of the roles: for bodies, add the methods of `RequestBodyFilter` and the like, and export\n\
                 their hooks in `wit/plugin.wit`. After a first build, `go test .` runs tests of your own, with the doubles in `sluice/sluicetest`.\n\
                 There are no files, sockets, environment and timers: a goroutine that sleeps ends the instance. `time.Now` doesn't know the\n\
                 time and `crypto/rand` ends the instance: use `sluice/clock` and `sluice/random`. What is printed goes to the log."
            }
            Self::Cpp => {
                "`sluice/sluice.hpp` has what plugins work with, and `sluice/roles.hpp` the classes of the roles: for bodies, derive from\n\
                 `BodyFilter` or `StreamFilter` and export its hooks in `wit/plugin.wit`. It is compiled by zig as C++20 without exceptions,\n\
                 with the libc of WASI and nothing behind it: no files, no sockets, no environment, no time. What is printed goes to the log."
            }
            Self::C => {
                "`sluice/sluice.h` has the hooks and all that they work with. It is compiled by zig, with the libc of WASI and nothing behind\n\
                 it: no files, no sockets, no environment, no time. What is printed goes to the log. For bodies, export their hooks in\n\
                 `wit/plugin.wit` and define the functions."
            }
        }
    }

    /// Where each file goes that has words to fill in; one of them is for the role.
    pub fn files(self, role: Role) -> Vec<Placed> {
        let (templates, extension) = match self {
            Self::Rust => (files::RUST, ".rs"),
            Self::JavaScript => (files::JAVASCRIPT, ".js"),
            Self::TypeScript => (files::TYPESCRIPT, ".ts"),
            Self::Python => (files::PYTHON, ".py"),
            Self::C => (files::C, ".c"),
            Self::Cpp => (files::CPP, ".cpp"),
            Self::Go => (files::GO, ".go"),
        };
        let of_role = |stem: &str| files::CASES.iter().any(|(name, _)| name.strip_suffix(".toml") == Some(stem));
        let mut placed = Vec::new();
        for (name, text) in templates {
            if let Some(stem) = name.strip_suffix("_test.go") {
                if stem == role.name() {
                    placed.push(("plugin_test.go".into(), *text));
                }
                continue;
            }
            match name.strip_suffix(extension) {
                Some(stem) if stem == role.name() => placed.push((self.source().to_owned(), *text)),
                Some(stem) if of_role(stem) => {}
                _ => placed.push(((*name).to_owned(), *text)),
            }
        }
        if self == Self::Go {
            placed.extend(under("sluice", files::SLUICE_GO));
        }
        match self {
            Self::Rust => placed.push(("sdk/Cargo.toml".into(), files::SDK_MANIFEST)),
            _ => placed.push(("wit/plugin.wit".into(), files::WORLD)),
        }
        placed
    }

    /// Files that are copied as they are: the contract, and what the project is built on.
    pub fn libraries(self) -> Vec<Placed> {
        match self {
            Self::Rust => [under("wit", files::WIT), under("sdk/src", files::SDK)].concat(),
            Self::JavaScript => [contract(), under("sluice", files::SLUICE_JS)].concat(),
            Self::TypeScript => {
                [contract(), under("sluice", files::SLUICE_JS), under("sluice", files::SLUICE_TS)].concat()
            }
            Self::Python => [contract(), under("sluice", files::SLUICE_PY)].concat(),
            Self::C => [contract(), under("sluice", files::SLUICE_C)].concat(),
            Self::Cpp => [contract(), under("sluice", files::SLUICE_C), under("sluice", files::SLUICE_CPP)].concat(),
            Self::Go => contract(),
        }
    }
}

/// The contract where tools look for packages that a world names.
fn contract() -> Vec<Placed> {
    under("wit/deps/sluice", files::WIT)
}

fn under(folder: &str, files: &[File]) -> Vec<Placed> {
    files.iter().map(|(name, text)| (format!("{folder}/{name}"), *text)).collect()
}
