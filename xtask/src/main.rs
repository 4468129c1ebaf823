//! Project tasks, each from a clean clone: `cargo xtask test`, `cargo xtask demo`, `cargo xtask bench`,
//! `cargo xtask release`, `cargo xtask docs`, `cargo xtask fuzz`, `cargo xtask plugins`, `cargo xtask languages`,
//! `cargo xtask dashboard`.

mod bench;
mod browser;
mod command;
mod demo;
mod dependencies;
mod docs;
mod fuzz;
mod guests;
mod languages;
mod release;
mod test;
mod toolchain;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask TASK

  demo      the gateway at work: a mobile bank, told in a minute; with --keep it stays up
  bench     what a request costs, beside nginx, HAProxy and Envoy; writes docs/benchmarks.md
            [--rounds N] [--seconds N] [--binary FILE] [SCENARIO ...]
  release   the gateway built by a profile of itself, some per cent faster; takes two release builds
  test      formats, dependencies, lints, plugins, all tests, and the demo
  fuzz      the targets of tests/fuzz under libFuzzer, a minute each [--seconds N] [TARGET ...]
  docs      write docs/reference anew, as the code is
  plugins   build all plugins into target/plugins
  languages fetch the compilers for the tests of plugin projects; `test` does that, too
  dashboard fetch the dashboard's libraries anew, for a new version of one";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["plugins"] => guests::build(),
        ["docs"] => docs::write(),
        ["languages"] => languages::prepare(),
        ["dashboard"] => browser::vendor(),
        ["demo"] => demo::run(&[]),
        ["demo", "--keep"] => demo::run(&["--keep"]),
        ["release"] => release::build(),
        ["test"] => test::run_all(),
        ["fuzz", options @ ..] => fuzz::fuzz(options),
        ["bench", options @ ..] => bench::run(options),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
