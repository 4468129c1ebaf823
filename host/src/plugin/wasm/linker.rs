//! Everything that a component can import, in one linker. Whether a plugin may have it is decided
//! before it is instantiated, by its grants.

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::{clock, crypto, endpoints, http_client, kv, limiter, log, metrics, random, types};
use super::guest::Guest;
use crate::plugin::capabilities::{shared, wasi};

/// For plugins whose state is this gateway's own, and for those whose state a fleet shares: the former never have the
/// trouble of calls that may wait.
pub(crate) struct Linkers {
    pub(crate) own: Linker<Guest>,
    pub(crate) shared: Linker<Guest>,
    /// For images: what depends on nothing but what a guest says. The rest isn't there, and calling it a trap.
    pub(crate) image: Linker<Guest>,
}

pub(crate) fn build(engine: &Engine) -> wasmtime::Result<Linkers> {
    let own = own(engine)?;
    let mut shared = own.clone();
    shared::link(&mut shared)?;
    let mut image = constant(engine)?;
    log::add_to_linker::<Guest, HasSelf<Guest>>(&mut image, |guest| guest)?;
    Ok(Linkers { own, shared, image })
}

fn constant(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    endpoints::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    crypto::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    Ok(linker)
}

fn own(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = constant(engine)?;
    log::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    clock::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    random::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    kv::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    limiter::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    http_client::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    metrics::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wasi::link(&mut linker)?;
    Ok(linker)
}
