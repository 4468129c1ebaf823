//! The program `sluice`: the command line around the library.

mod cli;

use std::process::ExitCode;

/// A request allocates a dozen times; docs/benchmarks.md has what this saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
