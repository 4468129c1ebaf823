//! WASI 0.2 for guests whose toolchain insists on it, with nothing behind it: no files, no sockets, an
//! empty environment. It never widens a grant: clocks trap without the grant `clock`, randomness without
//! `random`. What is printed goes to the plugin's log.
//!
//! An instance pays for this when it uses it first. Only the asynchronous implementation is linked; the
//! other one would block a data thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::plugin::wasm::guest::{Guest, Lent};

/// Streams and pollables that a guest may hold at once.
const MOST_RESOURCES: usize = 1024;
/// The most random bytes in one call.
const MOST_RANDOM: u64 = 64 << 10;

/// What WASI keeps for one instance.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    output: Output,
}

impl Wasi {
    pub(crate) fn new(lent: &Lent) -> Self {
        // One byte more than may be logged, so that the log can tell when there was more.
        let output = Output { printed: Arc::default(), limit: lent.limits.log.saturating_add(1) };
        let context = WasiCtx::builder()
            .stdout(output.clone())
            .stderr(output.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_RESOURCES);
        Self { context, table, output }
    }

    /// What was printed since the last time.
    pub(crate) fn take_output(&self) -> Option<Vec<u8>> {
        let mut printed = self.output.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.is_empty() { None } else { Some(std::mem::take(&mut *printed)) }
    }
}

/// Add all of WASI, and put what has to be granted in place of what hasn't.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wall_clock::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    monotonic_clock::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    random::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    insecure::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    insecure_seed::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(&self.lent)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

impl Guest {
    fn need_clock(&self, what: &str) -> wasmtime::Result<()> {
        let granted = self.lent.grants.clock;
        wasmtime::ensure!(granted, "`{what}` isn't granted; to grant it, add `grants = [\"clock\"]` to the plugin");
        Ok(())
    }

    fn random_bytes<const N: usize>(&self, what: &str) -> wasmtime::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill_random(what, &mut bytes)?;
        Ok(bytes)
    }

    fn random_list(&self, what: &str, len: u64) -> wasmtime::Result<Vec<u8>> {
        wasmtime::ensure!(len <= MOST_RANDOM, "`{what}` gives at most {MOST_RANDOM} bytes, not {len}");
        let mut bytes = vec![0; len as usize];
        self.fill_random(what, &mut bytes)?;
        Ok(bytes)
    }

    fn fill_random(&self, what: &str, bytes: &mut [u8]) -> wasmtime::Result<()> {
        let granted = self.lent.grants.random;
        wasmtime::ensure!(granted, "`{what}` isn't granted; to grant it, add `grants = [\"random\"]` to the plugin");
        getrandom::fill(bytes).map_err(|error| wasmtime::format_err!("no randomness to be had: {error}"))
    }
}

impl wall_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        self.need_clock("wasi:clocks/wall-clock")?;
        self.clocks().now()
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        self.need_clock("wasi:clocks/wall-clock")?;
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}

impl monotonic_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.need_clock("wasi:clocks/monotonic-clock")?;
        Ok(u64::try_from(self.lent.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        self.need_clock("wasi:clocks/monotonic-clock")?;
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = monotonic_clock::Host::now(self)?;
        monotonic_clock::Host::subscribe_duration(self, when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.need_clock("wasi:clocks/monotonic-clock")?;
        monotonic_clock::Host::subscribe_duration(&mut self.clocks(), duration)
    }
}

impl random::Host for Guest {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_list("wasi:random/random", len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_bytes("wasi:random/random").map(u64::from_ne_bytes)
    }
}

impl insecure::Host for Guest {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_list("wasi:random/insecure", len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_bytes("wasi:random/insecure").map(u64::from_ne_bytes)
    }
}

impl insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        let halves = |seed: u128| (seed as u64, (seed >> 64) as u64);
        self.random_bytes("wasi:random/insecure-seed").map(u128::from_ne_bytes).map(halves)
    }
}

/// Where standard output and standard error go: a bounded buffer that the log takes up after each call.
#[derive(Clone)]
struct Output {
    printed: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, which isn't linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.limit.saturating_sub(printed.len()).min(bytes.len());
        printed.extend_from_slice(bytes.get(..room).unwrap_or_default());
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl Pollable for Output {
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::ready(()))
    }
}
