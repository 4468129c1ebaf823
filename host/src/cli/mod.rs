//! The command line: what each command is called, takes and returns. What a gateway does is the library's.
//!
//! Exit codes: 0 all is well; 1 something is wrong, and was said on standard error; 2 the command line
//! itself is wrong.

mod check;
mod inspect;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sluice::telemetry::log;

/// An API gateway and load balancer whose policy is WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve, until SIGTERM or SIGINT; SIGHUP and changed files reload
    Run(Run),
    /// Say everything that is wrong with a configuration and its plugins
    Check(Check),
    /// Look into plugin files
    #[command(subcommand)]
    Plugin(Plugin),
}

#[derive(Debug, Args)]
struct Run {
    /// The configuration
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The form of log lines, which go to standard error; SLUICE_LOG chooses what is logged, e.g. debug
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
}

#[derive(Debug, Args)]
struct Check {
    /// The configuration
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Plugin {
    /// Show a file's hooks, WIT version, imports and size
    Inspect {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Run the command that the process was started with.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(Run { config, log_format }) => {
            let format = match log_format {
                LogFormat::Text => log::Format::Text,
                LogFormat::Json => log::Format::Json,
            };
            run::run(config, format)
        }
        Command::Check(Check { config }) => check::check(&config),
        Command::Plugin(Plugin::Inspect { file }) => inspect::inspect(&file),
    }
}

/// Say what is wrong.
fn fail(text: impl std::fmt::Display) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_are_called_as_documented() {
        for line in [
            "sluice run --config a.toml",
            "sluice run --config a.toml --log-format json",
            "sluice check --config a.toml",
            "sluice plugin inspect a.wasm",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(Cli::try_parse_from(["sluice", "run"]).is_err());
    }
}
