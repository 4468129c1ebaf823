//! What a file is, found by reading it: kind, hooks, imports, size. Nothing is compiled and nothing of
//! the guest runs; a hostile file costs a pass over its bytes.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use wasmparser::{Encoding, Parser, Payload};

use super::error::{LoadError, PACKAGE, VERSION};
use crate::config::model::Capability;
use crate::plugin::role::Hooks;

/// The largest file in bytes. Python components have 18 MB.
pub const MAX_BYTES: usize = 64 << 20;
/// Compiling takes memory and time for each function; 20,000 of them take some seconds.
const MAX_FUNCTIONS: u64 = 200_000;
/// Modules and components nested in one component. Python components have about 150.
const MAX_MODULES: u64 = 1000;

/// WASI packages that the gateway has, without files and sockets behind them.
const WASI_PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// What a file is and has.
#[derive(Debug, Clone)]
pub struct Inspection {
    pub kind: Kind,
    /// Of the file, in bytes.
    pub size: usize,
    /// SHA-256 of the file in hexadecimal.
    pub digest: String,
    /// The hooks that it exports.
    pub hooks: Hooks,
    /// Whether it takes a configuration.
    pub lifecycle: bool,
    /// The version of `sluice:plugin` that it was built for.
    pub wit_version: Option<String>,
    /// Interfaces of `sluice:plugin` that it imports: `types`, `log`, `kv`, …
    pub imports: BTreeSet<String>,
    /// WASI interfaces that it imports, with package and version.
    pub wasi: BTreeSet<String>,
    /// Imports that nobody serves.
    pub unknown_imports: BTreeSet<String>,
    /// Exports that the gateway doesn't use.
    pub ignored_exports: BTreeSet<String>,
    /// Functions in all modules.
    pub functions: u64,
    foreign: Option<(String, String)>,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Component,
    /// A module that carries its component type; it is turned into a component when it is loaded.
    CoreModule,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Component => "component",
            Self::CoreModule => "core module with a component type",
        })
    }
}

/// Look into a file.
///
/// # Errors
/// The bytes are no component, nor a core module that can be turned into one.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    let kind = kind(bytes)?;
    match kind {
        Kind::Component => survey(kind, bytes, bytes),
        Kind::CoreModule => survey(kind, bytes, &super::compile::encode(bytes)?),
    }
}

/// Which form the bytes have, by their first eight.
pub(crate) fn kind(bytes: &[u8]) -> Result<Kind, LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if bytes.len() > MAX_BYTES {
        return Err(LoadError::TooLarge { size: bytes.len(), limit: MAX_BYTES });
    }
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Ok(Kind::CoreModule),
        Some([0, b'a', b's', b'm', ..]) => Ok(Kind::Component),
        _ => {
            let text = bytes.trim_ascii_start().starts_with(b"(");
            let hint = if text { "; it looks like the text format: assemble it with `wasm-tools parse`" } else { "" };
            Err(LoadError::NotWasm { hint })
        }
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Read `component`, which `file` is or became.
pub(crate) fn survey(kind: Kind, file: &[u8], component: &[u8]) -> Result<Inspection, LoadError> {
    let mut found = Inspection {
        kind,
        size: file.len(),
        digest: digest(file),
        hooks: Hooks::default(),
        lifecycle: false,
        wit_version: None,
        imports: BTreeSet::new(),
        wasi: BTreeSet::new(),
        unknown_imports: BTreeSet::new(),
        ignored_exports: BTreeSet::new(),
        functions: 0,
        foreign: None,
    };
    let malformed = |error: wasmparser::BinaryReaderError| LoadError::Malformed(error.to_string());
    let mut depth = 0u32;
    let mut modules = 0u64;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding, .. } => {
                if depth == 0 && encoding == Encoding::Module {
                    return Err(LoadError::Malformed("a module stands where a component should".into()));
                }
                depth += 1;
                modules += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } => found.functions += u64::from(count),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    found.import(import.map_err(malformed)?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    found.export(export.map_err(malformed)?.name.name);
                }
            }
            _ => {}
        }
    }
    at_most("functions", found.functions, MAX_FUNCTIONS)?;
    at_most("modules", modules, MAX_MODULES)?;
    Ok(found)
}

fn at_most(what: &'static str, count: u64, limit: u64) -> Result<(), LoadError> {
    if count > limit { Err(LoadError::TooComplex { what, count, limit }) } else { Ok(()) }
}

