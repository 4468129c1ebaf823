//! The command line: each command with what it takes.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::{cell, plain};
use crate::cli::Cli;

const HEAD: &str = "
# Commands

What `sluice help COMMAND` says. Exit codes: 0 all is well; 1 something is wrong, and was said on standard error; 2 the command line itself is
wrong. `SLUICE_LOG` chooses what is logged: `error`, `warn`, `info`, `debug`, `trace`, also by module (`info,sluice::reload=debug`).
";

pub fn page() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut page = HEAD.to_owned();
    for command in cli.get_subcommands() {
        section(&mut page, command);
    }
    page
}

fn section(page: &mut String, command: &Command) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let mut command = command.clone();
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let title = command.get_bin_name().unwrap_or_default();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    write!(page, "\n## {title}\n\n{}.\n", plain(about.trim_end_matches('.'))).unwrap();
    if command.has_subcommands() {
        for inner in command.get_subcommands() {
            section(page, inner);
        }
        return;
    }
    write!(page, "\n```text\n{usage}\n```\n").unwrap();
    let arguments: Vec<&Arg> = command.get_arguments().filter(|one| shown(one)).collect();
    if !arguments.is_empty() {
        page.push_str("\n| Argument | Meaning |\n|---|---|\n");
    }
    for argument in arguments {
        writeln!(page, "| `{}` | {} |", cell(&name(argument)), cell(&meaning(argument))).unwrap();
    }
}

fn shown(argument: &Arg) -> bool {
    !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

/// `--config, -c FILE`, or `FILE`.
fn name(argument: &Arg) -> String {
    let flags =
        [argument.get_long().map(|long| format!("--{long}")), argument.get_short().map(|short| format!("-{short}"))];
    let flags = flags.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let value = argument.get_value_names().and_then(<[_]>::first).map(ToString::to_string);
    let value = value.unwrap_or_else(|| argument.get_id().as_str().to_uppercase());
    match (flags.is_empty(), takes) {
        (true, _) => value,
        (false, true) => format!("{flags} {value}"),
        (false, false) => flags,
    }
}

fn meaning(argument: &Arg) -> String {
    let mut text = plain(&argument.get_help().map(ToString::to_string).unwrap_or_default());
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| takes && !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        let between = if text.is_empty() { "" } else { ": " };
        text = format!("{text}{between}{}", values.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if takes && !defaults.is_empty() {
        text = format!("{text}; by default {}", defaults.join(", "));
    }
    text
}
