//! From bytes to machine code: core modules become components, components are compiled once, and the
//! result is kept on disk by digest.
//!
//! Compiling takes seconds and hundreds of megabytes for large guests, so it runs in a process of its own ([`child`]),
//! or on threads that give way to the data threads, one component at a time. Nothing of the guest runs here.

use std::collections::HashMap;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use wasmparser::{Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::{InstancePre, Linker};

use super::cache::Cache;
use super::child;
use super::component::Component;
use super::error::{HostError, LoadError};
use super::guest::Guest;
use super::inspect::{self, Kind};
use super::linker;

/// For one component. The largest that is known, a Python interpreter of 18 MB, takes some seconds; one that is made to
/// be dear mustn't keep all others from being loaded.
const MOST_TIME: Duration = Duration::from_secs(120);

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
    /// Held while an image is made: none of those keeps a component from being loaded.
    imaging: Mutex<()>,
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
            // Whoever waits for it is told; without this, the process would end.
            .panic_handler(|_| ())
            .build()
            .map_err(|error| HostError::Engine(format!("can't start the compiler's threads: {error}")))?;
        Ok(Self {
            engine,
            linkers,
            cache,
            workers,
            known: Mutex::default(),
            busy: Mutex::default(),
            imaging: Mutex::default(),
        })
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
        let (own, shared) = (self.link(&compiled, false)?, self.link(&compiled, true)?);
        let component = Arc::new(Component::new(inspection, binary, own, shared));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, component| component.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&component));
        Ok(component)
    }

    fn known(&self, digest: &str) -> Option<Arc<Component>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(digest).and_then(Weak::upgrade)
    }

    /// One image at a time, for the sake of memory.
    pub(crate) fn image_alone(&self) -> MutexGuard<'_, ()> {
        self.imaging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compile a component, whatever it is. Takes its time.
    ///
    /// # Errors
    /// It doesn't compile.
    pub(crate) fn compile(&self, binary: &[u8]) -> Result<wasmtime::component::Component, LoadError> {
        match child::compiler().map(|command| child::compile(command, binary, MOST_TIME)) {
            // SAFETY: `deserialize` runs what it is given. This comes from a process that we have started as this very
            // program, over a pipe that nobody else has, and that process only hands on what `precompile_component` made.
            Some(Ok(compiled)) => unsafe { wasmtime::component::Component::deserialize(&self.engine, compiled?) }
                .map_err(|error| LoadError::Compile(format!("{error:#}"))),
            Some(Err(error)) => {
                tracing::warn!(%error, "no process to compile a plugin in; it is compiled in this one");
                self.compile_here(binary)
            }
            None => self.compile_here(binary),
        }
    }

    fn compile_here(&self, binary: &[u8]) -> Result<wasmtime::component::Component, LoadError> {
        let (engine, binary) = (self.engine.clone(), binary.to_vec());
        let compile = move || wasmtime::component::Component::from_binary(&engine, &binary);
        match within(&self.workers, MOST_TIME, compile) {
            // The error's chain names the function and the offset; its first line alone doesn't.
            Ok(compiled) => compiled.map_err(|error| LoadError::Compile(format!("{error:#}"))),
            Err(RecvTimeoutError::Timeout) => Err(LoadError::TooSlow { limit: MOST_TIME }),
            Err(RecvTimeoutError::Disconnected) => Err(LoadError::Compile("the compiler failed".into())),
        }
    }

    /// Give a component what a plugin may import whose state is `shared` by a fleet or isn't.
    ///
    /// # Errors
    /// It imports something of another type.
    pub(crate) fn link(
        &self,
        compiled: &wasmtime::component::Component,
        shared: bool,
    ) -> Result<InstancePre<Guest>, LoadError> {
        let linker = if shared { &self.linkers.shared } else { &self.linkers.own };
        self.link_by(linker, compiled)
    }

    /// The same for an instance of which an image is made.
    ///
    /// # Errors
    /// It imports something of another type.
    pub(crate) fn link_for_image(
        &self,
        compiled: &wasmtime::component::Component,
    ) -> Result<InstancePre<Guest>, LoadError> {
        let mut linker = self.linkers.image.clone();
        linker.define_unknown_imports_as_traps(compiled).map_err(|error| LoadError::Interface(format!("{error:#}")))?;
        self.link_by(&linker, compiled)
    }

    fn link_by(
        &self,
        linker: &Linker<Guest>,
        compiled: &wasmtime::component::Component,
    ) -> Result<InstancePre<Guest>, LoadError> {
        let fits = |error: wasmtime::Error| LoadError::Interface(format!("{error:#}"));
        // The image that instances start from is made here and not when a first request waits for it.
        compiled.initialize_copy_on_write_image().map_err(fits)?;
        linker.instantiate_pre(compiled).map_err(fits)
    }
}

/// Do `work` on one of the threads, and wait for it at most for so long. It can't be interrupted: past its time it goes
/// on, behind everything else, and what it makes is thrown away.
fn within<T: Send + 'static>(
    workers: &rayon::ThreadPool,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RecvTimeoutError> {
    let (done, made) = sync_channel(1);
    // Whoever waited may have given up.
    workers.spawn(move || drop(done.send(work())));
    made.recv_timeout(limit)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_takes_too_long_or_fails_is_not_waited_for() {
        let workers = rayon::ThreadPoolBuilder::new().num_threads(1).panic_handler(|_| ()).build().unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let late = within(&workers, Duration::ZERO, move || released.recv());
        assert!(matches!(late, Err(RecvTimeoutError::Timeout)));
        drop(release);
        let patient = Duration::from_secs(60);
        assert!(matches!(within(&workers, patient, || 7), Ok(7)), "it goes on to the next");
        let failed = within(&workers, patient, || -> u8 { panic!("on purpose") });
        assert!(matches!(failed, Err(RecvTimeoutError::Disconnected)));
    }
}