impl Inspection {
    /// Whether this gateway can serve it.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check(&self) -> Result<(), LoadError> {
        if let Some((name, found)) = &self.foreign {
            return Err(LoadError::Version { name: name.clone(), found: found.clone() });
        }
        if let Some(name) = self.unknown_imports.first() {
            return Err(LoadError::UnknownImport(name.clone()));
        }
        if self.hooks.is_empty() {
            return Err(LoadError::NoHook);
        }
        Ok(())
    }

    fn import(&mut self, name: &str) {
        match self.split_own(name) {
            Some(Some(interface)) if is_capability(interface) => {
                self.imports.insert(interface.to_owned());
            }
            Some(None) => {}
            _ if is_wasi(name) => {
                self.wasi.insert(name.to_owned());
            }
            _ => {
                self.unknown_imports.insert(name.to_owned());
            }
        }
    }

    fn export(&mut self, name: &str) {
        match self.split_own(name) {
            Some(Some("lifecycle")) => self.lifecycle = true,
            Some(None) => {}
            own => {
                let hook = own.flatten().and_then(|name| Hooks::ALL.iter().find(|(_, hook)| *hook == name));
                match hook {
                    Some((hook, _)) => self.hooks = self.hooks.with(*hook),
                    None => {
                        self.ignored_exports.insert(name.to_owned());
                    }
                }
            }
        }
    }

    /// The interface, if the name is in our package; `Some(None)` if it is in another version of it.
    fn split_own<'a>(&mut self, name: &'a str) -> Option<Option<&'a str>> {
        let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        if version == VERSION {
            self.wit_version.get_or_insert_with(|| version.to_owned());
            return Some(Some(interface));
        }
        let version = if version.is_empty() { "(none)" } else { version };
        self.wit_version = Some(version.to_owned());
        self.foreign.get_or_insert_with(|| (name.to_owned(), version.to_owned()));
        Some(None)
    }
}

fn is_capability(interface: &str) -> bool {
    // The first three need no grant.
    ["types", "endpoints", "log"].contains(&interface) || Capability::named(interface).is_some()
}

fn is_wasi(name: &str) -> bool {
    let parts = name.strip_prefix("wasi:").and_then(|rest| rest.split_once('/'));
    parts.is_some_and(|(package, rest)| WASI_PACKAGES.contains(&package) && rest.contains("@0.2."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_no_wasm() {
        assert_eq!(kind(b""), Err(LoadError::Empty));
        assert_eq!(kind(b"#!/bin/sh"), Err(LoadError::NotWasm { hint: "" }));
        assert!(matches!(kind(b"\n (component)"), Err(LoadError::NotWasm { hint }) if hint.contains("text format")));
        assert!(matches!(inspect(b"\0asm\x0d\0\x01\0\x07\xff"), Err(LoadError::Malformed(_))));
    }

    #[test]
    fn sorts_imports_and_exports() {
        let bytes = wat::parse_str(
            r#"(component
                (import "sluice:plugin/log@0.1.0" (instance))
                (import "wasi:io/streams@0.2.6" (instance))
                (import "wasi:http/types@0.2.6" (instance))
                (import "acme:thing/stuff" (instance $stuff))
                (export "sluice:plugin/on-request@0.1.0" (instance $stuff))
                (export "init" (instance $stuff)))"#,
        )
        .unwrap();
        let found = inspect(&bytes).unwrap();
        assert_eq!(found.kind, Kind::Component);
        assert_eq!(found.hooks, Hooks::ON_REQUEST);
        assert_eq!(found.wit_version.as_deref(), Some("0.1.0"));
        assert!(found.imports.contains("log") && found.wasi.contains("wasi:io/streams@0.2.6"));
        assert!(found.ignored_exports.contains("init"));
        assert_eq!(found.check(), Err(LoadError::UnknownImport("acme:thing/stuff".into())));
    }

    #[test]
    fn refuses_another_version_by_name() {
        let bytes = wat::parse_str(
            r#"(component (import "sluice:plugin/types@0.2.0" (instance $i)) (export "sluice:plugin/aggregate@0.2.0" (instance $i)))"#,
        )
        .unwrap();
        let error = inspect(&bytes).unwrap().check().unwrap_err();
        assert_eq!(error, LoadError::Version { name: "sluice:plugin/types@0.2.0".into(), found: "0.2.0".into() });
        assert!(error.to_string().contains("speaks 0.1.0"), "{error}");
    }
}
