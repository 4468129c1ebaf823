//! The command line: what each command is called, takes and returns. What a gateway does is the library's.
//!
//! Exit codes: 0 all is well; 1 something is wrong, and was said on standard error; 2 the command line
//! itself is wrong.

mod build;
mod check;
mod dev;
mod explain;
mod healthcheck;
mod inspect;
mod new;
#[cfg(test)]
mod reference;
mod run;
mod test;
mod top;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use sluice::plugin::wasm::child;
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
    /// Say which route takes a request and why, what its plugins decide, and where it would go
    Explain(Explain),
    /// Show what a running gateway does: rates, routes, plugins, endpoints
    Top(top::Top),
    /// Say whether the gateway with this configuration serves, by `/readyz` of its admin API; for containers
    Healthcheck(Check),
    /// Print the configuration's JSON Schema, for editors
    Schema,
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
    /// Compile the component on standard input, as the gateway has it done by itself
    #[command(name = child::COMMAND, hide = true)]
    CompileComponent,
    /// Make plugins, look into their files, and test them
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

#[derive(Debug, Args)]
struct Explain {
    /// The configuration
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The request: "GET https://api.example.com/users/7", or the URL alone
    request: String,
    /// A header field, "NAME: VALUE"; may be repeated
    #[arg(long = "header", short = 'H', value_name = "FIELD")]
    headers: Vec<String>,
    /// The listener that receives it; by default the first one for HTTP
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// The client's address; by default 127.0.0.1
    #[arg(long, value_name = "ADDRESS")]
    client: Option<std::net::IpAddr>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Plugin {
    /// Show a file's hooks, WIT version, imports and size
    Inspect {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a project that builds a plugin
    New(new::New),
    /// Make bindings for the world `plugin` of a project: what its language's compiler builds with
    Bindings {
        /// What they are for
        #[arg(long, value_enum)]
        lang: build::Bound,
        /// The module of a project in Go
        #[arg(long, value_name = "NAME", default_value = "plugin")]
        module: String,
        /// The folder that has the world
        #[arg(long, value_name = "DIR", default_value = "wit")]
        wit: PathBuf,
        /// Where they go
        #[arg(long, short, value_name = "DIR")]
        output: PathBuf,
    },
    /// Make a component of a core module that was built with bindings
    Component {
        #[arg(value_name = "MODULE")]
        module: PathBuf,
        /// The folder that has its world
        #[arg(long, value_name = "DIR", default_value = "wit")]
        wit: PathBuf,
        /// The component
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Build a plugin's project whenever it changes, and show what it does to each request
    Dev(dev::Dev),
    /// Run a plugin in the real host on written cases, and show what differs
    Test {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The cases
        #[arg(value_name = "CASES", default_value = "cases.toml")]
        cases: PathBuf,
        /// Run each case so many times in the same instances
        #[arg(long, value_name = "N", default_value_t = 1)]
        repeat: u32,
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
    // The kernel's own name for this program, also when its file was replaced meanwhile.
    child::compile_with("/proc/self/exe");
    match Cli::parse().command {
        Command::Run(Run { config, log_format }) => {
            let format = match log_format {
                LogFormat::Text => log::Format::Text,
                LogFormat::Json => log::Format::Json,
            };
            run::run(config, format)
        }
        Command::Check(Check { config }) => check::check(&config),
        Command::Explain(Explain { config, request, headers, listener, client, json }) => {
            explain::explain(explain::Asked {
                config: &config,
                request: &request,
                headers: &headers,
                listener,
                client,
                json,
            })
        }
        Command::Top(asked) => top::top(&asked),
        Command::Healthcheck(Check { config }) => healthcheck::healthcheck(&config),
        Command::CompileComponent => child::serve(),
        Command::Schema => print(&format!("{:#}\n", sluice::config::schema())),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sluice", &mut text);
            print(&String::from_utf8_lossy(&text))
        }
        Command::Man => {
            let mut text = Vec::new();
            match clap_mangen::Man::new(Cli::command()).render(&mut text) {
                Ok(()) => print(&String::from_utf8_lossy(&text)),
                Err(error) => fail(error),
            }
        }
        Command::Plugin(Plugin::Inspect { file }) => inspect::inspect(&file),
        Command::Plugin(Plugin::New(args)) => new::new(&args),
        Command::Plugin(Plugin::Bindings { lang, module, wit, output }) => {
            build::bindings(lang, &module, &wit, &output)
        }
        Command::Plugin(Plugin::Component { module, wit, output }) => build::component(&module, &wit, &output),
        Command::Plugin(Plugin::Dev(args)) => dev::dev(args),
        Command::Plugin(Plugin::Test { file, cases, repeat }) => {
            if let Err(error) = log::start(log::Format::Text) {
                return fail(error);
            }
            test::test(&file, &cases, repeat)
        }
    }
}

/// Print a document. Whoever reads it may have enough of it before its end.
fn print(text: &str) -> ExitCode {
    match std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

/// Say what is wrong.
fn fail(text: impl std::fmt::Display) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
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
            "sluice explain --config a.toml http://a/b -H x:1 --json",
            "sluice top --once --admin http://127.0.0.1:9901 --sort errors",
            "sluice top --config a.toml",
            "sluice healthcheck --config a.toml",
            "sluice schema",
            "sluice completions bash",
            "sluice man",
            "sluice plugin new hello --lang rust --role filter --grant clock --grant kv",
            "sluice plugin bindings --lang c --output build",
            "sluice plugin bindings --lang go --module hello --output build",
            "sluice plugin component a.wasm --wit wit --output b.wasm",
            "sluice plugin dev",
            "sluice plugin dev a --listen 127.0.0.1:0 --build make",
            "sluice plugin dev a --config a.toml",
            "sluice plugin test a.wasm",
            "sluice plugin test a.wasm b.toml --repeat 20",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(Cli::try_parse_from(["sluice", "run"]).is_err());
    }
}
