//! From bytes to machine code: core modules become components, components are compiled once, and the
//! result is kept on disk by digest.
//!
//! Compiling takes seconds and hundreds of megabytes for large guests, so it runs on threads of its own
//! that give way to the data threads, one component at a time. Nothing of the guest runs here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmparser::{Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::InstancePre;

use super::cache::Cache;
use super::component::Component;
use super::error::{HostError, LoadError};
use super::guest::Guest;
use super::inspect::{self, Kind};
use super::linker;

/// Compiles components, each only once while it is in use.
pub(crate) struct Compiler {
    engine: Engine,
    linkers: linker::Linkers,
    cache: Cache,
    workers: rayon::ThreadPool,
    /// By digest of the file.
    known: Mutex<HashMap<String, Weak<Component>>>,
    /// Held while one is compiled: two at once would take memory twice.
    busy: Mutex<()>,
}

impl Compiler {
    pub(crate) fn new(engine: Engine, cache: Cache) -> Result<Self, HostError> {
        let linkers = linker::build(&engine).map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let workers = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("sluice-compile-{index}"))
            // Requests go first. If the system doesn't allow it, compiling is merely less polite.
            .start_handler(|_| {
                let _ = rustix::process::nice(10);
            })
            .build()
            .map_err(|error| HostError::Engine(format!("can't start the compiler's threads: {error}")))?;
        Ok(Self { engine, linkers, cache, workers, known: Mutex::default(), busy: Mutex::default() })
    }

    /// Check and compile a file. Takes its time: call it on a thread that may block.
    ///
    /// # Errors
    /// It is no plugin; the error says why.
    pub(crate) fn load(&self, bytes: &[u8]) -> Result<Arc<Component>, LoadError> {
        let kind = inspect::kind(bytes)?;
        let digest = inspect::digest(bytes);
        if let Some(component) = self.known(&digest) {
            return Ok(component);
        }
        let _alone = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        // Someone else may have wanted the same.
        if let Some(component) = self.known(&digest) {
            return Ok(component);
        }
        let encoded;
        let binary = match kind {
            Kind::Component => bytes,
            Kind::CoreModule => {
                encoded = encode(bytes)?;
                &encoded
            }
        };
        let inspection = inspect::survey(kind, bytes, binary)?;
        inspection.check()?;
        let compiled = match self.cache.load(&self.engine, &digest) {
            Some(compiled) => compiled,
            None => {
                let compiled = self.compile(binary)?;
                self.cache.store(&self.engine, &digest, &compiled);
                compiled
            }
        };
        let (own, shared) = self.link(&compiled)?;
        let component = Arc::new(Component::new(inspection, own, shared));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, component| component.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&component));
        Ok(component)
    }

    fn known(&self, digest: &str) -> Option<Arc<Component>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(digest).and_then(Weak::upgrade)
    }

    fn compile(&self, binary: &[u8]) -> Result<wasmtime::component::Component, LoadError> {
        // The error's chain names the function and the offset; its first line alone doesn't.
        self.workers
            .install(|| wasmtime::component::Component::from_binary(&self.engine, binary))
            .map_err(|error| LoadError::Compile(format!("{error:#}")))
    }

    fn link(
        &self,
        compiled: &wasmtime::component::Component,
    ) -> Result<(InstancePre<Guest>, InstancePre<Guest>), LoadError> {
        let fits = |error: wasmtime::Error| LoadError::Interface(format!("{error:#}"));
        // The image that instances start from is made here and not when a first request waits for it.
        compiled.initialize_copy_on_write_image().map_err(fits)?;
        let own = self.linkers.own.instantiate_pre(compiled).map_err(fits)?;
        Ok((own, self.linkers.shared.instantiate_pre(compiled).map_err(fits)?))
    }
}

/// Turn a core module that carries its component type into a component.
///
/// # Errors
/// It carries none, or it imports what only an adapter could give it.
pub(crate) fn encode(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let mut typed = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| LoadError::Malformed(error.to_string()))? {
            Payload::CustomSection(section) if section.name().starts_with("component-type") => typed = true,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(|error| LoadError::Malformed(error.to_string()))?;
                    if import.module == "wasi_snapshot_preview1" || import.module == "wasi_unstable" {
                        return Err(LoadError::NeedsAdapter(import.module.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    if !typed {
        return Err(LoadError::NoComponentType);
    }
    let encode = || wit_component::ComponentEncoder::default().validate(true).module(module)?.encode();
    // The component type comes from the file; should the encoder stumble over a hostile one, that is the
    // file's fault and not the gateway's end.
    match std::panic::catch_unwind(encode) {
        Ok(Ok(component)) => Ok(component),
        Ok(Err(error)) => Err(LoadError::Encode(format!("{error:#}"))),
        Err(_) => Err(LoadError::Encode("its component type is malformed".into())),
    }
}
