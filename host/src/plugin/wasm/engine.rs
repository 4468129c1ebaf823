//! The engine that all plugins of a gateway share, and the clock that interrupts them.
//!
//! Every number of the pooling allocator is explained here. Nothing in this module knows of
//! plugins; it never runs guest code.

use std::thread;
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::error::HostError;

/// The time between two looks at a running guest: it yields to its neighbours this often.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The largest linear memory that `limits.memory` can allow.
pub(crate) const MAX_MEMORY: usize = 1 << 30;

/// The most elements a table may have. A Python interpreter's largest has about 30,000.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 100_000;

/// Core instances in one component. Python components have up to 108, QuickJS 50, Go 27, Rust 3.
pub(crate) const MAX_CORE_INSTANCES: u32 = 256;

/// Memories and tables in one component. Toolchains make one memory and up to four tables; dynamic
/// linking adds a few.
const MAX_MEMORIES_PER_COMPONENT: u32 = 4;
const MAX_TABLES_PER_COMPONENT: u32 = 16;

/// Instances alive at once over all plugins and threads: 16 threads with 64 plugins of 4 instances
/// each, or two generations (a reload overlaps) of 32 such plugins. Only addresses are reserved for
/// them: 4 GiB and a guard for each memory, 16 TiB in all, of the 128 TiB that a process has.
const INSTANCES: u32 = 4096;
/// Where addresses are scarce (`ulimit -v`, many gateways in one process), fewer will do.
const FEWEST_INSTANCES: u32 = 128;

/// Make the engine and start its clock.
///
/// # Errors
/// The machine can't reserve the address space, or has no usable code generator.
pub(crate) fn build() -> Result<Engine, HostError> {
    let mut instances = INSTANCES;
    let engine = loop {
        match Engine::new(&config(instances)) {
            Ok(engine) => break engine,
            Err(error) if instances <= FEWEST_INSTANCES => {
                return Err(HostError::Engine(format!("{error:#}; if address space is scarce, raise `ulimit -v`")));
            }
            Err(_) => instances /= 2,
        }
    };
    if instances < INSTANCES {
        tracing::warn!(instances, "address space is scarce (`ulimit -v`?): fewer plugin instances can run at once");
    }
    start_clock(engine.weak())?;
    Ok(engine)
}

/// For an engine that only compiles, for those that [`build`] makes: it reserves no room for instances.
pub(crate) fn for_compiling() -> Config {
    base()
}

fn config(instances: u32) -> Config {
    let mut config = base();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
    config
}

/// Everything on which compiled code depends.
fn base() -> Config {
    let mut config = Config::new();
    // Without component-model concurrency a call on a fiber costs 0.3 µs instead of 1.5.
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.cranelift_opt_level(OptLevel::Speed);

    // What guest toolchains need: Go uses tail calls, all use bulk memory (and reference types, which are
    // always there), and dynamic linking (Python) extended constants. 64-bit memories would need bounds checks and
    // lift their pointers differently; no toolchain makes them unasked.
    config.wasm_tail_call(true);
    config.wasm_bulk_memory(true);
    config.wasm_extended_const(true);
    config.wasm_memory64(false);

    // Guests may use 512 KiB of stack (interpreters recurse); the host functions that they call run on
    // the same stack and get as much again. Pages are only committed when they are touched.
    config.max_wasm_stack(512 << 10);
    config.async_stack_size(1 << 20);

    // A whole 32-bit address space is reserved for each memory, so that no load or store needs a
    // bounds check, whatever the memory's limit.
    config.memory_reservation(4 << 30);
    config.memory_guard_size(32 << 20);
    config.memory_init_cow(true);
    config
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances);
    // Counters without memory behind them. Most components are small; the average allows for some
    // large ones among them.
    pool.total_core_instances(instances.saturating_mul(64));
    pool.max_core_instances_per_component(MAX_CORE_INSTANCES);
    // Nearly every component has one memory.
    pool.total_memories(instances);
    pool.max_memories_per_component(MAX_MEMORIES_PER_COMPONENT);
    pool.max_memory_size(MAX_MEMORY);
    // The function table, its fix-up copy and the adapters'. Addresses only: 800 KB each.
    pool.total_tables(instances.saturating_mul(4));
    pool.max_tables_per_component(MAX_TABLES_PER_COMPONENT);
    pool.max_tables_per_module(8);
    pool.table_elements(MAX_TABLE_ELEMENTS);
    // An instance keeps its stack between calls.
    pool.total_stacks(instances);
    // Bounds on what one instance's bookkeeping may take; a Python component needs about 1 MiB.
    pool.max_core_instance_size(1 << 20);
    pool.max_component_instance_size(4 << 20);

    // A fresh instance of a small guest dirties fewer than 16 pages. Wiping those by hand costs less
    // than giving them back and faulting them in again; the page-map scan finds which they are.
    pool.linear_memory_keep_resident(64 << 10);
    pool.table_keep_resident(4 << 10);
    pool.pagemap_scan(Enabled::Auto);
    // Slots remember the component that they were last used for, so that its image stays mapped.
    pool.max_unused_warm_slots(256);
    pool
}

/// Advance the engine's epoch each [`TICK`] until the engine is gone.
fn start_clock(engine: EngineWeak) -> Result<(), HostError> {
    let tick = move || {
        loop {
            thread::sleep(TICK);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    };
    thread::Builder::new().name("sluice-ticks".into()).spawn(tick).map(drop).map_err(HostError::Thread)
}
